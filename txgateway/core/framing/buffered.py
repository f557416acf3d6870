"""Buffered: messages back to back, and only a walk over their types finds where one ends."""

from __future__ import annotations

from ..codec import header
from ..codec.bounds import Incomplete, Walk
from ..codec.header import Header
from ..errors import WireError
from ..message import MessageType
from . import LIMIT, BrokenMessage, Data, Framing, Message, cut, framings, parse_header


@framings.register("buffered")
class Buffered(Framing):
    """Kitex calls it PurePayload.

    A walk that runs out of bytes goes on later where it stopped; otherwise a long
    message that comes in small pieces would be walked again for every piece.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        # Where the message begins that is not complete, with its header and its walk.
        self._begun: tuple[int, Header, Walk] | None = None
        # Of the message that was measured last.
        self._header = Header(MessageType.CALL, b"", 0, 0)

    def frame(self, message: Message) -> bytes:
        return header.build(message.type, message.method, message.sequence) + message.payload

    def measure(self, data: Data, start: int) -> int:
        try:
            end = self._walk(data, start)
        except Incomplete as short:
            end = short.needed
        if end - start > self.limit:
            raise WireError(f"a message of {end - start} bytes or more, above the limit of {self.limit}")
        return end

    def _walk(self, data: Data, start: int) -> int:
        # A message that is not complete moves to the front of the data and is then
        # walked anew; there it stays, and the walk goes on.
        begun, self._begun = self._begun, None
        if begun is None or begun[0] != start:
            head = parse_header(data, start)
            begun = start, head, Walk(head.end)
        self._header = begun[1]
        try:
            return begun[2].resume(data)
        except Incomplete:
            self._begun = begun
            raise
        except WireError as error:
            raise BrokenMessage(str(error), self._header) from None

    def open(self, data: Data, start: int, end: int) -> Message:
        type_, method, sequence, begin = self._header
        return Message(type_, method, sequence, cut(data, begin, end))
