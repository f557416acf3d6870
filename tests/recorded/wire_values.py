"""Decoded structs as the recorded wire cases write values: by field names, what is absent left out."""

from __future__ import annotations

import math
from typing import Any

from txgateway.core.codec.structs import Structs, ThriftStruct
from txgateway.core.descriptor import (
    EnumType,
    ListType,
    MapType,
    Scalar,
    ScalarType,
    SetType,
    StructType,
    Type,
)

Value = Any


def of_struct(structs: Structs, value: ThriftStruct) -> dict[str, Value]:
    cls = type(value)
    fields = zip(cls.__names__, cls.__declaration__.fields, strict=True)
    return {
        field.name: of(structs, field.type, value.__dict__[name]) for name, field in fields if name in value.__dict__
    }


def of(structs: Structs, declared: Type, value: Any) -> Value:
    match declared:
        case ScalarType(Scalar.DOUBLE):
            return _double(value)
        case ScalarType(Scalar.BINARY):
            return {"hex": value.hex()}
        case ScalarType():
            return {"hex": value.hex()} if isinstance(value, bytes) else value
        case EnumType():
            return int(value)
        case StructType():
            return of_struct(structs, value)
        case ListType(element) | SetType(element):
            return [of(structs, element, v) for v in value]
        case MapType(key, item):
            return [[of(structs, key, k), of(structs, item, v)] for k, v in value.items()]
    raise AssertionError(declared)


def _double(value: float) -> Value:
    if math.isnan(value):
        return {"double": "NaN"}
    if math.isinf(value):
        return {"double": "Inf" if value > 0 else "-Inf"}
    if value == 0 and math.copysign(1, value) < 0:
        return {"double": "-0"}
    return value


def same(structs: Structs, declared: Type, expected: Value, got: Value) -> bool:
    """Whether two values are the same, whatever the order of sets and maps.

    What a reader puts in for an absent field is no difference.
    """
    match declared:
        case StructType(name):
            return same_struct(structs, structs[name], expected, got)
        case ListType(element):
            return len(expected) == len(got) and all(
                same(structs, element, e, g) for e, g in zip(expected, got, strict=True)
            )
        case SetType(element):
            return _same_unordered(expected, got, lambda e, g: same(structs, element, e, g))
        case MapType(key, item):
            # Of keys that come twice the last wins.
            last = {repr(pair[0]): pair for pair in expected}
            return _same_unordered(
                list(last.values()),
                got,
                lambda e, g: same(structs, key, e[0], g[0]) and same(structs, item, e[1], g[1]),
            )
    return (type(expected) is type(got) and expected == got) or _equal_numbers(expected, got)


def _equal_numbers(expected: Value, got: Value) -> bool:
    both = (int, float)
    return isinstance(expected, both) and isinstance(got, both) and float(expected) == float(got) and expected == got


def _same_unordered(expected: list[Value], got: list[Value], equal: Any) -> bool:
    rest = list(got)
    for e in expected:
        match = next((i for i, g in enumerate(rest) if equal(e, g)), None)
        if match is None:
            return False
        del rest[match]
    return not rest


def same_struct(structs: Structs, cls: type[ThriftStruct], expected: dict[str, Value], got: dict[str, Value]) -> bool:
    """Of fields too that are absent on one side, and there are read as their default or zero."""
    blank = cls.__blank__()
    for name, field in zip(cls.__names__, cls.__declaration__.fields, strict=True):
        if field.name in expected and field.name not in got:
            return False
        if field.name in got:
            rest = getattr(blank, name)
            absent = None if rest is None else of(structs, field.type, rest)
            wanted = expected.get(field.name, absent)
            if wanted is None or not same(structs, field.type, wanted, got[field.name]):
                return False
    return expected.keys() <= got.keys()
