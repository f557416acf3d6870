"""Say when the answer is due; every wait on the way is bounded by it, so no timer is needed here."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from ..core.message import Request, Response
from . import Filter, Handler


def deadline(now: Callable[[], float], seconds: float) -> Filter:
    """:param now: the reactor's ``seconds``.
    :param seconds: from here to the answer, for all tries together.
    """

    def set_deadline(request: Request, handler: Handler) -> Deferred[Response]:
        request.deadline = now() + seconds
        return handler(request)

    return set_deadline
