"""The compact protocol, framed and unframed: for the servers of Apache Thrift that are set up so."""

from __future__ import annotations

import struct

from ..codec import compact
from ..codec.bounds import Incomplete
from ..codec.header import LONGEST_NAME, Header
from ..errors import WireError
from ..message import MessageType
from . import LIMIT, BrokenMessage, Data, Framing, Message, framings
from .foreign import describe
from .framed import Framed

_length = struct.Struct(">I").pack

_PROTOCOL = 0x82
_VERSION = 1
_types = {type_.value: type_ for type_ in MessageType}


@framings.register("buffered-compact")
class BufferedCompact(Framing):
    """Messages back to back. Their structs are binary everywhere else: here alone they are spelled anew."""

    speaks_alone = True

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        # Where the message begins that is not complete, with its header and its struct so far.
        self._begun: tuple[int, Header, compact.Reader] | None = None
        # Of the message that was measured last.
        self._measured: tuple[int, Header, compact.Reader] | None = None

    def frame(self, message: Message) -> bytes:
        head = bytes((_PROTOCOL, message.type << 5 | _VERSION)) + compact.varint(message.sequence & 0xFFFFFFFF)
        return head + compact.varint(len(message.method)) + message.method + compact.from_binary(message.payload)

    def measure(self, data: Data, start: int) -> int:
        begun, self._begun = self._begun, None
        if begun is not None and begun[0] != start:
            begun = None
        try:
            if begun is None:
                head = _parse(data, start)
                begun = start, head, compact.Reader(head.end, self.limit)
            end = begun[2].resume(data)
        except Incomplete as short:
            self._begun = begun
            end = short.needed
        except WireError as error:
            if begun is None:
                raise
            raise BrokenMessage(str(error), begun[1]) from None
        self._measured = begun
        if end - start > self.limit:
            raise WireError(f"a message of {end - start} bytes or more, above the limit of {self.limit}")
        return end

    def open(self, data: Data, start: int, end: int) -> Message:
        assert self._measured is not None
        _, head, reader = self._measured
        return Message(head.type, head.method, head.sequence, bytes(reader.out))


@framings.register("framed-compact")
class FramedCompact(Framed):
    """With the length of the message in four bytes before it."""

    speaks_alone = True

    def frame(self, message: Message) -> bytes:
        inner = BufferedCompact(self.limit).frame(message)
        return _length(len(inner)) + inner

    # Not as the parent does: that one writes the frame of a binary message by itself.
    frame_call = Framing.frame_call

    def open(self, data: Data, start: int, end: int) -> Message:
        inner = bytes(data[start + 4 : end])
        reader = BufferedCompact(self.limit)
        if reader.measure(inner, 0) > len(inner):
            raise WireError(f"a frame of {len(inner)} bytes, too short for the message in it")
        return reader.open(inner, 0, len(inner))


def _parse(data: Data, start: int) -> Header:
    """The message's header; raises as ``codec.header.parse`` does."""
    try:
        protocol, kind = data[start], data[start + 1]
        if protocol != _PROTOCOL or kind & 0x1F != _VERSION:
            heard = describe(data[start : start + 16])
            raise WireError(f"not a message of the compact protocol; the peer {heard}")
        if kind >> 5 not in _types:
            raise WireError(f"message type {kind >> 5} does not exist")
        sequence, at = compact.read_varint(data, start + 2, 5)
        length, at = compact.read_varint(data, at, 5)
    except IndexError:
        raise Incomplete("the bytes end inside a message header", len(data) + 1) from None
    if length > LONGEST_NAME:
        raise WireError(f"a method name of {length} bytes")
    if at + length > len(data):
        raise Incomplete("the bytes end inside a message header", at + length)
    # The sequence id is a number of 32 bits, with its sign in the highest.
    signed = (sequence & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    return Header(_types[kind >> 5], bytes(data[at : at + length]), signed, at + length)
