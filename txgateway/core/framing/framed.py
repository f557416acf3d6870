"""Framed: the length of the message in four bytes, then the message; the default of Kitex clients."""

from __future__ import annotations

import struct

from ..codec import header
from ..codec.bounds import Incomplete
from ..errors import WireError
from ..message import Call, MessageType
from . import Data, Framing, Message, cut, framings, parse_header
from .foreign import describe

_length = struct.Struct(">I").pack
_read_length = struct.Struct(">I").unpack_from


@framings.register("framed")
class Framed(Framing):
    """A frame counts exactly; what a message leaves of its frame is handed on with it and means nothing."""

    def frame(self, message: Message) -> bytes:
        head = header.build(message.type, message.method, message.sequence)
        return _length(len(head) + len(message.payload)) + head + message.payload

    def frame_call(self, call: Call, sequence: int, caller: str, remaining: float) -> bytes:
        # As it would come out anyhow; without a Message in between it takes half the time, 0.5 us.
        start = header.start(MessageType.ONEWAY if call.oneway else MessageType.CALL, call.method)
        payload = call.payload
        return b"%b%b%b%b" % (_length(len(start) + 4 + len(payload)), start, _length(sequence), payload)

    def usual_reply(self, method: bytes, sequence: int) -> bytes:
        return header.start(MessageType.REPLY, method) + _length(sequence)

    def measure(self, data: Data, start: int) -> int:
        if len(data) - start < 4:
            return start + 4
        (length,) = _read_length(data, start)
        if length > self.limit:
            heard = describe(data[start : start + 16])
            raise WireError(f"a frame of {length} bytes, above the limit of {self.limit}; the peer {heard}")
        return start + 4 + int(length)

    def open(self, data: Data, start: int, end: int) -> Message:
        try:
            type_, method, sequence, begin = parse_header(data, start + 4)
        except Incomplete:
            begin = end + 1
        if begin > end:
            raise WireError(f"a frame of {end - start - 4} bytes, too short for the message in it")
        return Message(type_, method, sequence, cut(data, begin, end))
