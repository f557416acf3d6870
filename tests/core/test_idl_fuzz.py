"""No text is so odd that it does anything but load or be refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txgateway.core.errors import IdlError, Severity
from txgateway.core.linker import load

from .idl_schemas import SCALE

ROOT = Path(__file__).parents[2]
SEEDS = [p.read_text() for p in sorted(ROOT.glob("tests/vectors/*/idl/*.thrift"))]
ROUNDS = 400 * SCALE
MAX_LENGTH = 10_000
WORDS = [
    "struct",
    "union",
    "exception",
    "enum",
    "service",
    "const",
    "typedef",
    "include",
    "namespace",
    "extends",
    "oneway",
    "void",
    "throws",
    "required",
    "optional",
    "map",
    "list",
    "set",
    "i32",
    "i64",
    "string",
    "double",
    "bool",
    "binary",
    "byte",
    "uuid",
    "senum",
    "cpp_type",
    "xsd_all",
    "async",
    "true",
    "false",
    "A",
    "B",
    "c",
    "a.b",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ",",
    ";",
    ":",
    "=",
    "&",
    "*",
    '"',
    "'",
    "\\",
    "//",
    "#",
    "/*",
    "*/",
    "1",
    "-1",
    "0x",
    "1e",
    "1.5",
    "08",
    "99999999999999999999",
    "\n",
    "\t",
    "\r",
    "é",
    "图",
    "\x00",
    "@",
    "$",
    "-",
]


def attempt(text: str) -> None:
    def read(path: str) -> str:
        if path != "a.thrift":
            raise FileNotFoundError(path)
        return text

    try:
        load("a.thrift", read)
    except IdlError as e:
        errors = [d for d in e.diagnostics if d.severity is Severity.ERROR]
    else:
        return
    assert errors
    assert all(str(e) and e.position.file == "a.thrift" for e in errors)


def mutated(rng: random.Random) -> str:
    """A recorded file after a few cuts, repeats, swaps and odd words."""
    text = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 6)):
        at, length = rng.randrange(len(text) + 1), rng.choice((0, 1, 3, 20, 200))
        piece = rng.choice((rng.choice(WORDS), text[at : at + length], rng.choice(WORDS) * rng.randint(1, 300), ""))
        text = f"{text[:at]}{piece}{text[at + length * rng.randint(0, 1) :]}"[:MAX_LENGTH]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_changed_files_load_or_are_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(ROUNDS // 4):
        attempt(mutated(rng))


@pytest.mark.parametrize("seed", range(4))
def test_words_in_any_order_load_or_are_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(ROUNDS // 4):
        attempt(" ".join(rng.choices(WORDS, k=rng.randint(1, 60))))


@given(st.text(max_size=400))
@settings(max_examples=ROUNDS // 2, deadline=None)
def test_any_text_loads_or_is_refused(text: str) -> None:
    attempt(text)
    attempt(f"struct S {{ 1: i32 a ({text}) }}")
    attempt(f'const string C = "{text}"')


@pytest.mark.parametrize("word", WORDS)
def test_one_word_ten_thousand_times(word: str) -> None:
    attempt(((word or " ") * MAX_LENGTH)[:MAX_LENGTH])
    attempt(f"{word} " * (MAX_LENGTH // (len(word) + 1)))
