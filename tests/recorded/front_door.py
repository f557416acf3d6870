"""The whole gateway in memory: HTTP bytes in at the front, Thrift bytes out at the back, and the same way back."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from txgateway.core.connection import Connection
from txgateway.core.framing import Framing
from txgateway.core.framing.framed import Framed
from txgateway.core.mapping import Mapping
from txgateway.core.message import Call, MessageType, Reply, Response
from txgateway.filters import compose
from txgateway.filters.ledger import Ledger
from txgateway.gateway import Gateway
from txgateway.net.http import HttpLimits, HttpRoute, PublicHandlers, http_servers
from txgateway.testing import Answer, ScriptedServer

http_servers.load()

_CLIENT = IPv4Address("TCP", "127.0.0.1", 40000)


@define(eq=False)
class FrontDoor:
    """A gateway with one scripted Thrift server behind it.

    :ivar http: the name of the HTTP server.
    :ivar server: what it got is in ``server.received``.
    """

    mapping: Mapping
    http: str = "httptools"
    server: ScriptedServer = field(factory=ScriptedServer)
    _factory: Any = None

    def __attrs_post_init__(self) -> None:
        gateway = Gateway(self.mapping, _Everywhere(_Scripted(self.server)))
        routes = [HttpRoute(route.verb, route.path) for route in self.mapping.routes]
        ledger = Ledger(Clock().seconds)
        handlers = PublicHandlers(compose([ledger], gateway.handle), compose([ledger], gateway.handle_generic), routes)
        endpoint = _Captured()
        ensureDeferred(http_servers[self.http](handlers, HttpLimits(), Clock()).listen([endpoint]))
        self._factory = endpoint.factory

    def answers(self, answer: Answer, framing: type[Framing] = Framed) -> None:
        """What the server does with every call from now on, and how it speaks; what it has received is forgotten."""
        self.server.received.clear()
        self.server.script = _Always(answer)
        self.server.framing = framing

    def send(self, verb: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
        """One request on a connection of its own."""
        return read_response(self._exchange(request_bytes(verb, target, headers, body)))

    def _exchange(self, data: bytes) -> bytes:
        transport = StringTransportWithDisconnection(peerAddress=_CLIENT)
        protocol = self._factory.buildProtocol(_CLIENT)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        protocol.dataReceived(data)
        if transport.connected:
            transport.loseConnection()
        return transport.value()


class _Captured:
    """An endpoint that listens nowhere."""

    factory: Any = None

    def listen(self, factory: Any) -> Deferred[None]:
        self.factory = factory
        return succeed(None)


class _Always(dict[str, Answer]):
    """A script that says the same of every method."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def get(self, method: str, default: Any = None) -> Answer:
        return self._answer


@frozen
class _Everywhere:
    """The same upstream for every service."""

    upstream: Any

    def __getitem__(self, service: str) -> Any:
        return self.upstream


@define
class _Scripted:
    """One connection to the scripted server for each call."""

    server: ScriptedServer

    def send(self, call: Call) -> Deferred[Reply]:
        there, back = self.server.factory.buildProtocol(None), StringTransportWithDisconnection()
        back.protocol = there
        there.makeConnection(back)
        connection: Connection = Connection(self.server.framing())
        there.dataReceived(connection.send(call, call))
        answers = [succeed(reply) for _, reply in connection.receive(back.value())]
        back.loseConnection()
        if call.oneway:
            return succeed(Reply(MessageType.REPLY, call.method, b"\0"))
        return (answers or [fail(error) for _, error in connection.lost()])[0]


def request_bytes(verb: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A request as it goes over the wire, the last one of its connection."""
    head = [b"%b %b HTTP/1.1" % (verb.encode(), target), *(b"%b: %b" % header for header in headers)]
    if not any(name.lower() == b"host" for name, _ in headers):
        head.append(b"Host: gateway")
    if body or verb in ("POST", "PUT", "PATCH"):
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, b"Connection: close", b"", b""]) + body


def read_response(raw: bytes) -> Response:
    """All that came back on such a connection."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return Response(int(status.split()[1]), tuple((n.lower(), value.strip()) for n, _, value in pairs), body)
