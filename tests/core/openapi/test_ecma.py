"""Patterns of RE2 in the dialect of JSON Schema."""

from __future__ import annotations

import re

import jsonschema_rs
import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from txgateway.core.expression.pattern import PatternError, compile_pattern
from txgateway.core.openapi.ecma import ecma, literal

_PIECES = [
    *(
        "a",
        "b",
        "-",
        "]",
        "[ab]",
        "[^a]",
        "[a-c-e]",
        "[-a]",
        "[]a]",
        "[^]]",
        "[\\w-.]",
        "[[:alpha:]\\d]",
        "[&&~]",
        "[\\s]",
    ),
    *(
        "\\d",
        "\\D",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "\\b",
        "\\B",
        ".",
        "^",
        "$",
        "\\A",
        "\\z",
        "|",
        "(",
        "(?:",
        "(?P<n>",
        ")",
    ),
    *("*", "+", "?", "*?", "{2}", "{1,}", "{1,2}", "{", ",", "\\.", "\\-", "\\/", "\\x41", "\\x{4E00}", "\\n", "\\t"),
    *("\\Qa.b\\E", "图", "\n", " ", "\\141", "[\\x{4E00}-\\x{9FA5}]", "/", '"', "\\\\"),
]
patterns = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join)
texts = st.text(st.sampled_from("ab-]A1 _.\n\t\v图\u2028\\/é,{") | st.characters(codec="utf-8"), max_size=6)


@given(patterns, st.lists(texts, min_size=1, max_size=8))
def test_the_same_texts_have_it(pattern, texts):
    try:
        found = compile_pattern(pattern)
    except PatternError:
        assume(False)
    same = ecma(pattern)
    assume(same is not None)
    validator = jsonschema_rs.Draft202012Validator({"pattern": same})
    for text in texts:
        assert validator.is_valid(text) == found(text), (pattern, same, text)


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        (r"^\d{3}$", "^[0-9]{3}$"),
        (r"^\w+\z", "^[0-9A-Za-z_]+$"),
        ("a.b", r"a[^\n]b"),
        (r"(?P<year>\d+)-", "(?:[0-9]+)-"),
        ("[一-龥]+", "[一-龥]+"),
        (r"{x}", r"\{x\}"),
    ],
)
def test_it_is_written_so_that_every_dialect_has_it(pattern, same):
    assert ecma(pattern) == same


@pytest.mark.parametrize(
    "pattern", ["(?i)a", "(?s:.)", r"\p{Han}", r"[\p{Lu}]", r"[\D]", "^*", "[[:^alpha:]]", "\U0001f4d6", r"\pL", r"\ba"]
)
def test_where_dialects_differ_there_is_none(pattern):
    re2.compile(pattern)
    assert ecma(pattern) is None


@given(st.text(st.characters(max_codepoint=0x7F), max_size=8), st.text(st.characters(max_codepoint=0x7F), max_size=8))
def test_a_literal_is_its_own_pattern(text, other):
    assert re.fullmatch(literal(text), text)
    assert bool(re.search(literal(text), other)) == (text in other)
