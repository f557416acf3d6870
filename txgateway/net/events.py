"""What a poll of the reactor found: compiled (see ``setup.py``), which the reactor's class itself cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from select import EPOLLIN
from typing import Any

from twisted.python import log

from .writing import MOST_WRITERS, Turn


def handle(events: list[tuple[int, int]], selectables: Mapping[int, Any], turn: Turn, reactor: Any) -> None:
    """One turn: ``doRead`` for each that is readable and nothing else, and Twisted's own way for any other.

    :param events: file descriptors with what epoll says of them.
    :param selectables: who reads and writes, by file descriptor.
    :param reactor: an EPollReactor.
    """
    turn.is_on = True
    for fd, event in events:
        # An event before this one may have closed it.
        selectable = selectables.get(fd)
        if selectable is None:
            continue
        if event == EPOLLIN:
            try:
                why = selectable.doRead()
            except BaseException as error:
                # Whatever it is, it ends this connection and not the reactor, as with Twisted.
                log.callWithLogger(selectable, log.err)
                why = error
            if why:
                reactor._disconnectSelectable(selectable, why, True)
        else:
            log.callWithLogger(selectable, reactor._doReadOrWrite, selectable, fd, event)
        if len(turn.writers) >= MOST_WRITERS:
            turn.flush()
    turn.end()
