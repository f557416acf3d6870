"""HTTP/1.1 by a protocol of our own, with llhttp (httptools) for the headers: the fast way in.

The routes of the IDL go straight to their handler, and so do plain JSON calls; what else
Klein's app may know is handed over to it, so both servers give the same answers. Klein on
twisted.web costs about 150 us a request, this a tenth.

Where a request begins and ends is decided by ``core/http_message.py``, which is stricter
than llhttp; llhttp sees nothing that has not passed there.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from time import time
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString
from zope.interface import classImplements  # type: ignore[import-untyped]

from ...core.errors import GatewayError, RequestTimeout, TooManyConnections
from ...core.http_message import NO_BODY, Phase, RequestReader, reason
from ...core.message import Header, Request, Response
from ...core.rendering import render_failure
from ..alarm import NEVER, Alarm
from ..protocol import StreamProtocol
from ..writing import Writer
from . import Handler, HttpLimits, PublicHandlers, http_servers
from .factory import ConnectionFactory
from .handover import handover
from .klein_server import LAST_REQUEST_WITHIN, klein_site, needed_by_klein
from .llhttp import read_headers

log = Logger()

# Requests that may run side by side on one connection (RFC 9112, 9.3.2).
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Requests of one connection that are begun before the reactor gets its turn.
AT_ONCE = 32
# After the last answer a client gets so long, in seconds, to close, while what it still
# sends is dropped: closing at once could destroy the answer on its way.
LINGER = 2.0
# Bytes that are dropped so, at most.
MOST_DROPPED = 64 * 1024 * 1024
# What a slow client must take within the send time, in bytes.
LEAST_TAKEN = 16384
# How heads of answers begin is remembered for so many kinds of them.
HEADS_KEPT = 256

# Stands for what was none.
_NO_REQUEST = Request("", b"")

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_is_json_call = re.compile(rb"/gateway/[0-9A-Za-z_.\-]+/[0-9A-Za-z_.\-]+").fullmatch


class _Exchange:
    """A request's place in line, and its answer once there is one."""

    __slots__ = ("answer", "closes", "request", "response")

    def __init__(self, request: Request, closes: bool) -> None:
        self.request = request
        self.closes = closes
        self.response: Response | None = None
        self.answer: Deferred[Any] | None = None


