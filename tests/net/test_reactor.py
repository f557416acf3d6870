"""The lean reactor: events reach their protocols as they do by Twisted's own, errors and all."""

from __future__ import annotations

import socket
import sys

import pytest
from twisted.internet.protocol import Factory, Protocol, ServerFactory

if not sys.platform.startswith("linux"):
    pytest.skip("epoll is Linux's", allow_module_level=True)

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import deferLater
from twisted.python.log import addObserver, removeObserver

from txgateway.net.reactor import LeanEPollReactor
from txgateway.net.writing import MOST_WRITERS, Writer


class Told(Protocol):
    """Says back what it gets, in capitals; may be told to fail."""

    def dataReceived(self, data):
        self.factory.told.append(data)
        if data == b"fail":
            raise ZeroDivisionError("while it reads")
        self.transport.write(data.upper())

    def connectionLost(self, reason):
        self.factory.told.append(reason.type.__name__)


def run(reactor, *sent):
    """What the server was told, what the client got, and the failures in the log."""
    server, client, log = ServerFactory.forProtocol(Told), Factory.forProtocol(Protocol), []
    server.told, got, waiting = [], [], list(sent)
    port = reactor.listenTCP(0, server, interface="127.0.0.1")

    class Client(Protocol):
        def connectionMade(self):
            self.transport.write(waiting.pop(0))

        def dataReceived(self, data):
            got.append(data)
            if waiting:
                self.transport.write(waiting.pop(0))
            else:
                self.transport.loseConnection()

        def connectionLost(self, reason):
            deferLater(reactor, 0.02, reactor.stop)

    client.protocol = Client
    client.doStart = client.doStop = lambda: None
    client.startedConnecting = lambda connector: None
    client.clientConnectionLost = lambda connector, reason: None
    addObserver(log.append)
    reactor.connectTCP("127.0.0.1", port.getHost().port, client)
    reactor.run(installSignalHandlers=False)
    removeObserver(log.append)
    reactor.removeAll()
    failures = [(event["failure"].type, event["system"]) for event in log if event["isError"]]
    return server.told, got, failures


@pytest.fixture(params=[EPollReactor, LeanEPollReactor], ids=["Twisted's", "lean"])
def reactor(request):
    reactor = request.param()
    yield reactor
    for descriptor in (*reactor._internalReaders, reactor.waker):
        descriptor.connectionLost(None)
    reactor._poller.close()


def test_bytes_go_to_and_fro(reactor):
    assert run(reactor, b"a", b"b") == ([b"a", b"b", "ConnectionDone"], [b"A", b"B"], [])


def test_an_error_while_reading_is_logged_and_ends_that_connection_with_it(reactor):
    told, got, failures = run(reactor, b"a", b"fail")
    assert told == [b"a", b"fail", "ZeroDivisionError"]
    assert got == [b"A"]
    assert failures == [(ZeroDivisionError, "Told,0,127.0.0.1")]


def test_what_is_written_while_events_are_handled_leaves_when_they_are(reactor):
    """More writers than wait for each other, and each gets its answer."""
    if not isinstance(reactor, LeanEPollReactor):
        pytest.skip("Twisted's own does not say when it handles events")
    most, turns = 3 * MOST_WRITERS, []

    class Echo(Protocol):
        def connectionMade(self):
            self.writer = Writer(self.transport, list)

        def dataReceived(self, data):
            turns.append((reactor.turn.is_on, len(reactor.turn.writers)))
            self.writer.write(data.upper(), None)

    port = reactor.listenTCP(0, ServerFactory.forProtocol(Echo), interface="127.0.0.1", backlog=most)
    clients = [socket.create_connection(("127.0.0.1", port.getHost().port)) for _ in range(most)]
    reactor.callLater(0.05, lambda: [client.sendall(b"ping") for client in clients])

    def look():
        if len(turns) == most:
            reactor.stop()
        else:
            reactor.callLater(0, look)

    reactor.callLater(0, look)
    reactor.run(installSignalHandlers=False)
    got = []
    for client in clients:
        client.settimeout(10)
        got.append(client.recv(8))
        client.close()
    reactor.removeAll()
    port.stopListening()
    assert got == [b"PING"] * most
    assert all(is_on for is_on, _ in turns)
    assert max(waiting for _, waiting in turns) == MOST_WRITERS - 1
    assert (reactor.turn.is_on, reactor.turn.writers) == (False, [])
