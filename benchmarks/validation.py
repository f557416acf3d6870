"""What rules cost: microseconds per request, and per rule compiled.

Run ``python -m benchmarks.validation``. Each figure is the best of several rounds in this
process's own time, since everything else on the machine can only add to it.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from attrs import frozen

from txgateway.core.descriptor import Field, Schema, Struct, TypeName
from txgateway.core.linker import load
from txgateway.core.validation import Validator, compile_validator
from txgateway.core.vt import compile_validator as compile_vt

ROUNDS = 7
SECONDS = 0.1


@frozen
class Bench:
    """A struct with rules, an object that meets them, and what it may cost in microseconds, if that is fixed."""

    name: str
    fields: str
    value: dict[str, Any]
    target: float | None = None
    compile: Callable[..., Validator | None] = compile_validator


TEN_RULES = """
    1: i32 age (api.vd="$>0&&$<200")
    2: string name (api.vd="len($)>0 && len($)<=16; msg:'name length must be 1-16'")
    3: string mail (api.vd="email($)")
    4: string role (api.vd="in($,'admin','user','guest')")
    5: string sex (api.vd="$=='M'||$=='F'")
    6: list<string> tags (api.vd="len($)<=3 && range($, len(#v)>0 && mblen(#v)<=4); msg:'bad tags'")
    7: string password (api.vd="regexp('^[A-Za-z0-9_]{6,12}$')")
    8: i64 low (api.vd="$<=(high)$; msg:'low exceeds high'")
    9: optional i64 high (api.vd="$==nil||($>0&&$<200)")
    10: double ratio (api.vd="$>=0 && $<=1; msg:sprintf('ratio %.2f out of [0,1]',$)")
"""
PERSON = {
    "age": 5,
    "name": "Ann",
    "mail": "a@b.io",
    "role": "user",
    "sex": "F",
    "tags": ["a", "bb"],
    "password": "abc1234",
    "low": 4,
    "high": 9,
    "ratio": 0.5,
}
BENCHES = (
    Bench("the book rule", """1: i32 num (api.vd="$<100; msg:'num must less than 100'")""", {"num": 5}, target=0.3),
    Bench("ten rules", TEN_RULES, PERSON, target=5),
    Bench("a remainder", '1: i32 n (api.vd="$%60==0 && $<=24*60*60")', {"n": 120}),
    Bench("an index", """1: map<string,i32> m (api.vd="$['a']>0")""", {"m": {"a": 1}}),
    Bench("a pattern", """1: string s (api.vd="regexp('^[a-z]+$')")""", {"s": "abcdef"}),
    Bench("an address", '1: string s (api.vd="email($)")', {"s": "henry@example.com"}),
    Bench("a telephone", '1: string s (api.vd="phone($)")', {"s": "18812345678"}),
    Bench("100 numbers", '1: list<i32> l (api.vd="range($,#v>0)")', {"l": [1] * 100}),
    Bench("100 structs", '1: list<I> l }\nstruct I { 1: i32 x (api.vd="$>0")', {"l": [SimpleNamespace(x=1)] * 100}),
    Bench(
        "ten of vt",
        """1: i32 a (vt.gt="0", vt.lt="200"), 2: string b (vt.min_size="1", vt.max_size="16", vt.prefix="A")
        3: list<i32> c (vt.max_size="3", vt.elem.gt="0"), 4: double d (vt.ge="0", vt.le="1"), 5: i32 e (vt.in="5")""",
        {"a": 5, "b": "Ann", "c": [1, 2], "d": 0.5, "e": 5},
        compile=lambda schema, root, access: compile_vt(schema, root, access, lambda: 0),
    ),
)


def main() -> None:
    print(f"{'':16}{'request':>10}{'target':>10}{'compile':>10}")
    for bench in BENCHES:
        schema, value = _schema(bench), SimpleNamespace(**bench.value)
        validator = _compiled(bench, schema)
        assert validator is not None
        assert validator(value) is None
        request = _microseconds(partial(validator.first, value)) - _microseconds(_nothing)
        compiling = _microseconds(partial(_compiled, bench, schema))
        print(f"{bench.name:16}{request:10.2f}{bench.target or '':>10}{compiling:10.0f}")


def _schema(bench: Bench) -> Schema:
    return load("bench.thrift", lambda path: f"struct R {{ {bench.fields} }}").schema


def _compiled(bench: Bench, schema: Schema) -> Validator | None:
    return bench.compile(schema, TypeName("bench.thrift", "R"), _access)


def _access(struct: Struct, field: Field) -> Callable[[Any], Any]:
    return attrgetter(field.name)


def _nothing() -> None:
    """What a call costs by itself."""


def _microseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call, timer=time.process_time)
    number, taken = timer.autorange()
    number = max(1, int(number * SECONDS / taken))
    return min(timer.repeat(ROUNDS, number)) / number * 1e6


if __name__ == "__main__":
    main()
