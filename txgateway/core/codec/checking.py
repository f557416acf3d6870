"""Holds a value that a stranger made against its IDL, before thriftpy2 writes it.

thriftpy2 writes 5.7 into an i32 as 5 and anything true into a bool, leaves out a required
field that is not set, and writes a union with two members. What the binder makes is
right already; what a service's handler returns is not ours to trust.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..descriptor import (
    EnumType,
    ListType,
    MapType,
    Requiredness,
    Scalar,
    ScalarType,
    SetType,
    StructKind,
    StructType,
    Type,
    TypeName,
)
from ..misfit import Misfit, Missing
from ..text import RANGES
from .structs import ThriftStruct, exactly_one
from .walking import DEPTH

# Raises Misfit; the number is that of the levels of structs and containers left.
Check = Callable[[Any, int], None]


def check(value: ThriftStruct) -> None:
    """Raises Misfit, with the path of the first field that Thrift cannot carry as it is meant."""
    _check_struct(value, DEPTH)


def _check_struct(value: ThriftStruct, depth: int) -> None:
    if depth <= 0:
        raise Misfit("fewer levels", f"more than {DEPTH}")
    cls = type(value)
    if cls.__checks__ is None:
        cls.__checks__ = _fields(cls)
    for attribute, name, required, check_field in cls.__checks__:
        held = value.__dict__.get(attribute)
        if held is not None:
            try:
                check_field(held, depth - 1)
            except Misfit as misfit:
                raise misfit.inside(name) from None
        elif required and getattr(value, attribute) is None:
            raise Missing(name)
    if cls.__declaration__.kind is StructKind.UNION and cls.thrift_spec and not cls.__message__:
        exactly_one(value, cls.__name__)


def _fields(cls: type[ThriftStruct]) -> tuple[tuple[str, str, bool, Check], ...]:
    declared = zip(cls.__names__, cls.__declaration__.fields, strict=True)
    return tuple((name, f.name, f.requiredness is Requiredness.REQUIRED, _check(f.type)) for name, f in declared)


def _check(declared: Type) -> Check:
    match declared:
        case ScalarType(Scalar.BOOL):
            return _kinds("a bool", bool)
        case ScalarType(Scalar.DOUBLE):
            return _kinds("a double", float, int)
        case ScalarType(Scalar.STRING):
            return _kinds("a str", str, bytes)
        case ScalarType(Scalar.BINARY):
            return _kinds("bytes", bytes, bytearray, memoryview)
        case ScalarType(scalar) if scalar in RANGES:
            return _integer(scalar)
        case EnumType():
            return _integer(Scalar.I32)
        case StructType(name):
            return _struct(name)
        case ListType(element) | SetType(element):
            return _items(_check(element))
        case MapType(key, value):
            return _entries(_check(key), _check(value))
    raise Misfit("a type that Thrift's binary protocol has", str(declared))


def _kinds(expected: str, *kinds: type) -> Check:
    def check_kind(value: Any, depth: int) -> None:
        # bool is a kind of int to Python, and an IntEnum is meant to be one.
        if not isinstance(value, kinds) or (type(value) is bool and bool not in kinds):
            raise Misfit(expected, _what(value))

    return check_kind


def _integer(scalar: Scalar) -> Check:
    low, high = RANGES[scalar]

    def check_integer(value: Any, depth: int) -> None:
        if not isinstance(value, int) or type(value) is bool or not low <= value <= high:
            raise Misfit(f"an int from {low} to {high}", _what(value))

    return check_integer


def _struct(name: TypeName) -> Check:
    def check_struct(value: Any, depth: int) -> None:
        if not isinstance(value, ThriftStruct) or type(value).__declaration__.name != name:
            raise Misfit(f"a {name}", _what(value))
        _check_struct(value, depth)

    return check_struct


def _items(check_item: Check) -> Check:
    def check_items(value: Any, depth: int) -> None:
        if not isinstance(value, Collection) or isinstance(value, str | bytes | bytearray | memoryview | Mapping):
            raise Misfit("a list", _what(value))
        if depth <= 0:
            raise Misfit("fewer levels", f"more than {DEPTH}")
        for index, item in enumerate(value):
            try:
                check_item(item, depth - 1)
            except Misfit as misfit:
                raise misfit.inside(f"[{index}]") from None

    return check_items


def _entries(check_key: Check, check_value: Check) -> Check:
    def check_entries(value: Any, depth: int) -> None:
        if not isinstance(value, Mapping):
            raise Misfit("a dict", _what(value))
        if depth <= 0:
            raise Misfit("fewer levels", f"more than {DEPTH}")
        for key, item in value.items():
            try:
                check_key(key, depth - 1)
                check_value(item, depth - 1)
            except Misfit as misfit:
                raise misfit.inside(f"[{str(key)[:40]!r}]") from None

    return check_entries


def _what(value: object) -> str:
    """A number itself, for it may only be out of range; of anything else the kind."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(value)[:40] if number else f"a {type(value).__name__}"
