"""An HTTP server under test, and a client that speaks in bytes."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from txgateway.core.message import Response
from txgateway.net.http import HttpLimits, HttpRoute, PublicHandlers

WITHIN = 10


class Collect(Protocol):
    """Writes one request and keeps what comes until the other side closes."""

    def __init__(self):
        self.received = b""
        self.closed = Deferred()

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason):
        self.closed.callback(self.received)


class Server:
    """A server under test whose handlers answer from a list and keep what they were given."""

    def __init__(self, make, limits=None):
        self.requests = []
        self.generic = []
        self.answer = lambda request: succeed(Response(200, ((b"content-type", b"text/plain"),), b"fine"))
        routes = [HttpRoute("GET", "/book/query"), HttpRoute("POST", "/v:id/x"), HttpRoute("GET", "/files/*rest")]
        self.refused = []
        handlers = PublicHandlers(self._route, self._generic, routes, self.refused.append, b"x-id")
        self.server = make(handlers, limits or HttpLimits(), reactor)

    def _route(self, request):
        self.requests.append(request)
        return self.answer(request)

    def _generic(self, request):
        self.generic.append(request)
        return self.answer(request)

    async def connect(self):
        port = self.server.addresses[0].port
        return await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(Factory.forProtocol(Collect))

    async def send(self, data):
        """The raw answer to raw bytes; the request must ask for the connection to be closed."""
        connection = await self.connect()
        connection.transport.write(data)
        return await connection.closed.addTimeout(WITHIN, reactor)

    async def get(self, target, headers=b"", verb=b"GET"):
        return await self.send(
            verb + b" " + target + b" HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n" + headers + b"\r\n"
        )


def parts(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    return int(status.split()[1]), headers, body
