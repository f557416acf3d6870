"""Turn every failure, raised or deferred, into its response: nothing else leaves a handler."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.errors import ClientGone, Fault, GatewayError
from ..core.message import Request, Response
from ..core.rendering import render_failure
from . import Handler

log = Logger()


def rescue(request: Request, handler: Handler) -> Deferred[Response]:
    try:
        answer = handler(request)
    except Exception:
        answer = fail()
    return answer.addErrback(_respond, request)


def _respond(failure: Failure, request: Request) -> Response:
    return render_failure(_named(failure, request))


def _named(failure: Failure, request: Request) -> GatewayError:
    error = failure.value
    if isinstance(error, GatewayError):
        if error.fault is not Fault.CLIENT:
            log.warn("{verb} {path}: {error}", verb=request.verb, path=_path(request), error=error)
        return error
    if isinstance(error, CancelledError):
        return ClientGone()
    # A fault of ours: the log gets all of it, the client only that it happened.
    log.failure("{verb} {path} failed", failure, verb=request.verb, path=_path(request))
    return GatewayError()


def _path(request: Request) -> str:
    # The query is left out: it may hold what no log should.
    return request.path.decode("ascii", "backslashreplace")