class HttpConnection(StreamProtocol):
    """Answers the requests of one connection in their order.

    Reading pauses while enough requests wait, and serving while the client does not take
    its answers, so neither can pile up here. Requests that change nothing run side by
    side; any other waits until those before it are answered, and has those behind it wait.
    """

    def __init__(self, server: HttpToolsServer) -> None:
        self._server = server
        self._limits = server.limits
        self._line: deque[_Exchange] = deque()
        # Read, but not begun: one before it must be answered first.
        self._held: Request | None = None
        # Only requests that change nothing are in line.
        self._parallel = True
        # What comes in is dropped: the last request has been read, or a bad one.
        self._deaf = False
        self._dropped = 0
        self._advancing = False
        self._turn: Any = None
        self._paused = False
        self._clogged = False
        # Told to close; when patience with that ends.
        self._closing_at = NEVER
        self._lost = False
        self._phase = Phase.NOTHING
        # When the phase began, or the last answer was written.
        self._since = server.clock.seconds()
        self._left = 0
        self._alarm = Alarm(server.clock, self._ring)
        self._reader: RequestReader
        self._writer: Writer

    @property
    def is_idle(self) -> bool:
        """No request is running, and none has begun to come."""
        return not (self._line or self._held or self._phase)

    def connectionMade(self) -> None:
        transport = self.transport
        self._writer = Writer(transport)
        client = getattr(transport.getPeer(), "host", "")
        self._reader = RequestReader(self._server.message_limits, read_headers, client)
        # Only to hear when more is queued than the client takes.
        transport.registerProducer(self, True)
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
        self._alarm.set(self._due())

    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            self._dropped += len(data)
            if self._dropped > MOST_DROPPED:
                self.transport.abortConnection()
            return
        self._reader.feed(data)
        self._advance()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = self._deaf = True
        self._alarm.stop()
        if self._turn is not None:
            self._turn.cancel()
        self._server.forget(self)
        line, self._line = self._line, deque()
        for exchange in line:
            if exchange.answer is not None:
                exchange.answer.cancel()

    def finish(self) -> None:
        """The next answer is the last; without a request, close soon."""
        self._alarm.set(self._due())

    def abort(self) -> None:
        self.transport.abortConnection()

    # From requests to answers.

    def _advance(self) -> None:
        """Begin what has come and may run now, and answer where that is possible at once."""
        if self._advancing or self._lost or self._turn is not None:
            return
        self._advancing = True
        begun, line = 0, self._line
        try:
            while begun < AT_ONCE and (request := self._next()) is not None:
                begun += 1
                self._begin(request)
                if line and line[0].response is not None:
                    self._answer()
                elif not self._reader.buffered:
                    break
        except GatewayError as error:
            begun = 0
            self._refuse(error)
            self._answer()
        self._advancing = False
        if begun == AT_ONCE or (self._reader.interrupted and not self._deaf):
            self._turn = self._server.clock.callLater(0, self._go_on)
        self._settle()

    def _go_on(self) -> None:
        self._turn = None
        self._advance()

    def _next(self) -> Request | None:
        """The next request that may run beside those in line, if the client takes what it gets."""
        if self._clogged:
            return None
        request, line = self._held, self._line
        if request is None:
            reader = self._reader
            if self._deaf or not reader.buffered or len(line) >= self._limits.pipeline:
                return None
            request = reader.next()
            if request is None:
                return None
            # Whatever has come of the one behind it began now.
            self._phase = Phase.NOTHING
            self._deaf = reader.closes
        if line and not (self._parallel and request.verb in SAFE):
            self._held = request
            return None
        self._held = None
        return request

    def _begin(self, request: Request) -> None:
        self._parallel = request.verb in SAFE
        # Nothing is read beyond the last request, so if that is what was read last, it is this one.
        exchange = _Exchange(request, self._deaf)
        self._line.append(exchange)
        try:
            answer = exchange.answer = self._server.handle(request)
        except Exception:
            answer = fail()
        whose = (exchange,)
        answer.addCallbacks(self._answered, self._failed, whose, {}, whose)

    def _answered(self, response: Response, exchange: _Exchange) -> None:
        exchange.answer = None
        exchange.response = response
        line = self._line
        if self._advancing or not line or line[0] is not exchange:
            return
        self._answer()
        if line or self._deaf or self._paused or self._held or self._reader.buffered or self._alarm.at == NEVER:
            self._advance()

    def _failed(self, failure: Failure, exchange: _Exchange) -> None:
        if self._lost and failure.check(CancelledError):
            return
        log.failure("a handler failed", failure)
        self._answered(render_failure(GatewayError()), exchange)

    def _refuse(self, error: GatewayError) -> None:
        """Answer what is no good request, once those before it are answered, and close."""
        self._server.refused(error)
        self._deaf = True
        exchange = _Exchange(_NO_REQUEST, True)
        exchange.response = render_failure(error)
        self._line.append(exchange)

    def _answer(self) -> None:
        """Write the answers whose turn it is."""
        line, server = self._line, self._server
        answers: list[bytes] = []
        closes = False
        while line and not closes and (response := line[0].response) is not None:
            exchange = line.popleft()
            closes = exchange.closes or server.draining
            answers.append(server.render(response, exchange.request, closes))
        if not answers or self._lost:
            return
        data = answers[0] if len(answers) == 1 else b"".join(answers)
        self._since = server.clock.seconds()
        if not self._writer.write(data):
            self.transport.abortConnection()
        elif closes:
            self._close()

    def _close(self) -> None:
        """Close once what was written has been taken."""
        self._deaf = True
        for exchange in self._line:
            if exchange.answer is not None:
                exchange.answer.cancel()
        self._line.clear()
        self._held = None
        self._closing_at = self._server.clock.seconds() + max(LINGER, self._clogged and self._limits.send_time)
        self._alarm.set(self._closing_at)
        # A producer that was once paused would hold the close up.
        self.transport.unregisterProducer()
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
        if ISSLTransport.providedBy(self.transport) or not hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    # Pace and patience.

    def pauseProducing(self) -> None:
        """The client does not take what is written."""
        self._clogged = True
        self._since = self._server.clock.seconds()
        self._left = self._unsent()
        self._alarm.set(self._due())

    def resumeProducing(self) -> None:
        self._clogged = False
        self._since = self._server.clock.seconds()
        self._advance()

    def stopProducing(self) -> None:
        """Nothing to stop: connectionLost follows."""

    def _settle(self) -> None:
        """Read on or not, and for how long."""
        if self._lost or self._closing_at != NEVER:
            return
        line = self._line
        full = self._held is not None or self._turn is not None or len(line) >= self._limits.pipeline
        wanted = (full or self._clogged) and not self._deaf
        if line and not wanted and not self._paused:
            # The common case: a request runs, there is no hurry, and reading goes on.
            return
        reader = self._reader
        if not self._deaf:
            phase = reader.phase
            if phase is not self._phase:
                self._phase = phase
                self._since = self._server.clock.seconds()
            if reader.awaited and not line:
                reader.told()
                if not self._writer.write(_CONTINUE):
                    self.transport.abortConnection()
        if wanted != self._paused:
            self._paused = wanted
            (self.transport.pauseProducing if wanted else self.transport.resumeProducing)()
        self._alarm.set(self._due())

    def _due(self) -> float:
        """When the patience with the client is at its end."""
        if self._closing_at != NEVER:
            return self._closing_at
        limits = self._limits
        if self._clogged:
            return self._since + limits.send_time
        if self._line or self._turn is not None:
            # It is for the handlers to answer in time.
            return NEVER
        if self._phase is Phase.NOTHING:
            return self._since + (LAST_REQUEST_WITHIN if self._server.draining else limits.idle)
        return self._since + (limits.header_time if self._phase is Phase.HEAD else limits.body_time)

    def _ring(self) -> None:
        due = self._due()
        now = self._server.clock.seconds()
        if due > now:
            self._alarm.set(due)
        elif self._closing_at != NEVER:
            self.transport.abortConnection()
        elif self._clogged:
            self._check_progress(now)
        elif self._phase is Phase.NOTHING:
            self._close()
        else:
            what = "headers" if self._phase is Phase.HEAD else "body"
            self._refuse(RequestTimeout(f"The {what} did not come in time"))
            self._answer()

    def _check_progress(self, now: float) -> None:
        left = self._unsent()
        if self._left - left < LEAST_TAKEN:
            log.info("{peer}: takes its answers too slowly", peer=self.transport.getPeer())
            self.transport.abortConnection()
            return
        self._left, self._since = left, now
        self._alarm.set(self._due())

    def _unsent(self) -> int:
        transport = self.transport
        return len(getattr(transport, "dataBuffer", b"")) + int(getattr(transport, "_tempDataLen", 0))


