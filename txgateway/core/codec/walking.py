"""Walks a struct's bytes against its IDL, before thriftpy2 reads them.

``bounds`` walks bytes whose struct nobody knows. Here it is known, and that is needed
twice: thriftpy2 takes the entries of a map for what the IDL declares when the wire says
STRING, and then reads on out of step, beyond the end of its data; and a reply whose
field has another type than the IDL says must not look like one without that field.
One lookup answers both: its key is a field's type and id as they stand on the wire. So
this walk costs no more than the other, and replaces it.

A walker takes the data, a position and the levels left, and gives the position behind
the value. That may lie behind the end of the data: the next read, at the latest the one
for the stop of the outermost struct, finds it out, so nothing else has to look.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from ..errors import WireError
from .wire_type import BOOL, LIST, MAP, SET, STOP, STRING, STRUCT, WIDTHS

Walker = Callable[[bytes, int, int], int]

# Levels of structs and containers, the outermost struct included: thriftpy2's limit.
DEPTH = 64

_unsigned = struct.Struct(">I").unpack_from
_signed_id = struct.Struct(">xh").unpack_from


# A bool is true if it is 1, as Kitex reads it; to thriftpy2 it is if it is not 0.
_AS_KITEX_READS = bytes(byte == 1 for byte in range(256))


class _OddBool(Exception):
    """A bool that is neither 0 nor 1."""


class _Mending(bytes):
    """The data once more, and beside it a copy in which such bools are put right as they are found."""

    copy: bytearray


def walk(walker: Walker, data: bytes) -> bytes:
    """Looks through the struct at the beginning of ``data``, and gives the bytes to be decoded.

    They are the data itself, unless a bool in it is neither 0 nor 1.

    :raises WireError: there is no such struct.
    """
    try:
        try:
            walker(data, 0, DEPTH)
        except _OddBool:
            mending = _Mending(data)
            mending.copy = bytearray(data)
            walker(mending, 0, DEPTH)
            return bytes(mending.copy)
    except (IndexError, struct.error):
        raise WireError("the bytes end inside a struct") from None
    return data


def _mend(data: bytes, start: int, end: int) -> None:
    if not isinstance(data, _Mending):
        raise _OddBool
    data.copy[start:end] = data.copy[start:end].translate(_AS_KITEX_READS)


def boolean(data: bytes, at: int, depth: int) -> int:
    if data[at] > 1:
        _mend(data, at, at + 1)
    return at + 1


def string(data: bytes, at: int, depth: int) -> int:
    # Read without its sign, a negative length is just one that leads beyond the end.
    length: int = _unsigned(data, at)[0]
    return at + 4 + length


def struct_of(steps: Mapping[bytes, int | Walker], ids: Mapping[int, object], lenient: bool) -> Walker:
    """The walker of a struct; both mappings may grow until the first walk.

    :param steps: how to go on after a field, by the three bytes in front of it (type and
        id): the bytes to go, those three included, or 0 for a string, or the walker of the
        value behind them.
    :param ids: the ids that the IDL knows.
    :param lenient: skip a field of another type than the IDL says, instead of refusing it.
    """

    def walk_struct(data: bytes, at: int, depth: int) -> int:
        if depth <= 0:
            raise _too_deep()
        while True:
            step = steps.get(data[at : at + 3])
            if isinstance(step, int):
                # A string is walked here: a call for each would cost a fifth of the whole walk.
                at += step or 7 + _unsigned(data, at + 3)[0]
            elif step is not None:
                at = step(data, at + 3, depth - 1)
            elif data[at] == STOP:
                return at + 1
            else:
                (number,) = _signed_id(data, at)
                if number in ids and not lenient:
                    raise WireError(f"field {number} is not of the type that the IDL says")
                at = _skip(data[at], data, at + 3, depth - 1)

    return walk_struct


def list_of(kind: int, walker: Walker | None) -> Walker:
    """The walker of a list or set; ``walker`` is that of an element whose width its type does not fix."""
    width = WIDTHS.get(kind, 0)

    def walk_list(data: bytes, at: int, depth: int) -> int:
        if depth <= 0:
            raise _too_deep()
        count: int = _unsigned(data, at + 1)[0]
        if data[at] != kind and count:
            raise WireError("the elements of a list are not of the type that the IDL says")
        at += 5
        if walker is None:
            end = at + count * width
            if kind == BOOL and data[at:end].translate(None, b"\0\1"):
                _mend(data, at, end)
            return end
        for _ in range(count):
            at = walker(data, at, depth - 1)
        return at

    return walk_list


def map_of(key: int, key_walker: Walker | None, value: int, value_walker: Walker | None) -> Walker:
    """The walker of a map, from the types of its keys and values and their walkers, as for a list."""
    step_key = key_walker or _fixed(key)
    step_value = value_walker or _fixed(value)

    def walk_map(data: bytes, at: int, depth: int) -> int:
        if depth <= 0:
            raise _too_deep()
        count = _unsigned(data, at + 2)[0]
        # An empty map may name any types: some writers put zeros there.
        if count and (data[at] != key or data[at + 1] != value):
            raise WireError("the entries of a map are not of the types that the IDL says")
        at += 6
        for _ in range(count):
            at = step_value(data, step_key(data, at, depth - 1), depth - 1)
        return at

    return walk_map


def _fixed(kind: int) -> Walker:
    if kind == BOOL:
        return boolean
    width = WIDTHS[kind]

    def step(data: bytes, at: int, depth: int) -> int:
        data[at]  # An announced count must not run on behind the end.
        return at + width

    return step


_any_struct = struct_of({}, {}, lenient=True)


def field_ends(data: bytes) -> Iterator[int]:
    """The position behind each field of a struct that is known to be well-formed."""
    at = 0
    while data[at] != STOP:
        at = _skip(data[at], data, at + 3, DEPTH)
        yield at


def _skip(kind: int, data: bytes, at: int, depth: int) -> int:
    """The position behind a value of any type, which no IDL describes."""
    if kind in WIDTHS:
        return at + WIDTHS[kind]
    if kind == STRING:
        return string(data, at, depth)
    if kind == STRUCT:
        return _any_struct(data, at, depth)
    if kind == MAP:
        key, value = data[at], data[at + 1]
        if _unsigned(data, at + 2)[0] == 0:
            return at + 6
        return map_of(_existing(key), _walker(key), _existing(value), _walker(value))(data, at, depth)
    if kind in (LIST, SET):
        element = data[at]
        if _unsigned(data, at + 1)[0] == 0:
            return at + 5
        return list_of(_existing(element), _walker(element))(data, at, depth)
    raise WireError(f"type {kind} does not exist")


def _walker(kind: int) -> Walker | None:
    return None if kind in WIDTHS else lambda data, at, depth: _skip(kind, data, at, depth)


def _existing(kind: int) -> int:
    if kind not in WIDTHS and kind not in (STRING, STRUCT, MAP, SET, LIST):
        raise WireError(f"type {kind} does not exist")
    return kind


def _too_deep() -> WireError:
    return WireError(f"more than {DEPTH} levels of structs and containers")
