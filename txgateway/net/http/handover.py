"""Serve a request that was read already by a twisted.web resource, and get the answer as a value."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.server import Site

from ...core.message import Header, Request, Response
from . import Handler

# The HTTP server's own business.
_OF_THE_CONNECTION = frozenset({b"connection", b"date", b"server", b"transfer-encoding"})


def handover(site: Site) -> Handler:
    """A handler that passes each request to the site's resources; the answer is kept whole in memory.

    When the Deferred is cancelled, the resource is told that the connection is lost.
    """

    def handle(request: Request) -> Deferred[Response]:
        channel = _Channel(site, request)
        channel.serve(request)
        return channel.answer

    return handle


class _Channel:
    """What a twisted.web request needs of its connection."""

    transport = None

    def __init__(self, site: Site, request: Request) -> None:
        self.site = site
        self.answer: Deferred[Response] = Deferred(self._cancel)
        self._client = request.client
        self._is_head = request.verb == "HEAD"
        self._web_request: Any = site.requestFactory(self, False)
        self._status = 0
        self._headers: tuple[Header, ...] = ()
        self._body = bytearray()
        self.persistent = True

    def serve(self, request: Request) -> None:
        web_request = self._web_request
        for name, value in request.headers:
            web_request.requestHeaders.addRawHeader(name, value)
        web_request.content = BytesIO(request.body)
        web_request.parseCookies()
        # As for a client of HTTP/1.0, so that Twisted leaves the framing of the body to us.
        web_request.requestReceived(request.verb.encode("ascii"), request.target, b"HTTP/1.0")

    def _cancel(self, _: Deferred[Response]) -> None:
        self._web_request.connectionLost(Failure(ConnectionLost()))

    # Twisted calls these.

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        self._status = int(code)
        self._headers = tuple(
            (name.lower(), value)
            for name, values in headers.getAllRawHeaders()
            for value in values
            if name.lower() not in _OF_THE_CONNECTION and (self._is_head or name.lower() != b"content-length")
        )

    def write(self, data: bytes) -> None:
        self._body += data

    def writeSequence(self, parts: list[bytes]) -> None:
        self._body += b"".join(parts)

    def requestDone(self, web_request: Any) -> None:
        self.answer.callback(Response(self._status, self._headers, bytes(self._body)))

    def loseConnection(self) -> None:
        """The answer ends with ``requestDone``, whatever becomes of the connection."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """All that is written is taken at once."""
        if not streaming:
            raise NotImplementedError("only push producers")

    def unregisterProducer(self) -> None:
        """See ``registerProducer``."""

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self._client, 0)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "", 0)

    def isSecure(self) -> bool:
        return False
