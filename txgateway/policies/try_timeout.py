"""Give each try less time than the request has, so that there is some left for another."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from ..core.message import Call, Reply
from . import CallPolicy, Send


def try_timeout(seconds: float, now: Callable[[], float]) -> CallPolicy:
    """:param now: the reactor's ``seconds``."""

    def send_bounded(call: Call, send: Send) -> Deferred[Reply]:
        due = now() + seconds
        return send(call.replace(deadline=due) if due < call.deadline else call)

    return send_bounded
