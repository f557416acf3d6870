"""The factory of our HTTP server's connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory


class ConnectionFactory(Factory):
    """Makes the connections of one server, as many as may be.

    :param connect: an IProtocol for a connection that came; None if there are too many.
    """

    noisy = False

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    def buildProtocol(self, addr: Any) -> Any:
        return self._connect()
