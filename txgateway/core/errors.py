"""Every failure we name, whose fault it is, and its HTTP status.

Two families. A :class:`GatewayError` ends one request and becomes problem+json
(RFC 9457). An :class:`IdlError` refuses one IDL file when it is loaded and carries
:class:`Diagnostic` values that name the place. The text of either is ours: it
never holds an address, a traceback or another library's words.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from .descriptor import NOWHERE, Position

if TYPE_CHECKING:
    from .message import Response


class Fault(enum.Enum):
    """Whose fault a failure is: it decides between 4xx and 5xx, and who is to be told."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class GatewayError(Exception):
    """A request that ends without the result of its method.

    :ivar status: the HTTP status.
    :ivar title: the kind of failure in a few words, the same for all of its kind.
    :ivar fault: whose fault it is.
    :ivar retryable: whether the same request may succeed when sent again later.
    :ivar not_sent: whether it is certain that no service has seen the call, so that
        it may be tried on another instance whatever the method does.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    fault: ClassVar[Fault] = Fault.GATEWAY
    retryable: ClassVar[bool] = False
    not_sent: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, headers: tuple[tuple[bytes, bytes], ...] = (), **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        # Further headers of the answer, such as Allow or Retry-After.
        self.headers = headers
        # Further members of the problem document: field, rule, service, method.
        # One that is None is left out.
        self.members = {name: value for name, value in members.items() if value is not None}

    @property
    def kind(self) -> str:
        """What problem documents, logs and metrics call such a failure: ``no-instance`` for NoInstance."""
        return _kebab(type(self).__name__)


@cache
def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


class BadRequest(GatewayError):
    """The request cannot be turned into the method's arguments; ``field`` names the place."""

    status = 400
    title = "Bad request"
    fault = Fault.CLIENT


class BadMessage(BadRequest):
    """The bytes are no HTTP request, or one that two readers might understand in two ways."""

    title = "Not a valid HTTP request"


class ValidationFailed(BadRequest):
    """An ``api.vd`` or ``vt`` rule refused the arguments; ``detail`` is the rule's message."""

    title = "Validation failed"


class NotFound(GatewayError):
    status = 404
    title = "Not found"
    fault = Fault.CLIENT


class VerbNotAllowed(GatewayError):
    """The path exists under other verbs, which the Allow header lists."""

    status = 405
    title = "Method not allowed"
    fault = Fault.CLIENT

    def __init__(self, allowed: tuple[str, ...], detail: str = "") -> None:
        super().__init__(detail, headers=((b"allow", ", ".join(allowed).encode("ascii")),))
        self.allowed = allowed


class BodyTooLarge(GatewayError):
    status = 413
    title = "Content too large"
    fault = Fault.CLIENT


class UriTooLong(GatewayError):
    status = 414
    title = "URI too long"
    fault = Fault.CLIENT


class HeadersTooLarge(GatewayError):
    status = 431
    title = "Request header fields too large"
    fault = Fault.CLIENT


class RequestTimeout(GatewayError):
    """A request has begun and its end did not come in time."""

    status = 408
    title = "Request timeout"
    fault = Fault.CLIENT


class TooManyConnections(GatewayError):
    """One connection more than may be open: it is closed without an answer."""

    status = 503
    title = "Too many connections"


class VersionNotSupported(GatewayError):
    status = 505
    title = "HTTP version not supported"
    fault = Fault.CLIENT


class UnsupportedBody(GatewayError):
    status = 415
    title = "Unsupported media type"
    fault = Fault.CLIENT


class ClientGone(GatewayError):
    """The client left before its answer; nobody reads this one, but the log does."""

    status = 499
    title = "Client closed request"
    fault = Fault.CLIENT


class StreamingUnsupported(GatewayError):
    status = 501
    title = "Streaming methods are not supported"


class UnusableReply(GatewayError):
    """The service answered, but not with anything that its IDL allows."""

    status = 502
    title = "Unusable reply from the service"
    fault = Fault.UPSTREAM


class ServiceFailed(GatewayError):
    """The service answered with an error that its IDL does not declare (a Thrift EXCEPTION).

    :ivar peer: the service's own words, for the log: no client sees them.
    """

    status = 502
    title = "The service failed"
    fault = Fault.UPSTREAM

    def __init__(self, detail: str = "", *, peer: str = "", **members: Any) -> None:
        super().__init__(detail, **members)
        self.peer = peer

    def __str__(self) -> str:
        return f"{self.detail}: {self.peer}"


class ConnectionClosed(GatewayError):
    """The connection ended after the call was written: the method may or may not have run."""

    status = 502
    title = "The service closed the connection"
    fault = Fault.UPSTREAM


class CallRefused(ConnectionClosed):
    """The connection ended, and it is certain that the call behind it was not run."""

    retryable = True
    not_sent = True


class ServiceUnavailable(GatewayError):
    """No instance can take the call now; nothing was sent."""

    status = 503
    title = "Service unavailable"
    fault = Fault.UPSTREAM
    retryable = True
    not_sent = True

    def __init__(self, detail: str = "", *, retry_after: int = 1, **members: Any) -> None:
        super().__init__(detail, headers=((b"retry-after", b"%d" % retry_after),), **members)


class NoInstance(ServiceUnavailable):
    """The service has no instance, or every one has been tried."""


class ConnectFailed(ServiceUnavailable):
    """No connection to this instance within the connect timeout."""


class Overloaded(ServiceUnavailable):
    """Every connection is busy and the line behind them is full."""


class CircuitOpen(ServiceUnavailable):
    """Most of the latest calls failed, so no more are sent for some seconds."""


class DeadlineExceeded(GatewayError):
    status = 504
    title = "The service did not answer in time"
    fault = Fault.UPSTREAM
    retryable = True


class Answered(GatewayError):
    """No failure, but the router's own answer: a redirect to the other spelling, or what OPTIONS asks for."""

    title = "Answered by the router"
    fault = Fault.CLIENT

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Severity(enum.Enum):
    ERROR = "error"
    WARNING = "warning"


@frozen
class Diagnostic:
    """One thing to mend in an IDL: where, what, the line itself and, if we know one, a way out."""

    message: str
    position: Position = NOWHERE
    severity: Severity = Severity.ERROR
    # The source line that ``position`` names, without its line end.
    source: str = ""
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"{self.position}: {self.severity.value}: {self.message}"]
        if self.source:
            # Tabs stay tabs in front of the caret, so that it lands under its character.
            lead = "".join(c if c == "\t" else " " for c in self.source[: self.position.column - 1])
            lines += [f"    {self.source}", f"    {lead}^"]
        if self.hint:
            lines.append(f"    {self.hint}")
        return "\n".join(lines)


class IdlError(Exception):
    """An IDL file is refused; ``diagnostics`` holds every error (and warning) found in it."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics


class BadRoute(ValueError):
    """A route that cannot be; the text says why."""


class WireError(Exception):
    """Bytes from a peer that are not what its protocol says; the connection is of no more use."""
