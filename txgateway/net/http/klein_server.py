"""HTTP by Klein on twisted.web: every route of the mapping is declared on an app, swapped whole.

Klein matches the segments of a path as they were sent. What it does not know (another
spelling of a known path, a wrong verb, an unknown path) goes to the handler as well: the
router of the mapping has the last word, so every HTTP server gives the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_from_bytes

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import IResource
from twisted.web.server import Request as WebRequest
from twisted.web.server import Site

from ...core.errors import BodyTooLarge
from ...core.message import Request, Response
from ...core.rendering import render_failure
from . import Handler, HttpLimits, HttpRoute, PublicHandlers

# Answers that have neither a body nor a length (RFC 9110, 6.4.1).
NO_BODY = (204, 304)


class KleinServer:
    """Listens on endpoints and serves the app of the moment; a request keeps the app it began with."""

    def __init__(self, handlers: PublicHandlers, limits: HttpLimits) -> None:
        self._site = web_site(_GatewayResource(self._app(handlers)), limits)
        self._ports: list[Any] = []
        self._draining = False

    def serve(self, handlers: PublicHandlers) -> None:
        """Declare these routes instead; requests that have begun are not touched."""
        self._site.resource = _GatewayResource(self._app(handlers))

    async def listen(self, endpoints: Sequence[Any]) -> None:
        """:param endpoints: each an IStreamServerEndpoint."""
        for endpoint in endpoints:
            self._ports.append(await endpoint.listen(self._site))

    @property
    def addresses(self) -> list[Any]:
        """Where it listens: the port is the real one where the endpoint said 0."""
        return [port.getHost() for port in self._ports]

    async def stop_listening(self) -> None:
        """Take no new connection; those that are open get a last answer each."""
        self._draining = True
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)

    def _app(self, handlers: PublicHandlers) -> Klein:
        app = Klein()
        app.url_map.merge_slashes = False
        for route in handlers.routes:
            self._declare(app, route, handlers.route)

        @app.route("/gateway/<service>/<method>", strict_slashes=False)
        def generic(web_request: WebRequest, service: str, method: str) -> Deferred[bytes | None]:
            return self._answer(web_request, handlers.generic)

        @app.route("/", branch=True)
        def unknown(web_request: WebRequest) -> Deferred[bytes | None]:
            return self._answer(web_request, handlers.route)

        return app

    def _declare(self, app: Klein, route: HttpRoute, handler: Handler) -> None:
        def serve_route(web_request: WebRequest, **path_parameters: str) -> Deferred[bytes | None]:
            return self._answer(web_request, handler)

        # Klein names an endpoint after its function unless told otherwise.
        app.route(
            werkzeug_rule(route.path),
            methods=None if route.verb == "ANY" else [route.verb],
            endpoint=f"{route.verb} {route.path}",
            strict_slashes=False,
        )(serve_route)

    def _answer(self, web_request: WebRequest, handler: Handler) -> Deferred[bytes | None]:
        # Klein cancels what it is given here when the client leaves.
        return handler(read_request(web_request)).addCallback(self._write, web_request)

    def _write(self, response: Response, web_request: WebRequest) -> bytes | None:
        if web_request.channel is None:
            return None
        if self._draining:
            web_request.setHeader(b"connection", b"close")
            web_request.channel.persistent = False
        return write_response(response, web_request)


def werkzeug_rule(path: str) -> str:
    """The rule for a route in the IDL's spelling: ``/v:id/*rest`` becomes ``/v<p0>/<path:p1>``.

    Parameters are numbered: an IDL may name them in ways that Werkzeug does not allow.
    """
    parts = re.split(r"([:*][^/]*)", path)
    for number, place in enumerate(range(1, len(parts), 2)):
        kind = "path:" if parts[place].startswith("*") else ""
        parts[place] = f"<{kind}p{number}>"
    return "".join(part if place % 2 else part.replace("<", "%3C") for place, part in enumerate(parts))


class _GatewayResource(KleinResource):
    """Lets Klein see a path's segments as they were sent, and always as ASCII.

    Twisted hands it decoded segments, in which ``%2F`` is a slash and ``%FF`` is an error.
    """

    def render(self, request: WebRequest) -> Any:
        request.postpath = (
            quote_from_bytes(_origin_form(request.uri)[0], safe="/%:@!$&'()*+,;=~").encode("ascii").split(b"/")[1:]
        )
        return super().render(request)


class _BoundedRequest(WebRequest):
    """Keeps no more of a body than the limit; the rest is read and dropped, up to a second limit."""

    limit = HttpLimits().body
    # A client that is cut off while it sends often never reads the answer, so a body that
    # is only somewhat too large is read to its end.
    DROPPED_TIMES = 16

    _received = 0

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self.limit:
            self._received = length
            length = 0
            if self._received > self.limit * self.DROPPED_TIMES:
                self.channel.loseConnection()
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= self.limit:
            super().handleContentChunk(data)
        elif self._received > self.limit * self.DROPPED_TIMES and self.channel is not None:
            self.channel.loseConnection()

    def process(self) -> None:
        if self._received <= self.limit:
            super().process()
            return
        error = BodyTooLarge(f"A body may have {self.limit} bytes")
        self.write(write_response(render_failure(error), self))
        self.finish()


def web_site(resource: IResource, limits: HttpLimits) -> Site:
    """A twisted.web site that keeps to the limits, logs nothing itself and tells no version."""
    request_class = type("BoundedRequest", (_BoundedRequest,), {"limit": limits.body})
    site = _QuietSite(resource, request_class, timeout=limits.idle, parsePOSTFormSubmission=False)
    site.displayTracebacks = False
    return site


class _QuietSite(Site):
    noisy = False

    def log(self, request: Any) -> None:
        """The access log filter writes one line for every server alike."""


def read_request(web_request: WebRequest) -> Request:
    """The gateway's own value; the body is in memory or, if large, in Twisted's temporary file."""
    path, query = _origin_form(web_request.uri)
    return Request(
        verb=web_request.method.decode("latin-1"),
        target=path + query,
        headers=tuple(
            (name.lower(), value.strip(b" \t"))
            for name, values in web_request.requestHeaders.getAllRawHeaders()
            for value in values
        ),
        body=web_request.content.read() if web_request.content else b"",
        client=getattr(web_request.getClientAddress(), "host", ""),
    )


def write_response(response: Response, web_request: WebRequest) -> bytes:
    """Set status and headers, and return the body to be written."""
    web_request.setResponseCode(response.status)
    headers = web_request.responseHeaders
    headers.removeHeader(b"server")
    for name, value in response.headers:
        headers.addRawHeader(name, value)
    if response.status not in NO_BODY:
        headers.setRawHeaders(b"content-length", [b"%d" % len(response.body)])
    return response.body


def _origin_form(target: bytes) -> tuple[bytes, bytes]:
    """Path and query (with its ``?``) of a target, also of one in absolute form."""
    match = re.match(rb"https?://[^/?]*", target, re.IGNORECASE)
    if match:
        target = target[match.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    path, mark, query = target.partition(b"?")
    return path, mark + query
