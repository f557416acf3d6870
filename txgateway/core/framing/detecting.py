"""What a server reads with: looks at each request anew, so one connection may mix the transports."""

from __future__ import annotations

from ..errors import WireError
from . import LIMIT, Data, Framing, Message
from .buffered import Buffered
from .foreign import describe
from .framed import Framed

_STRICT = b"\x80\x01"


class Detecting(Framing):
    """A framing for one direction only: the answer goes out by :attr:`found`, in the request's own.

    :ivar found: the framing of the message that came last.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        self._buffered = Buffered(limit)
        self._framed = Framed(limit)
        self.found: Framing = self._framed

    def frame(self, message: Message) -> bytes:
        return self.found.frame(message)

    def measure(self, data: Data, start: int) -> int:
        if data[start : start + 2] == _STRICT:
            self.found = self._buffered
        elif data[start + 4 : start + 6] == _STRICT:
            self.found = self._framed
        elif len(data) - start < 6:
            return start + 6
        else:
            raise WireError(f"no request of any transport: the peer {describe(data[start : start + 16])}")
        return self.found.measure(data, start)

    def open(self, data: Data, start: int, end: int) -> Message:
        return self.found.open(data, start, end)
