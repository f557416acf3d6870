"""Begin and end every request: name it, count it, make its failure a response, and tell those who keep books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.errors import ClientGone, Fault, GatewayError
from ..core.message import Header, Request, Response
from ..core.rendering import render_failure
from . import Handler

log = Logger()

# Told of the end of each request: what the client gets, the failure that it was made of, and the seconds it took.
# It must be quick: what takes longer is gathered and done later.
Observer = Callable[[Request, Response, GatewayError | None, float], None]


class Ledger:
    """The outermost filter: nothing but a response leaves it.

    One filter and not four, since each that waits for the answer costs a microsecond.

    :ivar running: requests that have begun and not ended, in whatever way they end.
    :ivar begun: all that have begun, ever.
    """

    def __init__(
        self,
        now: Callable[[], float],
        name: Callable[[Iterable[Header]], str] = lambda headers: "",
        observers: Sequence[Observer] = (),
    ) -> None:
        """:param now: the reactor's ``seconds``.
        :param name: the id of a request with these headers.
        """
        self.running = 0
        self.begun = 0
        self._now = now
        self._name = name
        self._observers = observers
        self._waiting: list[Deferred[None]] = []

    def __call__(self, request: Request, handler: Handler) -> Deferred[Response]:
        self.running += 1
        self.begun += 1
        request.began = self._now()
        request.id = self._name(request.headers)
        try:
            answer = handler(request)
        except GatewayError as error:
            # Most refusals come this way; a Failure with its traceback would cost as much as a whole request.
            return succeed(self._refused(error, request))
        except Exception:
            answer = fail()
        whose = (request,)
        return answer.addCallbacks(self._answered, self._failed, whose, {}, whose)

    def none(self) -> Deferred[None]:
        """Fires once nothing is running: draining waits for it."""
        if not self.running:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def _answered(self, response: Response, request: Request) -> Response:
        self._end(request, response, None)
        return response

    def _failed(self, failure: Failure, request: Request) -> Response:
        return self._refused(_named(failure, request), request)

    def _refused(self, error: GatewayError, request: Request) -> Response:
        if error.fault is not Fault.CLIENT and type(error) is not GatewayError:
            log.warn("{id} {verb} {path}: {error}", id=request.id, verb=request.verb, path=_path(request), error=error)
        response = render_failure(error, request.id)
        self._end(request, response, error)
        return response

    def _end(self, request: Request, response: Response, error: GatewayError | None) -> None:
        self.running -= 1
        took = self._now() - request.began
        for observe in self._observers:
            try:
                observe(request, response, error, took)
            except Exception:
                # Whoever keeps books must not cost a client its answer.
                log.failure("an observer failed")
        if self._waiting and not self.running:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)


def _named(failure: Failure, request: Request) -> GatewayError:
    error = failure.value
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, CancelledError):
        return ClientGone()
    # A fault of ours: the log gets all of it, the client only that it happened.
    log.failure("{id} {verb} {path} failed", failure, id=request.id, verb=request.verb, path=_path(request))
    return GatewayError()


def _path(request: Request) -> str:
    # As the IDL has it, if it is a route: what was sent may hold what no log should, and so may the query.
    return request.path.decode("ascii", "backslashreplace") if request.route is None else request.route.path
