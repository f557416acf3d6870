"""Thrift's compact protocol as another spelling of the binary one: a struct's bytes in one to those in the other.

Both say of every value what type it has, so no IDL is needed, and all that this package
knows of the binary protocol holds for compact peers too: what comes from them is
spelled in binary and then walked, decoded and checked like everything else.
"""

from __future__ import annotations

import struct

from ..errors import WireError
from .bounds import DEPTH, Incomplete
from .wire_type import BOOL, DOUBLE, I8, I16, I32, I64, LIST, MAP, SET, STOP, STRING, STRUCT

TRUE, FALSE, C_I8, C_I16, C_I32, C_I64, C_DOUBLE, C_STRING, C_LIST, C_SET, C_MAP, C_STRUCT = range(1, 13)

_COMPACT = {
    BOOL: TRUE,
    I8: C_I8,
    I16: C_I16,
    I32: C_I32,
    I64: C_I64,
    DOUBLE: C_DOUBLE,
    STRING: C_STRING,
    LIST: C_LIST,
    SET: C_SET,
    MAP: C_MAP,
    STRUCT: C_STRUCT,
}
_BINARY = {compact: binary for binary, compact in _COMPACT.items()} | {FALSE: BOOL}

_head = struct.Struct(">Bh").pack
_list_head = struct.Struct(">Bi").pack
_map_head = struct.Struct(">BBi").pack
_size = struct.Struct(">i").pack
_INTEGERS = {C_I16: struct.Struct(">h").pack, C_I32: _size, C_I64: struct.Struct(">q").pack}
_READ_INTEGERS = {
    I16: (struct.Struct(">h").unpack_from, 2),
    I32: (struct.Struct(">i").unpack_from, 4),
    I64: (struct.Struct(">q").unpack_from, 8),
}
_read_head = struct.Struct(">h").unpack_from
_read_size = struct.Struct(">i").unpack_from
_read_list = struct.Struct(">Bi").unpack_from
_read_map = struct.Struct(">BBi").unpack_from

_MOST = 2**31 - 1


