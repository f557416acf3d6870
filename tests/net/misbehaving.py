"""Peers that answer nothing, or the same to everybody, or reset the connection."""

from __future__ import annotations

import socket
import struct

from twisted.internet.protocol import Protocol


def reset(connection: socket.socket) -> None:
    """Closing with no patience sends a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


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
