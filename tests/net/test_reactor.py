"""The lean reactor: events reach their protocols as they do by Twisted's own, errors and all."""

from __future__ import annotations

import sys

import pytest
from twisted.internet.protocol import Factory, Protocol, ServerFactory

if not sys.platform.startswith("linux"):
    pytest.skip("epoll is Linux's", allow_module_level=True)

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import deferLater
from twisted.python.log import addObserver, removeObserver

from txgateway.net.reactor import LeanEPollReactor


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
