"""The bytes of an argument struct in Thrift's binary protocol, each with what it says."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import orjson
from attrs import frozen

from ..codec.wire_type import BOOL, DOUBLE, I8, I16, I32, I64, STOP
from ..descriptor import (
    EnumType,
    Field,
    ListType,
    MapType,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructType,
    Type,
)
from ..sensitive import Sensitive
from .hiding import is_hidden
from .story import WireLine
from .words import count_of, printable

# So many lines are made, of a line so many bytes are shown, and of all bytes so many.
MOST_LINES = 400
MOST_IN_LINE = 32
MOST_BYTES = 4096

_NUMBERS = {
    BOOL: struct.Struct(">?"),
    I8: struct.Struct(">b"),
    DOUBLE: struct.Struct(">d"),
    I16: struct.Struct(">h"),
    I32: struct.Struct(">i"),
    I64: struct.Struct(">q"),
}


@frozen
class Dump:
    """
    :ivar hex: the bytes, ``**`` for those that are not to be shown.
    :ivar whole: whether that is all of them.
    """

    lines: tuple[WireLine, ...]
    hex: str
    whole: bool


def dump(payload: bytes, arguments: Struct, schema: Schema, sensitive: Sensitive | None) -> Dump:
    """
    :param payload: as the codec wrote it.
    :param arguments: declares the argument struct.
    """
    reader = _Reader(payload, schema, sensitive)
    with suppress(_Enough):
        reader.struct(arguments, 0)
    end = min(reader.at, MOST_BYTES)
    return Dump(tuple(reader.lines), _hex(payload, end, reader.hidden), end == len(payload))


def _hex(payload: bytes, end: int, hidden: Iterable[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, stop in hidden:
        if start >= end:
            break
        parts += [payload[at:start].hex(), "**"]
        at = stop
    return "".join([*parts, payload[at:end].hex()])


class _Enough(Exception):
    """There are so many lines that nobody will read more."""


class _Reader:
    """Reads one struct.

    :ivar at: how far it has come.
    :ivar hidden: where the bytes begin and end that are not to be shown.
    """

    def __init__(self, data: bytes, schema: Schema, sensitive: Sensitive | None) -> None:
        self.at = 0
        self.lines: list[WireLine] = []
        self.hidden: list[tuple[int, int]] = []
        self._data = data
        self._schema = schema
        self._sensitive = sensitive
        self._mute = False

    def struct(self, declared: Struct, depth: int) -> None:
        fields = {field.id: field for field in declared.fields}
        while True:
            start = self.at
            kind = self._byte()
            if kind == STOP:
                self._line(start, depth, f"end of {declared.name}")
                return
            field = fields[self._number(I16)]
            text = f"{field.id} {field.name}: {_type_text(field.type)}"
            if is_hidden(field, self._sensitive) and not self._mute:
                self._hide(start, field, depth, text)
            else:
                self._value(start, field.type, depth, text)

    def _hide(self, start: int, field: Field, depth: int, text: str) -> None:
        begin = self.at
        self._mute = True
        self._value(start, field.type, depth, text)
        self._mute = False
        self.hidden.append((begin, self.at))
        self.lines.append(WireLine(start, f"{self._data[start:begin].hex(' ')} **", depth, f"{text}, not shown"))

    def _value(self, start: int, declared: Type, depth: int, text: str) -> None:
        """A value of this type; the line that it begins has begun at ``start``."""
        match declared:
            case StructType(name):
                self._line(start, depth, text)
                self.struct(self._schema.structs[name], depth + 1)
            case ListType(element) | SetType(element):
                self._byte()
                count = self._number(I32)
                self._line(start, depth, f"{text}, {count} in it")
                for number in range(count):
                    self._value(self.at, element, depth + 1, f"[{number}]")
            case MapType(key, value):
                self._byte()
                self._byte()
                count = self._number(I32)
                self._line(start, depth, f"{text}, {count} in it")
                for number in range(count):
                    self._value(self.at, key, depth + 1, f"key {number}")
                    self._value(self.at, value, depth + 1, f"value {number}")
            case _:
                self._line(start, depth, f"{text} = {self._scalar(declared)}")

    def _scalar(self, declared: Type) -> str:
        match declared:
            case EnumType(name):
                number = self._number(I32)
                members = self._schema.enums[name].members
                return f"{number} ({next((each.name for each in members if each.number == number), 'no member')})"
            case ScalarType(Scalar.STRING | Scalar.BINARY):
                length = self._number(I32)
                self.at += length
                text = orjson.dumps(printable(self._data[self.at - length : self.at])).decode()
                return f"{text} ({count_of(length, 'byte')})"
            case ScalarType(scalar):
                return str(self._number(_KINDS[scalar])).lower()
        raise AssertionError(declared)

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _number(self, kind: int) -> Any:
        (number,) = _NUMBERS[kind].unpack_from(self._data, self.at)
        self.at += _NUMBERS[kind].size
        return number

    def _line(self, start: int, depth: int, text: str) -> None:
        """A line for the bytes from ``start`` to here."""
        if self._mute:
            return
        if len(self.lines) == MOST_LINES:
            self.at = start
            raise _Enough
        shown = self._data[start : min(self.at, start + MOST_IN_LINE)].hex(" ")
        cut = " …" if self.at - start > MOST_IN_LINE else ""
        self.lines.append(WireLine(start, shown + cut, depth, text))


_KINDS = {
    Scalar.BOOL: BOOL,
    Scalar.I8: I8,
    Scalar.I16: I16,
    Scalar.I32: I32,
    Scalar.I64: I64,
    Scalar.DOUBLE: DOUBLE,
}


def _type_text(declared: Type) -> str:
    return f"struct {declared}" if isinstance(declared, StructType) else str(declared)
