"""What only the fast listener promises: requests side by side, patience by the clock, pressure both ways."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from txgateway.core.message import Response
from txgateway.net.http import HttpLimits, HttpRoute, PublicHandlers
from txgateway.net.http.httptools_server import AT_ONCE, LEAST_TAKEN, LINGER, HttpToolsServer
from txgateway.net.http.klein_server import LAST_REQUEST_WITHIN

GET = b"GET /a HTTP/1.1\r\nHost: gw\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: gw\r\n\r\n"


class Transport(StringTransport):
    """Keeps what is written; has a queue like a socket's, which ``take`` shortens."""

    def __init__(self):
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.7", 1))
        self.dataBuffer = b""
        self.aborted = self.half_closed = False

    def setTcpNoDelay(self, on):
        """As a socket's."""

    def loseWriteConnection(self):
        self.half_closed = True

    def abortConnection(self):
        self.aborted = True


class Bench:
    """A server with one connection, and handlers that answer when the test says so."""

    def __init__(self, **limits):
        self.clock = Clock()
        self.requests = []
        self.answers = []
        self.cancelled = 0
        handlers = PublicHandlers(self.handle, self.handle, [HttpRoute("GET", "/a")])
        self.server = HttpToolsServer(handlers, HttpLimits(**limits), self.clock)
        self.connect()

    def connect(self):
        self.transport = Transport()
        self.connection = self.server.connect()
        self.connection.makeConnection(self.transport)

    def handle(self, request):
        self.requests.append(request.verb)
        self.answers.append(Deferred(self.cancel))
        return self.answers[-1]

    def cancel(self, answer):
        self.cancelled += 1

    def answer(self, number, body=b"."):
        self.answers[number].callback(Response(200, (), body))

    @property
    def bodies(self):
        return [part.partition(b"\r\n\r\n")[2] for part in self.transport.value().split(b"HTTP/1.1 ")[1:]]

    @property
    def statuses(self):
        return [int(part[:3]) for part in self.transport.value().split(b"HTTP/1.1 ")[1:]]


def test_requests_that_change_nothing_run_side_by_side_and_are_answered_in_order():
    bench = Bench()
    bench.connection.dataReceived(GET * 3)
    assert len(bench.requests) == 3
    bench.answer(2, b"third")
    bench.answer(1, b"second")
    assert bench.bodies == []
    bench.answer(0, b"first")
    assert bench.bodies == [b"first", b"second", b"third"]


def test_a_request_that_may_change_something_runs_alone():
    bench = Bench()
    bench.connection.dataReceived(GET + POST + GET + GET)
    assert bench.requests == ["GET"]
    bench.answer(0)
    assert bench.requests == ["GET", "POST"]
    bench.answer(1)
    assert bench.requests == ["GET", "POST", "GET", "GET"]


def test_no_more_requests_are_begun_than_may_be_in_line_and_reading_pauses():
    bench = Bench(pipeline=3)
    bench.connection.dataReceived(GET * 5)
    assert len(bench.requests) == 3
    assert bench.transport.producerState == "paused"
    bench.answer(0)
    assert len(bench.requests) == 4
    bench.answer(1)
    bench.answer(2)
    assert (len(bench.requests), bench.transport.producerState) == (5, "producing")


def test_the_reactor_gets_its_turn_among_many_requests():
    bench = Bench(pipeline=1)
    bench.server.serve(PublicHandlers(lambda request: succeed(Response(200)), bench.handle))
    bench.connection.dataReceived(GET * (2 * AT_ONCE + 1))
    assert len(bench.statuses) == AT_ONCE
    bench.clock.advance(0)
    assert len(bench.statuses) == 2 * AT_ONCE + 1


def test_so_it_does_among_many_chunks():
    bench = Bench()
    head = b"POST /a HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
    bench.connection.dataReceived(head + b"1\r\nx\r\n" * 1500 + b"0\r\n\r\n")
    assert bench.requests == []
    bench.clock.advance(0)
    assert bench.requests == ["POST"]


def test_a_client_that_leaves_ends_all_its_requests():
    bench = Bench()
    bench.connection.dataReceived(GET * 2)
    bench.connection.connectionLost()
    assert bench.cancelled == 2
    assert bench.clock.getDelayedCalls() == []


def test_an_idle_connection_is_closed_without_a_word():
    bench = Bench(idle=60)
    bench.clock.advance(59)
    assert not bench.transport.half_closed
    bench.clock.advance(1)
    assert (bench.transport.half_closed, bench.transport.value()) == (True, b"")
    bench.clock.advance(LINGER)
    assert bench.transport.aborted


def test_idleness_counts_from_the_last_answer():
    bench = Bench(idle=60)
    bench.clock.advance(50)
    bench.connection.dataReceived(GET)
    bench.clock.advance(50)
    bench.answer(0)
    bench.clock.advance(59)
    assert not bench.transport.half_closed
    bench.clock.advance(1)
    assert bench.transport.half_closed


