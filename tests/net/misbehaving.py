"""Servers that answer nothing, or the same to everybody."""

from __future__ import annotations

from twisted.internet.protocol import Protocol


class Silent(Protocol):
    """Takes what comes and says nothing."""


class Talker(Protocol):
    """Answers anything with the same bytes.

    :param close: and closes the connection then.
    """

    def __init__(self, answer: bytes, close: bool) -> None:
        self._answer, self._close = answer, close

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self._answer)
        if self._close:
            self.transport.loseConnection()
