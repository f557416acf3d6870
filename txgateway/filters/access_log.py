"""One log line per request: who asked for what, what came of it, and how long it took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.errors import ClientGone, GatewayError
from ..core.message import Request, Response
from . import Filter, Handler

log = Logger()

Outcome = TypeVar("Outcome", bound=Response | Failure)


def access_log(now: Callable[[], float]) -> Filter:
    """Stands inside ``rescue``, where a failure is still an error with its reason.

    :param now: the reactor's ``seconds``.
    """

    def record(request: Request, handler: Handler) -> Deferred[Response]:
        began = now()

        def ended(outcome: Outcome) -> Outcome:
            log.info(
                "{client} {verb} {path} {status} {milliseconds:.1f}ms {reason}",
                client=request.client,
                verb=request.verb,
                # The query is left out: it may hold what no log should.
                path=request.path.decode("ascii", "backslashreplace"),
                status=_status(outcome),
                milliseconds=(now() - began) * 1000,
                reason=_reason(outcome),
            )
            return outcome

        return maybeDeferred(handler, request).addBoth(ended)

    return record


def _status(outcome: Response | Failure) -> int:
    if isinstance(outcome, Response):
        return outcome.status
    if outcome.check(CancelledError):
        return ClientGone.status
    return outcome.value.status if isinstance(outcome.value, GatewayError) else GatewayError.status


def _reason(outcome: Response | Failure) -> str:
    if isinstance(outcome, Response):
        return "-"
    return type(outcome.value).__name__