def varint(number: int) -> bytes:
    """A number from 0 on in groups of seven bits, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes | bytearray, at: int, most: int = 10) -> tuple[int, int]:
    """The number at ``at`` and the offset behind it; raises IndexError where the data ends before it does.

    :param most: bytes that it may take; ten hold 64 bits.
    """
    number = shift = 0
    for place in range(at, at + most):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
    raise WireError(f"a number of more than {most} bytes at byte {at}")


def from_binary(data: bytes) -> bytes:
    """The compact bytes of the struct in ``data``, which is binary and was written here or walked before."""
    out, position = bytearray(), 0
    # Where we are: in a struct (left < 0), behind the field ``last``; or in a container with so
    # many values left. A map counts its keys and values singly, so they take turns by parity.
    left, even, odd, last = -1, 0, 0, 0
    stack: list[tuple[int, int, int, int]] = []
    while True:
        if left < 0:
            kind = data[position]
            if kind == STOP:
                out.append(STOP)
                if not stack:
                    return bytes(out)
                position += 1
                left, even, odd, last = stack.pop()
                continue
            (number,) = _read_head(data, position + 1)
            position += 3
            said = _COMPACT[kind]
            if kind == BOOL:
                said = TRUE if data[position] == 1 else FALSE
            out += _field(said, number, last)
            last = number
            if kind == BOOL:
                position += 1
                continue
        elif left:
            kind = odd if left & 1 else even
            left -= 1
        else:
            left, even, odd, last = stack.pop()
            continue
        if kind in _READ_INTEGERS:
            read, width = _READ_INTEGERS[kind]
            (value,) = read(data, position)
            out += varint(value << 1 if value >= 0 else (~value << 1) | 1)
            position += width
        elif kind == STRING:
            (length,) = _read_size(data, position)
            position += 4
            out += varint(length) + data[position : position + length]
            position += length
        elif kind == BOOL:
            out.append(TRUE if data[position] == 1 else FALSE)
            position += 1
        elif kind == I8:
            out.append(data[position])
            position += 1
        elif kind == DOUBLE:
            out += data[position : position + 8][::-1]
            position += 8
        else:
            stack.append((left, even, odd, last))
            if kind == STRUCT:
                left, even, odd, last = -1, 0, 0, 0
            elif kind == MAP:
                even, odd, count = _read_map(data, position)
                left = 2 * count
                out += varint(count) + (bytes((_COMPACT[even] << 4 | _COMPACT[odd],)) if count else b"")
                position += 6
            else:
                even, left = _read_list(data, position)
                odd = even
                # An empty list may be one of nothing.
                element = _COMPACT.get(even, 0) if not left else _COMPACT[even]
                out += bytes((left << 4 | element,)) if left < 15 else bytes((0xF0 | element,)) + varint(left)
                position += 5


def _field(said: int, number: int, last: int) -> bytes:
    delta = number - last
    if 0 < delta <= 15:
        return bytes((delta << 4 | said,))
    return bytes((said,)) + varint(number << 1 if number >= 0 else (~number << 1) | 1)


class Reader:
    """Spells one struct in binary, as far as its bytes have come; ``data`` only ever grows between the steps.

    As in ``bounds``: every length is held against the bytes that are left before room is made
    for it, and each byte is looked at once, however the network cuts them. What is written is bounded as well, for a
    number of one byte takes eight in binary.

    :param start: where the struct begins.
    :param limit: bytes of the longest result.
    :ivar out: the struct so far.
    """

    def __init__(self, start: int, limit: int) -> None:
        self.out = bytearray()
        self._position = start
        self._limit = limit
        self._stack: list[tuple[int, int, int, int]] = []
        # As in from_binary.
        self._place = (-1, 0, 0, 0)

    def resume(self, data: bytes | bytearray) -> int:
        """The offset behind the struct.

        :raises Incomplete: the bytes end before the struct does; this may be called again with more.
        :raises WireError: these bytes can never be a struct, or one that is longer than the limit.
        """
        while True:
            written = len(self.out)
            try:
                if self._step(data):
                    return self._position
            except IndexError:
                del self.out[written:]
                raise Incomplete("the bytes end inside a value", len(data) + 1) from None
            except Incomplete:
                del self.out[written:]
                raise
            if len(self.out) > self._limit:
                length = len(self.out)
                raise WireError(f"a struct of {length} bytes or more in binary, above the limit of {self._limit}")

    def _step(self, data: bytes | bytearray) -> bool:
        """One field, value or end; whether that was the end of the whole. Only at its end anything is kept."""
        left, even, odd, last = self._place
        at = self._position
        if left < 0:
            byte = data[at]
            kind, delta = byte & 0x0F, byte >> 4
            at += 1
            if kind == STOP:
                self.out.append(STOP)
                return self._leave(at)
            if kind not in _BINARY:
                raise WireError(f"type {kind} at byte {at - 1} does not exist")
            number, at = (last + delta, at) if delta else _integer(data, at, C_I16)
            if number > 0x7FFF:
                raise WireError(f"the field id {number} before byte {at}")
            self.out += _head(_BINARY[kind], number)
            if kind in (TRUE, FALSE):
                self.out.append(kind == TRUE)
                return self._go_on(at, (left, even, odd, number))
            return self._value(kind, data, at, (left, even, odd, number))
        if left:
            return self._value(odd if left & 1 else even, data, at, (left - 1, even, odd, last))
        return self._leave(at)

    def _value(self, kind: int, data: bytes | bytearray, at: int, behind: tuple[int, int, int, int]) -> bool:
        """:param behind: where we are when the value is read."""
        if kind in _INTEGERS:
            value, at = _integer(data, at, kind)
            self.out += _INTEGERS[kind](value)
        elif kind == C_STRING:
            length, at = _count(data, at)
            _require(length, data, at)
            self.out += _size(length) + data[at : at + length]
            at += length
        elif kind in (TRUE, FALSE):
            self.out.append(data[at] == TRUE)
            at += 1
        elif kind == C_I8:
            self.out.append(data[at])
            at += 1
        elif kind == C_DOUBLE:
            _require(8, data, at)
            self.out += data[at : at + 8][::-1]
            at += 8
        else:
            inner, at = self._enter(kind, data, at)
            if len(self._stack) + 1 >= DEPTH:
                raise WireError(f"more than {DEPTH} levels of structs and containers at byte {at}")
            self._stack.append(behind)
            return self._go_on(at, inner)
        return self._go_on(at, behind)

    def _enter(self, kind: int, data: bytes | bytearray, at: int) -> tuple[tuple[int, int, int, int], int]:
        if kind == C_STRUCT:
            return (-1, 0, 0, 0), at
        if kind == C_MAP:
            count, at = _count(data, at)
            if not count:
                self.out += _map_head(STOP, STOP, 0)
                return (0, 0, 0, 0), at
            key, value = data[at] >> 4, data[at] & 0x0F
            # Every value takes a byte at least.
            _require(1 + 2 * count, data, at)
            self.out += _map_head(_existing(key, at), _existing(value, at), count)
            return (2 * count, key, value, 0), at + 1
        head = data[at]
        element = head & 0x0F
        count, at = (head >> 4, at + 1) if head < 0xF0 else _count(data, at + 1)
        _require(count, data, at)
        self.out += _list_head(_existing(element, at) if count or element else STOP, count)
        return (count, element, element, 0), at

    def _leave(self, at: int) -> bool:
        if not self._stack:
            self._position = at
            return True
        return self._go_on(at, self._stack.pop())

    def _go_on(self, at: int, place: tuple[int, int, int, int]) -> bool:
        self._position, self._place = at, place
        return False


def _integer(data: bytes | bytearray, at: int, kind: int) -> tuple[int, int]:
    number, behind = read_varint(data, at)
    value = (number >> 1) ^ -(number & 1)
    bound = 1 << (15 if kind == C_I16 else 31 if kind == C_I32 else 63)
    if not -bound <= value < bound:
        raise WireError(f"the number {value} at byte {at} is too large for its type")
    return value, behind


def _count(data: bytes | bytearray, at: int) -> tuple[int, int]:
    number, behind = read_varint(data, at, 5)
    if number > _MOST:
        raise WireError(f"a length of {number} at byte {at}")
    return number, behind


def _require(size: int, data: bytes | bytearray, at: int) -> None:
    if size > len(data) - at:
        raise Incomplete(f"a value at byte {at} announces more than the bytes left can hold", at + size)


def _existing(kind: int, at: int) -> int:
    if kind not in _BINARY:
        raise WireError(f"type {kind} before byte {at} does not exist")
    return _BINARY[kind]
