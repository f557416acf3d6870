"""Twisted's epoll reactor without the logging context around each read: ``tgw-epoll``.

``twistd tgw`` and its workers run on it without being asked, where there is epoll; ``twistd --reactor=NAME tgw``
chooses another one, and ``twistd --reactor=tgw-epoll`` this one for any program.

Twisted calls every event inside a context that names its connection for the log, and asks
each time whether the descriptor is still one. Measured on the gateway's path, that is 8 us of
28 a request. Here an event that says "readable" and nothing else calls ``doRead`` directly; any
other takes Twisted's own way, and an error is logged and ends the connection as Twisted has it.

What is written while events are handled leaves when they are, all in a row: see ``net/writing.py``.

The one difference: what a protocol logs by ``twisted.python.log`` while it reads has no
``[Protocol,0,127.0.0.1]`` in front. ``twisted.logger`` never had it.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor

from .events import handle
from .writing import Turn


class LeanEPollReactor(EPollReactor):
    """See the module.

    :ivar turn: the events that are being handled.
    """

    turn: Turn

    # Twisted's type hints do not cover these.
    _poller: Any
    _selectables: dict[int, Any]

    def __init__(self) -> None:
        # Twisted opens sockets for itself meanwhile.
        self.turn = Turn()
        super().__init__()

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events, for so many seconds at most, and handle them."""
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        handle(events, self._selectables, self.turn, self)

    doIteration = doPoll


def install() -> None:
    """Make it the reactor of this process."""
    installReactor(LeanEPollReactor())


def install_unless_chosen() -> None:
    """Make it the reactor of this process, unless there is one."""
    if "twisted.internet.reactor" not in sys.modules:
        install()
