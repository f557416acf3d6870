"""HTTP servers, one file each: they build a Request, hand it to a handler and write its Response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred

from ...core.errors import GatewayError
from ...core.extension import Extensions
from ...core.http_message import MessageLimits
from ...core.message import Request, Response

Handler = Callable[[Request], Deferred[Response]]


@frozen
class HttpRoute:
    """A route as an HTTP server declares it: ``path`` in the IDL's spelling, ``/book/:id``."""

    verb: str
    path: str


@frozen
class HttpLimits:
    """Bounds of one HTTP server; times in seconds, sizes in bytes.

    :ivar body: of a request; a larger one is refused with 413.
    :ivar idle: after which a connection without a request is closed.
    :ivar request_line: a longer one is refused with 414.
    :ivar headers: how many a request may have; more are refused with 431.
    :ivar header_bytes: of all headers of a request together; more are refused with 431.
    :ivar header_time: from the first byte of a request to the end of its headers; then 408.
    :ivar body_time: from there to the end of the body; then 408.
    :ivar send_time: in which a client must take a good part of what waits for it, or all.
    :ivar pipeline: requests of one connection that are read before the first is answered.
    :ivar connections: one more is closed as soon as it comes.
    """

    body: int = 4 * 1024 * 1024
    idle: float = 60.0
    request_line: int = 8192
    headers: int = 100
    header_bytes: int = 32768
    header_time: float = 10.0
    body_time: float = 60.0
    send_time: float = 30.0
    pipeline: int = 16
    connections: int = 10_000

    @property
    def message(self) -> MessageLimits:
        return MessageLimits(self.request_line, self.headers, self.header_bytes, self.body)


@frozen
class PublicHandlers:
    """Where a server's requests go; both handlers never fail (see ``filters.ledger``).

    :ivar route: for the routes of the IDL and everything unknown.
    :ivar generic: for JSON calls under ``/gateway/``.
    :ivar refused: told of what is no request, or of more than the limits allow: no handler sees that.
    :ivar id_header: the lower-case name of the header in which each answer says the id of its request; empty: none.
    """

    route: Handler
    generic: Handler
    routes: Sequence[HttpRoute] = ()
    refused: Callable[[GatewayError], None] = lambda error: None
    id_header: bytes = b""


class HttpServer(Protocol):
    """What every HTTP server offers; ``tests/contract/test_http_server.py`` says what it must do."""

    def serve(self, handlers: PublicHandlers, limits: HttpLimits | None = None) -> None:
        """Serve by these from now on; requests that have begun are not touched.

        :param limits: for connections that come from now on; None: as before.
        """

    async def listen(self, endpoints: Sequence[Any]) -> None:
        """:param endpoints: each an IStreamServerEndpoint."""

    @property
    def addresses(self) -> list[Any]:
        """Where it listens: the port is the real one where the endpoint said 0."""

    async def stop_listening(self) -> None:
        """Take no new connection; those that are open get a last answer each."""

    def drained(self) -> Deferred[None]:
        """After :meth:`stop_listening`: fires once no connection is open."""

    def close(self) -> None:
        """Close every connection at once, whatever runs on it."""


# Each is built from handlers and limits, for a reactor.
http_servers: Extensions[Callable[[PublicHandlers, HttpLimits, Any], HttpServer]] = Extensions("txgateway.net.http")
