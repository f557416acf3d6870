"""What both sides read with: looks at each message anew, so one connection may mix the transports."""

from __future__ import annotations

import struct

from ..errors import WireError
from . import LIMIT, Data, Framing, Message
from .buffered import Buffered
from .compact import BufferedCompact, FramedCompact
from .foreign import describe
from .framed import Framed
from .ttheader import TTHeader, TTHeaderUnframed

_STRICT = b"\x80\x01"
_TTHEADER = b"\x10\0"
_MESH = b"\xff\xaf"
# The protocol, then the message's type and version 1.
_COMPACT = (b"\x82\x21", b"\x82\x41", b"\x82\x61", b"\x82\x81")
_u16 = struct.Struct(">H").unpack_from


class Detecting(Framing):
    """A framing for one direction: an answer goes out by :attr:`found`, in the request's own.

    A server takes any of them, and so does a client: a server may answer framed whatever it was asked.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        self._framed = Framed(limit)
        self._buffered = Buffered(limit)
        self._ttheader = TTHeader(limit)
        self._ttheader_unframed = TTHeaderUnframed(limit)
        self._reading: Framing = self._framed
        self._begin = 0

    @property
    def found(self) -> Framing:
        """The framing of the message that came last, or was broken."""
        if self._reading is not self._ttheader:
            return self._reading
        return self._ttheader if isinstance(self._ttheader.inner, Framed) else self._ttheader_unframed

    def frame(self, message: Message) -> bytes:
        return self.found.frame(message)

    def measure(self, data: Data, start: int) -> int:
        if data[start : start + 2] == _MESH:
            # A mesh's own keys and values, which mean nothing here, before an ordinary message.
            if len(data) - start < 4:
                return start + 4
            start += 4 + int(_u16(data, start + 2)[0])
        self._begin = start
        if data[start : start + 2] == _STRICT:
            self._reading = self._buffered
        elif data[start + 4 : start + 6] == _STRICT:
            self._reading = self._framed
        elif data[start + 4 : start + 6] == _TTHEADER:
            self._reading = self._ttheader
        elif len(data) - start < 6:
            return start + 6
        else:
            raise WireError(f"a message of no known transport: the peer {describe(data[start : start + 16])}")
        return self._reading.measure(data, start)

    def open(self, data: Data, start: int, end: int) -> Message:
        return self._reading.open(data, self._begin, end)


class Accepting(Detecting):
    """What a server reads with: the compact protocol as well, for no server answers in it unasked."""

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        self._compact = BufferedCompact(limit)
        self._framed_compact = FramedCompact(limit)

    def measure(self, data: Data, start: int) -> int:
        if data[start : start + 2] in _COMPACT:
            self._reading = self._compact
        elif data[start + 4 : start + 6] in _COMPACT:
            self._reading = self._framed_compact
        else:
            return super().measure(data, start)
        self._begin = start
        return self._reading.measure(data, start)
