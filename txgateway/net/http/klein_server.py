"""HTTP by Klein on twisted.web: every route of the mapping is declared on an app, swapped whole.

Klein matches the segments of a path as they were sent. What it does not know (another
spelling of a known path, a wrong verb, an unknown path) goes to the handler as well: the
router of the mapping has the last word, so every HTTP server gives the same answer.

So a new mapping is served at once, whatever is declared; its own app follows, a route at a
time, for 2,000 of them take half a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote_from_bytes

from attrs import evolve
from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.protocol import connectionDone
from twisted.internet.task import CooperativeTask, Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._http2 import H2Stream
from twisted.web.http import HTTPChannel, _GenericHTTPChannelProtocol
from twisted.web.resource import IResource
from twisted.web.server import Request as WebRequest
from twisted.web.server import Site

from ...core.errors import BodyTooLarge, GatewayError, RequestTimeout, TooManyConnections
from ...core.http_message import NO_BODY, MessageLimits, Phase, RequestReader, asks_to_close, origin_form, reason
from ...core.message import Request, Response
from ...core.rendering import render_failure
from ..alarm import NEVER, Alarm
from . import Handler, HttpLimits, HttpRoute, PublicHandlers, http_servers
from .llhttp import read_headers

log = Logger()


# Seconds that a connection without a request stays open once the server drains: a client
# that is at work sends its next request within them, and is told that it was the last.
LAST_REQUEST_WITHIN = 1.0
# A route is declared in 0.3 ms, and the next one so many seconds later.
DECLARE_EVERY = 0.002


@http_servers.register("klein")
class KleinServer:
    """Listens on endpoints and serves the app of the moment; a request keeps the app it began with.

    :param clock: an IReactorTime.
    """

    def __init__(self, handlers: PublicHandlers, limits: HttpLimits, clock: Any) -> None:
        self._needed = needed_by_klein(handlers)
        self._site = _PublicSite(_resource(self._needed), limits, clock, handlers.refused)
        self._clock = clock
        self._ports: list[Any] = []
        self._declared: Sequence[HttpRoute] = ()
        self._declaring: CooperativeTask | None = None
        # One step a turn.
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,
            scheduler=lambda step: clock.callLater(DECLARE_EVERY, step),
        )
        self.serve(handlers)

    def serve(self, handlers: PublicHandlers, limits: HttpLimits | None = None) -> None:
        """Serve by these from now on, and declare their routes; requests that have begun are not touched.

        :param limits: for connections that come from now on; None: as before.
        """
        needed = needed_by_klein(handlers)
        if needed != self._needed:
            self._needed, self._declared = needed, ()
            self._site.resource = _resource(needed)
        self._site.refused = handlers.refused
        if limits is not None:
            self._site.keep_to(limits)
        self._stop_declaring()
        if list(handlers.routes) != self._declared:
            self._declaring = self._cooperator.cooperate(self._declare(handlers))

    def _declare(self, handlers: PublicHandlers) -> Iterator[None]:
        app = _app()
        for route in handlers.routes:
            _declare(app, route, handlers)
            yield
        _declare_others(app, handlers)
        # Sorts the routes, which the first request would wait for.
        app.url_map.update()
        self._site.resource, self._declared = _GatewayResource(app), list(handlers.routes)
        self._declaring = None

    def _stop_declaring(self) -> None:
        if self._declaring is not None:
            self._declaring.stop()
            self._declaring = None

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
        self._site.draining = True
        self._stop_declaring()
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        if self._site.connections:
            self._clock.callLater(LAST_REQUEST_WITHIN, self._site.close_idle)

    def drained(self) -> Deferred[None]:
        """After :meth:`stop_listening`: fires once no connection is open."""
        return self._site.drained()

    def close(self) -> None:
        """Close every connection at once, whatever runs on it."""
        for connection in list(self._site.connections):
            connection.abort()


def needed_by_klein(handlers: PublicHandlers) -> PublicHandlers:
    """With those routes alone for which it makes a difference whether they are declared.

    Where JSON calls have their place an IDL may have routes of its own, among which Klein chooses.
    """
    return evolve(handlers, routes=[route for route in handlers.routes if _is_under_gateway(route.path)])


def _is_under_gateway(path: str) -> bool:
    return "gateway" in path and re.match("/*gateway(/|$)", path) is not None


def klein_site(handlers: PublicHandlers, limits: HttpLimits) -> Site:
    """The same app for a server that reads requests itself (see ``handover``)."""
    return web_site(_resource(handlers), limits)


def _resource(handlers: PublicHandlers) -> _GatewayResource:
    app = _app()
    for route in handlers.routes:
        _declare(app, route, handlers)
    _declare_others(app, handlers)
    return _GatewayResource(app)


def _app() -> Klein:
    app = Klein()
    app.url_map.merge_slashes = False
    return app


def _declare_others(app: Klein, handlers: PublicHandlers) -> None:
    @app.route("/gateway/<service>/<method>", strict_slashes=False)
    def generic(web_request: WebRequest, service: str, method: str) -> Deferred[bytes | None]:
        return _answer(web_request, handlers.generic, handlers.id_header)

    @app.route("/", branch=True)
    def unknown(web_request: WebRequest) -> Deferred[bytes | None]:
        return _answer(web_request, handlers.route, handlers.id_header)


def _declare(app: Klein, route: HttpRoute, handlers: PublicHandlers) -> None:
    def serve_route(web_request: WebRequest, **path_parameters: str) -> Deferred[bytes | None]:
        return _answer(web_request, handlers.route, handlers.id_header)

    # Klein names an endpoint after its function unless told otherwise.
    app.route(
        werkzeug_rule(route.path),
        methods=None if route.verb == "ANY" else [route.verb],
        endpoint=f"{route.verb} {route.path}",
        strict_slashes=False,
    )(serve_route)


def _answer(web_request: WebRequest, handler: Handler, id_header: bytes) -> Deferred[bytes | None]:
    request = read_request(web_request)
    # Klein cancels what it is given here when the client leaves.
    return handler(request).addCallback(_write, web_request, request, id_header)


def _write(response: Response, web_request: WebRequest, request: Request, id_header: bytes) -> bytes | None:
    channel = web_request.channel
    if channel is None:
        return None
    if request.id and id_header:
        web_request.setHeader(id_header, request.id.encode("ascii"))
    if getattr(channel, "draining", False):
        web_request.setHeader(b"connection", b"close")
        channel.persistent = False
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
            quote_from_bytes(origin_form(request.uri).partition(b"?")[0], safe="/%:@!$&'()*+,;=~")
            .encode("ascii")
            .split(b"/")[1:]
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
                self._hang_up()
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= self.limit:
            super().handleContentChunk(data)
        elif self._received > self.limit * self.DROPPED_TIMES and self.channel is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.channel.loseConnection()

    def process(self) -> None:
        try:
            self._check()
        except GatewayError as error:
            self.write(write_response(render_failure(error), self))
            self.finish()
        else:
            super().process()

    def _check(self) -> None:
        """Raises what the request is refused for."""
        if self._received > self.limit:
            raise self._too_large()

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"A body may have {self.limit} bytes")


class _PublicRequest(_BoundedRequest):
    """Sees to the limits of requests by HTTP/2, which do not pass the strict reader: Twisted bounds none of them.

    What does not end in time, or not at all, has its stream reset: who sends a body goes on with it after an answer.
    """

    channel: Any

    # When the stream is reset: at the end of patience, or as soon as Twisted is done with what has just come.
    _end: Any = None

    def gotLength(self, length: int | None) -> None:
        if self._is_stream:
            site = self.channel.site
            late = RequestTimeout("The body did not come in time")
            self._end = site.clock.callLater(site.limits.body_time, self._give_up, late)
        super().gotLength(length)

    def process(self) -> None:
        self._stop_waiting()
        super().process()

    def connectionLost(self, reason: Failure) -> None:
        self._stop_waiting()
        super().connectionLost(reason)

    @property
    def _is_stream(self) -> bool:
        return isinstance(self.channel, H2Stream)

    def _check(self) -> None:
        if self._is_stream:
            site = self.channel.site
            try:
                _check_head(site.limits.message, self)
            except GatewayError as error:
                site.refused(error)
                raise
        super()._check()

    def _hang_up(self) -> None:
        if not self._is_stream:
            super()._hang_up()
        elif self._end is not None:
            self._end.cancel()
            self._end = self.channel.site.clock.callLater(0, self._give_up, self._too_large())

    def _give_up(self, error: GatewayError) -> None:
        self._end = None
        self.channel.site.refused(error)
        self.channel.abortConnection()

    def _stop_waiting(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


def _check_head(limits: MessageLimits, request: WebRequest) -> None:
    """As the strict reader does, of a head that it has not seen."""
    limits.check_line(len(request.uri))
    headers = request.requestHeaders.getAllRawHeaders()
    lines = [len(name) + len(value) + 4 for name, values in headers for value in values]
    limits.check_lines(sum(lines), len(lines))


def web_site(resource: IResource, limits: HttpLimits) -> Site:
    """A twisted.web site that keeps to the limits, logs nothing itself and tells no version."""
    site = _QuietSite(resource, _bounded(limits), timeout=limits.idle, parsePOSTFormSubmission=False)
    site.displayTracebacks = False
    return site


def _bounded(limits: HttpLimits, kind: type[_BoundedRequest] = _BoundedRequest) -> type[_BoundedRequest]:
    return type("BoundedRequest", (kind,), {"limit": limits.body})


class _QuietSite(Site):
    noisy = False

    def log(self, request: Any) -> None:
        """The access log filter writes one line for every server alike."""


class _PublicSite(_QuietSite):
    """A site whose connections are guarded, counted and bounded.

    :ivar draining: each answer is the last of its connection.
    :ivar connections: those that are open.
    """

    def __init__(
        self, resource: IResource, limits: HttpLimits, clock: Any, refused: Callable[[GatewayError], None]
    ) -> None:
        super().__init__(resource, _bounded(limits, _PublicRequest), timeout=limits.idle, parsePOSTFormSubmission=False)
        self.displayTracebacks = False
        self.refused = refused
        self.limits = limits
        self.clock = clock
        self.draining = False
        self.connections: set[_Connection] = set()
        self._empty: Deferred[None] | None = None

    def keep_to(self, limits: HttpLimits) -> None:
        self.limits, self.timeOut, self.requestFactory = limits, limits.idle, _bounded(limits, _PublicRequest)

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.connections) >= self.limits.connections:
            log.warn("one connection more than {limit}", limit=self.limits.connections)
            self.refused(TooManyConnections())
            return None
        return super().buildProtocol(addr)

    def protocol(self) -> Any:
        return _Connection(self)

    def close_idle(self) -> None:
        for connection in list(self.connections):
            if connection.is_idle:
                connection.lose()

    def forget(self, connection: _Connection) -> None:
        self.connections.discard(connection)
        if self._empty is not None and not self.connections:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def drained(self) -> Deferred[None]:
        if not self.connections:
            return succeed(None)
        if self._empty is None:
            self._empty = Deferred()
        return self._empty


class _Connection(_GenericHTTPChannelProtocol):
    """Twisted's own choice between HTTP/1.1 and, behind TLS that has agreed on it, HTTP/2; counted by its site."""

    def __init__(self, site: _PublicSite) -> None:
        super().__init__(_GuardedChannel(site))
        self._counted_by = site

    @property
    def is_idle(self) -> bool:
        """No request is running; HTTP/2 has streams instead."""
        channel: Any = self._channel
        return not (channel.streams if hasattr(channel, "streams") else channel.requests)

    def makeConnection(self, transport: Any) -> None:
        self._counted_by.connections.add(self)
        super().makeConnection(transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._counted_by.forget(self)
        super().connectionLost(reason)

    def lose(self) -> None:
        channel: Any = self._channel
        channel.transport.loseConnection()

    def abort(self) -> None:
        channel: Any = self._channel
        channel.transport.abortConnection()


class _GuardedChannel(HTTPChannel):
    """Lets Twisted see only what the strict reader of ``core/http_message.py`` has passed.

    Twisted's own parser takes folded headers, ``Transfer-Encoding: identity`` and a request
    without a Host, and bounds neither the time for a request nor the number of trailers.
    """

    # Twisted's type says only what every transport has; ours are connections.
    transport: Any

    def __init__(self, site: _PublicSite) -> None:
        super().__init__()
        # One line may be as long as all headers are allowed to be.
        self.totalHeadersSize = self.MAX_LENGTH = 2 * (site.limits.request_line + site.limits.header_bytes)
        self.maxHeaders = site.limits.headers
        self._site = site
        self._reader = RequestReader(site.limits.message, read_headers)
        self._alarm = Alarm(site.clock, self._ring)
        self._phase = Phase.NOTHING
        self._since = 0.0
        self._deaf = False
        # Requests that the reader has passed, and those that Twisted has begun.
        self._read = self._begun = 0
        self._replaying = False
        self._refused: GatewayError | None = None

    @property
    def draining(self) -> bool:
        return self._site.draining

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._alarm.stop()
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self._replaying:
            super().dataReceived(data)
            return
        if self._deaf:
            return
        reader = self._reader
        reader.feed(data)
        # What is before this belongs to requests that the reader has passed.
        passed = 0
        refused: GatewayError | None = None
        try:
            while not self._deaf and (reader.next() is not None or reader.interrupted):
                self._phase = Phase.NOTHING
                if not reader.interrupted:
                    self._read += 1
                    self._deaf = reader.closes
                    passed = len(data) - reader.buffered
        except GatewayError as error:
            refused = error
        super().dataReceived(data[:passed] if self._deaf or refused else data)
        if refused is not None:
            self._refuse(refused)
        else:
            self._watch()

    def requestDone(self, request: Any) -> None:
        # Twisted now goes on with what came meanwhile, by ``dataReceived`` once more.
        self._replaying = True
        try:
            super().requestDone(request)
        finally:
            self._replaying = False
        if self._refused is not None:
            self._refuse(self._refused)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """As the reader has it: Twisted looks at the first line of the header alone, and between blanks."""
        self._begun += 1
        asked = asks_to_close(request.requestHeaders.getRawHeaders(b"connection", ()))
        is_last = asked or version != b"HTTP/1.1" or (self._deaf and self._begun == self._read)
        if is_last:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return not is_last

    def _refuse(self, error: GatewayError) -> None:
        self._deaf = True
        self._alarm.stop()
        # Those before it get their answers first.
        self._refused = error if self._handlingRequest else None
        if self._handlingRequest:
            return
        self._site.refused(error)
        response = render_failure(error)
        lines = [b"HTTP/1.1 %d %b" % (response.status, reason(response.status))]
        lines += [name + b": " + value for name, value in response.headers]
        lines += [b"content-length: %d" % len(response.body), b"connection: close", b"", response.body]
        self.transport.write(b"\r\n".join(lines))
        self.loseConnection()

    def _watch(self) -> None:
        """See that a request that has begun goes on."""
        phase = Phase.NOTHING if self._deaf else self._reader.phase
        if phase is self._phase:
            return
        self._phase, self._since = phase, self._site.clock.seconds()
        self._alarm.set(self._due())

    def _due(self) -> float:
        limits = self._site.limits
        if self._phase is Phase.NOTHING:
            return NEVER
        return self._since + (limits.header_time if self._phase is Phase.HEAD else limits.body_time)

    def _ring(self) -> None:
        due = self._due()
        if due > self._site.clock.seconds():
            self._alarm.set(due)
        else:
            self._refuse(RequestTimeout("The request did not come in time"))


def read_request(web_request: WebRequest) -> Request:
    """The gateway's own value; the body is in memory or, if large, in Twisted's temporary file."""
    return Request(
        verb=web_request.method.decode("latin-1"),
        target=origin_form(web_request.uri),
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
