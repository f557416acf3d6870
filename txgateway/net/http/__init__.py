"""HTTP servers, one file each: they build a Request, hand it to a handler and write its Response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen
from twisted.internet.defer import Deferred

from ...core.message import Request, Response

Handler = Callable[[Request], Deferred[Response]]


@frozen
class HttpRoute:
    """A route as an HTTP server declares it: ``path`` in the IDL's spelling, ``/book/:id``."""

    verb: str
    path: str


@frozen
class HttpLimits:
    """:ivar body: bytes of a request body; a larger one is refused with 413.
    :ivar idle: seconds after which a connection without a request is closed.
    """

    body: int = 4 * 1024 * 1024
    idle: float = 60.0


@frozen
class PublicHandlers:
    """Where a server's requests go; both never fail (see ``filters.rescue``).

    :ivar route: for the routes of the IDL and everything unknown.
    :ivar generic: for JSON calls under ``/gateway/``.
    """

    route: Handler
    generic: Handler
    routes: Sequence[HttpRoute] = ()
