"""Say when the answer is due; every wait on the way is bounded by it, so no timer is needed here."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ..core.message import Request, Response
from . import Filter, Handler


def deadline(seconds: float) -> Filter:
    """:param seconds: from the beginning of a request to its answer, for all tries together."""

    def set_deadline(request: Request, handler: Handler) -> Deferred[Response]:
        request.deadline = request.began + seconds
        return handler(request)

    return set_deadline
