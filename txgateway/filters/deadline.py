"""Say when the answer is due; every wait on the way is bounded by it, so no timer is needed here."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..core.message import Request, Response
from . import Filter, Handler


def deadline(clock: IReactorTime, seconds: float) -> Filter:
    """:param seconds: from here to the answer, for all tries together."""

    def set_deadline(request: Request, handler: Handler) -> Deferred[Response]:
        request.deadline = clock.seconds() + seconds
        return handler(request)

    return set_deadline