@pytest.mark.parametrize(
    ("begun", "seconds"),
    [(b"GET", 10), (GET[:-2], 10), (b"POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 9\r\n\r\n", 60)],
)
def test_dripping_does_not_extend_the_time_for_a_request(begun, seconds):
    bench = Bench(header_time=10, body_time=60)
    bench.connection.dataReceived(begun)
    for _ in range(seconds - 1):
        bench.clock.advance(1)
        bench.connection.dataReceived(b"" if begun == GET[:-2] else b"x" if seconds == 10 else b"")
    assert bench.statuses == []
    bench.clock.advance(1)
    assert bench.statuses == [408]
    assert bench.transport.half_closed


def test_the_next_head_has_its_own_time():
    bench = Bench(header_time=10)
    bench.connection.dataReceived(GET[:5])
    bench.clock.advance(9)
    bench.connection.dataReceived(GET[5:] + GET[:5])
    bench.answer(0)
    bench.clock.advance(9)
    assert bench.statuses == [200]
    bench.clock.advance(1)
    assert bench.statuses == [200, 408]


def test_a_handler_takes_as_long_as_it_likes():
    bench = Bench(idle=60, header_time=10)
    bench.connection.dataReceived(GET)
    bench.clock.advance(1000)
    assert not bench.transport.half_closed
    bench.answer(0)
    assert bench.statuses == [200]


def test_a_client_that_takes_nothing_is_cut_off_and_one_that_takes_some_is_not():
    bench = Bench(send_time=30)
    bench.connection.dataReceived(GET)
    bench.transport.dataBuffer = b"x" * 10 * LEAST_TAKEN
    bench.connection.pauseProducing()
    for _ in range(5):
        bench.transport.dataBuffer = bench.transport.dataBuffer[LEAST_TAKEN:]
        bench.clock.advance(30)
    assert not bench.transport.aborted
    bench.transport.dataBuffer = bench.transport.dataBuffer[LEAST_TAKEN - 1 :]
    bench.clock.advance(30)
    assert bench.transport.aborted


def test_nothing_is_begun_or_read_while_the_client_takes_nothing():
    bench = Bench()
    bench.connection.pauseProducing()
    bench.connection.dataReceived(GET)
    assert (bench.requests, bench.transport.producerState) == ([], "paused")
    bench.connection.resumeProducing()
    assert (bench.requests, bench.transport.producerState) == (["GET"], "producing")


def test_one_connection_more_than_may_be_is_refused():
    bench = Bench(connections=1)
    assert bench.server.connect() is None
    bench.connection.connectionLost()
    assert bench.server.connect() is not None


def test_what_comes_behind_a_refusal_is_dropped_up_to_a_bound():
    bench = Bench()
    bench.connection.dataReceived(b"?\r\n\r\n")
    assert bench.statuses == [400]
    for _ in range(65):
        bench.connection.dataReceived(b"x" * 1024 * 1024)
    assert bench.transport.aborted


def test_draining_ends_idle_connections_soon_and_busy_ones_with_their_answer():
    bench = Bench()
    drained = []
    idle_connection, idle_transport = bench.connection, bench.transport
    bench.connect()
    bench.connection.dataReceived(GET)
    stopping = bench.server.stop_listening()
    with pytest.raises(StopIteration):
        stopping.send(None)
    bench.server.drained().addCallback(drained.append)
    assert not idle_transport.half_closed
    bench.clock.advance(LAST_REQUEST_WITHIN)
    assert idle_transport.half_closed
    assert not bench.transport.half_closed
    bench.answer(0)
    assert bench.transport.half_closed
    assert b"connection: close" in bench.transport.value()
    idle_connection.connectionLost()
    assert not drained
    bench.connection.connectionLost()
    assert drained


def test_a_handler_that_fails_is_our_fault_and_told_in_our_words():
    from twisted.logger import globalLogPublisher

    events = []
    globalLogPublisher.addObserver(events.append)
    bench = Bench()
    bench.connection.dataReceived(GET)
    bench.answers[0].errback(ValueError("secret"))
    globalLogPublisher.removeObserver(events.append)
    assert bench.statuses == [500]
    assert b"secret" not in bench.transport.value()
    assert any("secret" in str(event.get("log_failure")) for event in events)
    # pytest-twisted would report the logged failure as its own.
    assert len(events) == 1


def test_headers_of_an_answer_cannot_end_their_line():
    bench = Bench()
    bench.connection.dataReceived(GET)
    bench.answers[0].callback(Response(200, ((b"x", b"a\r\nset-cookie: b\nc\0d"),), b""))
    assert b"\r\nx: a set-cookie: b c d\r\n" in bench.transport.value()
