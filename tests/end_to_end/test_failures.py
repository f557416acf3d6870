"""What a client is told when a service is away, hangs, talks nonsense or breaks off; real sockets all the way."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import pytest_twisted
import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.logger import LogLevel, globalLogPublisher

from tests.end_to_end.twistd import ROOT
from txgateway.config import Settings, merge
from txgateway.testing import free_port
from txgateway.wiring import GatewayService, build_gateway

WITHIN = 30

Respond = Callable[[bytes], bytes | Deferred[bytes] | None]


class Upstream(Protocol):
    """A service that does not understand Thrift: it answers each frame as the test says; None breaks off."""

    def connectionMade(self):
        self.factory.connections.append(self)
        self.received = b""

    def dataReceived(self, data):
        self.received += data
        while len(self.received) >= 4 and len(self.received) >= 4 + (size := int.from_bytes(self.received[:4], "big")):
            frame, self.received = self.received[4 : 4 + size], self.received[4 + size :]
            self.factory.calls += 1
            maybeDeferred(self.factory.respond, frame).addCallback(self.answer)

    def answer(self, data):
        if data is None:
            self.transport.loseConnection()
        else:
            self.transport.write(data)

    def connectionLost(self, reason):
        self.factory.connections.remove(self)


class Service:
    """Such a service on a free port."""

    def __init__(self, respond: Respond) -> None:
        self.factory = Factory.forProtocol(Upstream)
        self.factory.noisy = False
        self.factory.calls = 0
        self.factory.connections = []
        self.factory.respond = respond

    async def listen(self) -> int:
        self.port = await TCP4ServerEndpoint(reactor, 0, backlog=1024, interface="127.0.0.1").listen(self.factory)
        return self.port.getHost().port

    async def close(self) -> None:
        await self.port.stopListening()
        for connection in list(self.factory.connections):
            connection.transport.abortConnection()


def message(kind: int, frame: bytes, payload: bytes, sequence: int | None = None) -> bytes:
    """A reply, framed, to the call in ``frame``."""
    (length,) = struct.unpack(">I", frame[4:8])
    sent = struct.unpack(">i", frame[8 + length : 12 + length])[0]
    head = struct.pack(">II", 0x80010000 | kind, length) + frame[8 : 8 + length]
    body = head + struct.pack(">i", sent if sequence is None else sequence) + payload
    return struct.pack(">I", len(body)) + body


BOOK = b"\x0c\x00\x00" + b"\x0b\x00\x01\x00\x00\x00\x017" + b"\x00\x00"


def book(frame: bytes) -> bytes:
    return message(2, frame, BOOK)


class Running:
    """A gateway in this process, and what it logged above a warning."""

    def __init__(self, gateway: GatewayService, log: list) -> None:
        self.gateway = gateway
        self.log = log

    @property
    def port(self) -> int:
        return self.gateway.public.addresses[0].port

    async def get(self, target: str = "/book/query?num=7"):
        """Status, headers and body of one request."""
        response = await treq.get(f"http://127.0.0.1:{self.port}{target}", persistent=False, timeout=WITHIN)
        return response.code, response.headers, await response.content()

    async def refused(self) -> tuple[int, dict]:
        status, headers, body = await self.get()
        assert headers.getRawHeaders("content-type") == ["application/problem+json"]
        # Nothing of ours or of the service's machine shows.
        for secret in (b"127.0.0.1", b"Traceback", b"twisted", b"Errno", b"File "):
            assert secret not in body
        return status, {"headers": headers, **json.loads(body)}

    async def admin(self, page: str):
        response = await treq.get(
            f"http://127.0.0.1:{self.gateway.admin_addresses[0].port}{page}", persistent=False, timeout=WITHIN
        )
        return await response.json()


@pytest_twisted.async_yield_fixture
async def start():
    """A function that starts a gateway before the given ports; everything is stopped at the end."""
    running: list[Running] = []
    events: list = []
    globalLogPublisher.addObserver(events.append)

    def start(*ports: int, idl: Path = ROOT / "idl", **upstream: float) -> Running:
        free = ["tcp:0:interface=127.0.0.1"]
        settings = merge(
            Settings(),
            {
                "http": {"listen": free, "admin": free},
                "mapping": {"idl": [str(idl)]},
                "discovery": {"static": [f"book=127.0.0.1:{port}" for port in ports]},
                "upstream": upstream,
            },
        )
        gateway = build_gateway(settings, reactor)
        gateway.startService()
        running.append(Running(gateway, events))
        return running[-1]

    yield start
    for each in running:
        await each.gateway.stopService()
    globalLogPublisher.removeObserver(events.append)
    assert not [event for event in events if event["log_level"] >= LogLevel.error and "diagnostic" not in event]


@pytest_twisted.async_yield_fixture
async def serve():
    """A function that starts a service; everything is stopped at the end."""
    services: list[Service] = []

    async def serve(respond: Respond) -> tuple[Service, int]:
        service = Service(respond)
        port = await service.listen()
        services.append(service)
        return service, port

    yield serve
    for service in services:
        await service.close()


@pytest_twisted.ensureDeferred
async def test_a_service_that_is_down_is_503_and_says_when_to_come_again(start):
    status, problem = await start(free_port()).refused()
    assert status == 503
    assert problem["headers"].getRawHeaders("retry-after") == ["1"]
    assert problem["retryable"] is True
    assert problem["service"] == "book"


@pytest_twisted.ensureDeferred
async def test_a_service_without_instances_is_503(start):
    status, problem = await start().refused()
    assert status == 503
    assert problem["headers"].getRawHeaders("retry-after") == ["1"]
    assert (problem["service"], problem["method"]) == ("book", "queryBook")


@pytest_twisted.ensureDeferred
async def test_an_instance_that_is_down_costs_no_request(start, serve):
    service, port = await serve(book)
    gateway = start(free_port(), port, free_port())
    answers = [await gateway.get() for _ in range(9)]
    assert [status for status, _, _ in answers] == [200] * 9
    assert service.factory.calls == 9


@pytest_twisted.ensureDeferred
async def test_a_service_that_hangs_is_504_at_the_deadline(start, serve):
    service, port = await serve(lambda frame: b"")
    status, problem = await start(port, deadline=0.5).refused()
    assert status == 504
    assert problem["retryable"] is True
    assert (problem["service"], problem["method"]) == ("book", "queryBook")
    assert service.factory.calls == 1


def echo(frame: bytes) -> bytes:
    """A book whose ID is the number that was asked for."""
    number = b"%d" % struct.unpack(">i", frame[-6:-2])
    text = b"\x0b\x00\x01" + struct.pack(">I", len(number)) + number
    return message(2, frame, b"\x0c\x00\x00" + text + b"\x00\x00")


@pytest_twisted.ensureDeferred
async def test_a_late_reply_never_reaches_another_request(start, serve):
    chance = Random(5)
    # From none at all to far beyond the deadline.
    _, port = await serve(lambda frame: deferLater(reactor, chance.choice([0, 0, 0.02, 0.3]), echo, frame))
    # On a busy machine a connect may take its time too: that is not what this is about.
    gateway = start(port, deadline=0.15, connect_timeout=30)
    numbers = [chance.randrange(100) for _ in range(500)]
    statuses: Counter[int] = Counter()
    for at in range(0, len(numbers), 25):
        asked = numbers[at : at + 25]
        answers = await gatherResults(
            [Deferred.fromCoroutine(gateway.get(f"/book/query?num={number}")) for number in asked]
        )
        for number, (status, _, body) in zip(asked, answers, strict=True):
            statuses[status] += 1
            assert status == 504 or json.loads(body) == {"ID": str(number)}
    assert statuses.keys() == {200, 504}


GARBAGE = {
    "random": lambda frame: b"\xff\x00\xfe\x01" * 16,
    "http": lambda frame: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "huge frame": lambda frame: b"\x7f\xff\xff\xff\x80\x01\x00\x02",
    "truncated struct": lambda frame: message(2, frame, BOOK[:-4]),
    "length beyond the end": lambda frame: message(2, frame, b"\x0c\0\0\x0b\0\1\x7f\xff\xff\xff7\0\0"),
    "endless list": lambda frame: message(2, frame, b"\x0f\0\x63\x01\x7f\xff\xff\xff\0"),
    "foreign sequence id": lambda frame: message(2, frame, BOOK, sequence=123456),
    "a call": lambda frame: message(1, frame, BOOK),
    "no success": lambda frame: message(2, frame, b"\0"),
    "another type": lambda frame: message(2, frame, b"\x08\0\0\0\0\0\1\0"),
    "unknown method": lambda frame: message(3, frame, b"\x0b\0\1\0\0\0\2no\x08\0\2\0\0\0\1\0"),
    "undeclared error": lambda frame: message(3, frame, b"\x0b\0\1\0\0\0\x0e10.0.0.1:secret\x08\0\2\0\0\0\6\0"),
}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest_twisted.ensureDeferred
async def test_an_answer_that_is_none_is_502_and_is_not_asked_for_again(start, serve, kind):
    service, port = await serve(GARBAGE[kind])
    status, problem = await start(port, deadline=5).refused()
    assert status == 502
    assert "secret" not in str(problem)
    assert service.factory.calls == 1


@pytest_twisted.ensureDeferred
async def test_no_answer_at_all_is_502_once_it_was_asked_for_twice(start, serve):
    service, port = await serve(lambda frame: None)
    assert (await start(port, deadline=5).refused())[0] == 502
    assert service.factory.calls == 2


@pytest_twisted.ensureDeferred
async def test_a_thousand_clients_that_leave_in_mid_call_leave_nothing_behind(start, serve):
    waiting: list[Deferred] = []

    def respond(frame: bytes) -> bytes:
        if waiting:
            waiting.pop(0).callback(None)
        return b""

    service, port = await serve(respond)
    gateway = start(port, deadline=WITHIN, connect_timeout=30)
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", gateway.port)

    async def leave() -> None:
        client = await endpoint.connect(Factory.forProtocol(Protocol))
        called = Deferred()
        waiting.append(called)
        client.transport.write(b"GET /book/query?num=7 HTTP/1.1\r\nHost: gw\r\n\r\n")
        await called
        client.transport.abortConnection()

    for _ in range(10):
        await gatherResults([Deferred.fromCoroutine(leave()) for _ in range(100)]).addTimeout(WITHIN, reactor)
    for _ in range(500):
        if not service.factory.connections and not (await gateway.admin("/healthz"))["in_flight"]:
            break
        await deferLater(reactor, 0.02)
    assert service.factory.calls == 1000
    assert (await gateway.admin("/healthz"))["in_flight"] == 0
    (instance,) = (await gateway.admin("/services"))["services"]["book"]
    assert (instance["in_flight"], instance["calls"]) == (0, 1000)
    assert service.factory.connections == []
    for _ in range(500):
        # The log's lines come a little later, many in one event.
        lines = [line for event in gateway.log if "lines" in event for line in event["text"].splitlines()]
        left = [line for line in lines if json.loads(line)["status"] == 499]
        if len(left) >= 1000:
            break
        await deferLater(reactor, 0.02)
    assert len(left) == 1000


@pytest_twisted.ensureDeferred
async def test_a_broken_idl_is_shown_and_the_others_are_served(start, tmp_path, serve):
    (tmp_path / "book.thrift").write_bytes((ROOT / "idl" / "book.thrift").read_bytes())
    (tmp_path / "broken.thrift").write_text("service Broken { i32 add(1: i32 a }\n")
    _, port = await serve(book)
    gateway = start(port, idl=tmp_path)
    assert (await gateway.get())[0] == 200
    health = await gateway.admin("/healthz")
    assert health["status"] == "degraded"
    assert health["reasons"] == ["the IDL has 1 error"]
    assert "broken.thrift:1:" in health["mapping"]["errors"][0]


@pytest_twisted.ensureDeferred
async def test_a_rule_that_is_only_observed_lets_the_request_pass_and_is_counted(start, tmp_path, serve):
    text = (
        (ROOT / "idl" / "book.thrift")
        .read_text()
        .replace('api.get="book/query"', 'api.get="book/query", tgw.validate="observe"')
    )
    (tmp_path / "book.thrift").write_text(text)
    _, port = await serve(book)
    gateway = start(port, idl=tmp_path)
    for number in (7, 700, 701):
        assert (await gateway.get(f"/book/query?num={number}"))[0] == 200
    assert (await gateway.admin("/services"))["observed_rules"] == [
        {
            "service": "book",
            "method": "queryBook",
            "rule": "$<100; msg:'num must less than 100'",
            "failures": 2,
        }
    ]
