"""The base of protocols on a request's way."""

from __future__ import annotations

from typing import Any


class StreamProtocol:
    """What transports and factories ask of an IProtocol, but for ``dataReceived`` and ``connectionLost``.

    Twisted's own ``Protocol`` cannot be the base of a class that is compiled (see ``setup.py``).

    :ivar transport: what the connection is made of, once there is one.
    """

    transport: Any
    factory: Any

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        """The transport can be used now."""
