"""Sockets that are bound in one place and served in another."""

from __future__ import annotations

import os
import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol, serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor
from twisted.python.systemd import ListenFDs

from txgateway.net.listening import BACKLOG, Adopted, Roomy, bind


class Hello(Protocol):
    def connectionMade(self):
        self.transport.write(b"hello")
        self.transport.loseConnection()


class Listen(Protocol):
    def __init__(self):
        self.heard = b""
        self.ended = Deferred()

    def dataReceived(self, data):
        self.heard += data

    def connectionLost(self, reason):
        self.ended.callback(self.heard)


async def hear(client):
    protocol = await connectProtocol(clientFromString(reactor, client), Listen())
    return await protocol.ended


@pytest.mark.parametrize("kind", ["tcp", "unix", "systemd"])
@pytest_twisted.ensureDeferred
async def test_a_socket_is_served_by_whoever_it_is_handed_to(kind, tmp_path, monkeypatch):
    path = str(tmp_path / "socket")
    texts = {"tcp": "tcp:0:interface=127.0.0.1", "unix": f"unix:{path}", "systemd": "systemd:domain=INET:index=0"}
    given = socket.create_server(("127.0.0.1", 0))
    descriptor = given.detach()
    # As if systemd had handed it over.
    monkeypatch.setattr("twisted.internet.endpoints._SystemdParser._sddaemon", ListenFDs([descriptor], ["x"]))
    (listening,) = bind(reactor, [texts[kind]])
    address = listening.address
    client = f"unix:{path}" if kind == "unix" else f"tcp:127.0.0.1:{address.port}"
    # Nobody serves yet: the connection waits.
    waiting = Deferred.fromCoroutine(hear(client))
    port = await Adopted(reactor, texts[kind], listening.socket.fileno()).listen(Factory.forProtocol(Hello))
    assert await waiting == b"hello"
    # Where another was quicker, there is nothing to accept, and nothing to wait for.
    port.doRead()
    await port.stopListening()
    # The socket outlives the one who served it.
    waiting = Deferred.fromCoroutine(hear(client))
    port = await Adopted(reactor, texts[kind], listening.socket.fileno()).listen(Factory.forProtocol(Hello))
    assert await waiting == b"hello"
    await port.stopListening()
    listening.close()
    if kind != "systemd":
        # systemd's is the endpoint's to close.
        os.close(descriptor)
    assert not os.path.exists(path)


def test_a_socket_that_nobody_serves_any_more_is_taken_over(tmp_path):
    path = str(tmp_path / "socket")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    (listening,) = bind(reactor, [f"unix:{path}"])
    with pytest.raises(OSError, match="in use"):
        bind(reactor, [f"unix:{path}"])
    listening.close()


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("tcp:8080", BACKLOG),
        ("tcp:8080:backlog=5000", 5000),
        ("unix:/run/x", BACKLOG),
        ("unix:/run/x:backlog=5000", 5000),
    ],
)
def test_there_is_room_for_clients_that_all_come_at_once(text, room):
    memory = MemoryReactor()
    serverFromString(Roomy(memory), text).listen(Factory())
    listening = memory.unixServers if text.startswith("unix") else memory.tcpServers
    assert [asked[2] for asked in listening] == [room]