class HttpToolsServer:
    """Listens on endpoints and serves by the handlers of the moment.

    :param clock: an IReactorTime.
    :ivar draining: each answer is the last of its connection.
    """

    def __init__(self, handlers: PublicHandlers, limits: HttpLimits, clock: Any) -> None:
        self.limits = limits
        self.message_limits = limits.message
        self.clock = clock
        self.draining = False
        self._ports: list[Any] = []
        self._connections: set[HttpConnection] = set()
        self._empty: Deferred[None] | None = None
        # By status, headers and whether the connection closes: what stands before the length.
        self._heads: dict[tuple[int, tuple[Header, ...]], tuple[bytes, bool]] = {}
        self._date_of = 0
        self._end = self._closing_end = b""
        self._needed: PublicHandlers | None = None
        self._klein: Handler
        self.serve(handlers)

    def serve(self, handlers: PublicHandlers, limits: HttpLimits | None = None) -> None:
        """Serve by these from now on; requests that have begun are not touched.

        :param limits: for connections that come from now on; None: as before.
        """
        if limits is not None:
            self.limits, self.message_limits = limits, limits.message
        needed = needed_by_klein(handlers)
        if needed != self._needed or limits is not None:
            self._needed, self._klein = needed, _Lazy(needed, self.limits)
        self.refused = handlers.refused
        self._id_start = handlers.id_header and b"%b: " % handlers.id_header
        self._route = handlers.route
        self._generic = self._klein if needed.routes else handlers.generic

    def handle(self, request: Request) -> Deferred[Response]:
        path = request.path
        # Whatever has its own place there, in whatever spelling, Klein knows.
        if b"gateway" in path or path == b"*" or (b"%" in path and b"gateway" in unquote_to_bytes(path)):
            return (self._generic if _is_json_call(path) else self._klein)(request)
        return self._route(request)

    async def listen(self, endpoints: Sequence[Any]) -> None:
        """:param endpoints: each an IStreamServerEndpoint."""
        for endpoint in endpoints:
            self._ports.append(await endpoint.listen(ConnectionFactory(self.connect)))

    @property
    def addresses(self) -> list[Any]:
        """Where it listens: the port is the real one where the endpoint said 0."""
        return [port.getHost() for port in self._ports]

    async def stop_listening(self) -> None:
        """Take no new connection; those that are open get a last answer each."""
        self.draining = True
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        for connection in list(self._connections):
            connection.finish()

    def drained(self) -> Deferred[None]:
        """After :meth:`stop_listening`: fires once no connection is open."""
        if not self._connections:
            return succeed(None)
        if self._empty is None:
            self._empty = Deferred()
        return self._empty

    def close(self) -> None:
        """Close every connection at once, whatever runs on it."""
        for connection in list(self._connections):
            connection.abort()

    def connect(self) -> HttpConnection | None:
        """A protocol for a connection that came; None if there are too many."""
        if len(self._connections) >= self.limits.connections:
            log.warn("one connection more than {limit}", limit=self.limits.connections)
            self.refused(TooManyConnections())
            return None
        connection = HttpConnection(self)
        self._connections.add(connection)
        return connection

    def forget(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        if self._empty is not None and not self._connections:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def render(self, response: Response, request: Request, closes: bool) -> bytes:
        """The bytes of an answer."""
        key = (response.status, response.headers)
        start, needs_length = self._heads.get(key) or self._begin_head(key)
        now = int(time())
        if now != self._date_of:
            self._new_date(now)
        end = self._closing_end if closes else self._end
        body = response.body
        sent = b"" if request.verb == "HEAD" else body
        if request.id and self._id_start:
            start = b"%b%b%b\r\n" % (start, self._id_start, request.id.encode("ascii"))
        if not needs_length:
            return start + end + (b"" if response.status in NO_BODY else sent)
        return b"%bcontent-length: %d\r\n%b%b" % (start, len(body), end, sent)

    def _begin_head(self, key: tuple[int, tuple[Header, ...]]) -> tuple[bytes, bool]:
        if len(self._heads) >= HEADS_KEPT:
            self._heads.clear()
        status, headers = key
        lines = [b"HTTP/1.1 %d %b" % (status, reason(status))]
        lines += [_header_line(name, value) for name, value in headers]
        has_length = any(name == b"content-length" for name, _ in headers)
        begun = self._heads[key] = (b"\r\n".join(lines) + b"\r\n", status not in NO_BODY and not has_length)
        return begun

    def _new_date(self, now: int) -> None:
        self._date_of = now
        date = b"date: " + datetimeToString(now) + b"\r\n"
        self._end = date + b"\r\n"
        self._closing_end = date + b"connection: close\r\n\r\n"


class _Lazy:
    """Klein's app as a handler, made when it is first needed."""

    def __init__(self, handlers: PublicHandlers, limits: HttpLimits) -> None:
        self._handlers = handlers
        self._limits = limits
        self._handler: Handler | None = None

    def __call__(self, request: Request) -> Deferred[Response]:
        if self._handler is None:
            self._handler = handover(klein_site(self._handlers, self._limits))
        return self._handler(request)


def _header_line(name: bytes, value: bytes) -> bytes:
    """As twisted.web does, no line end in a value ends its line; what came from a service is no exception."""
    return name + b": " + b" ".join(value.replace(b"\0", b" ").splitlines())


# Not by decorators: mypyc makes no quick class of one that has any.
classImplements(HttpConnection, IPushProducer)
http_servers.register("httptools")(HttpToolsServer)
