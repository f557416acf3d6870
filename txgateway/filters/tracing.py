"""Make a request part of its client's trace, or begin one, and record it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from ..core.errors import ClientGone, GatewayError
from ..core.message import Request, Response
from ..core.span import Span, of_request
from ..core.trace_context import TraceContext, begun, headers_with, received
from . import Handler


class Tracing:
    """Stands where there is a collector of traces; without one, no request pays anything.

    The request goes on with our own span in its headers, as behind any proxy; those who are called hear of it.

    :param now: the reactor's ``seconds``.
    :param share: of the requests that come without a trace are recorded; of others their clients decide.
    :param record: is given each span; it must be quick.
    """

    def __init__(self, now: Callable[[], float], random: Random, share: float, record: Callable[[Span], None]) -> None:
        self._now = now
        self._random = random
        self._share = share
        self._record = record

    def __call__(self, request: Request, handler: Handler) -> Deferred[Response]:
        parent = received(request)
        context = begun(self._random, self._share) if parent is None else parent.child(self._random)
        request.headers = headers_with(context, request.headers)
        if not context.sampled:
            return handler(request)
        try:
            answer = handler(request)
        except GatewayError as error:
            self._end(request, context, parent, error.status, error)
            raise
        return answer.addBoth(self._ended, request, context, parent)

    def _ended(
        self, outcome: Response | Failure, request: Request, context: TraceContext, parent: TraceContext | None
    ) -> Response | Failure:
        if isinstance(outcome, Response):
            self._end(request, context, parent, outcome.status, None)
        else:
            error = _named(outcome.value)
            self._end(request, context, parent, error.status, error)
        return outcome

    def _end(
        self,
        request: Request,
        context: TraceContext,
        parent: TraceContext | None,
        status: int,
        error: GatewayError | None,
    ) -> None:
        self._record(of_request(request, context, parent, self._now(), status, error))


def _named(error: BaseException | None) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    return ClientGone() if isinstance(error, CancelledError) else GatewayError()
