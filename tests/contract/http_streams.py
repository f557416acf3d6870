"""Random streams of bytes for HTTP servers in memory: real requests, mutated, joined and cut anywhere."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import ensureDeferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.contract.test_http_framing import DOUBTFUL, SOUND
from txgateway.core.message import Request, Response
from txgateway.net.http import HttpLimits, HttpRoute, PublicHandlers, http_servers

_CORPUS = [*DOUBTFUL.values(), *(data for data, _ in SOUND.values())]
_PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b":",
    b";",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: gw\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: gw\r\n\r\n",
    b"+",
    b"0x",
    b"ffffffff",
    b"\xff\xfe",
]
# What a request is, for comparing: verb, target, body.
Seen = tuple[str, bytes, bytes]


def streams(seed: int) -> Iterator[bytes]:
    """Without end; the same for the same seed."""
    dice = random.Random(seed)
    while True:
        data = b"".join(dice.choice(_CORPUS) for _ in range(dice.randint(1, 3)))
        for _ in range(dice.randint(0, 3)):
            data = _mutated(data, dice)
        yield data


def _mutated(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    until = min(len(data), at + dice.choice((0, 0, 1, 2, 8, 40)))
    kind = dice.randrange(4)
    if kind == 0:
        return data[:at] + dice.choice(_PIECES) + data[until:]
    if kind == 1:
        return data[:at] + data[until:]
    if kind == 2:
        return data[:until] + data[at:]
    return data[:at] + bytes((dice.randrange(256),)) + data[at + 1 :]


def cuts(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """The same bytes in random pieces."""
    at = 0
    while at < len(data):
        size = dice.choice((1, 1, 2, 7, 30, 200, 5000))
        yield data[at : at + size]
        at += size


class Transport(StringTransport):
    """Ends as a socket does, whichever way it is asked to."""

    def setTcpNoDelay(self, on: bool) -> None:
        """As a socket's."""

    def loseWriteConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.disconnecting = True


class Door:
    """One HTTP server in memory, whose handlers answer at once and keep what they were given."""

    def __init__(self, name: str) -> None:
        http_servers.load()
        self.clock = Clock()
        self.seen: list[Seen] = []
        handlers = PublicHandlers(self._handle, self._handle, [HttpRoute("POST", "/book")])
        self._factory: Any = None
        server = http_servers[name](handlers, HttpLimits(), self.clock)
        ensureDeferred(server.listen([self]))

    def listen(self, factory: Any) -> Any:
        self._factory = factory
        return succeed(None)

    def _handle(self, request: Request) -> Any:
        self.seen.append((request.verb, request.target, request.body))
        return succeed(Response(200, (), b"fine"))

    def tell(self, pieces: Iterator[bytes]) -> tuple[list[Seen], bytes, bool]:
        """What the handlers saw, what the client got, and whether the connection then ends."""
        self.seen = []
        address = IPv4Address("TCP", "192.0.2.7", 1)
        protocol, transport = self._factory.buildProtocol(address), Transport(peerAddress=address)
        if hasattr(protocol, "callLater"):
            # Twisted's takes the global reactor's, unless told otherwise.
            protocol.callLater = self.clock.callLater
        protocol.makeConnection(transport)
        for piece in pieces:
            protocol.dataReceived(piece)
            self.clock.advance(0)
            if transport.disconnecting:
                break
        ends = transport.disconnecting
        protocol.connectionLost(Failure(ConnectionDone()))
        return self.seen, transport.value(), ends


def disagreement(data: bytes, doors: dict[str, Door], dice: random.Random) -> str | None:
    """How the servers differ on a stream, or one of them from itself when the bytes come in other pieces."""
    outcomes: dict[str, Any] = {}
    ways: dict[str, Callable[[], Iterator[bytes]]] = {"whole": lambda: iter([data]), "cut": lambda: cuts(data, dice)}
    for name, door in doors.items():
        for how, pieces in ways.items():
            seen, got, ends = door.tell(pieces())
            statuses = [status for status in re.findall(rb"HTTP/1\.[01] (\d+) ", got) if status != b"100"]
            outcomes[f"{name}, {how}"] = (seen, statuses, ends)
    first, *others = outcomes.items()
    for other in others:
        if not _agree(first[1], other[1]):
            return f"{data!r}\n  {first[0]}: {first[1]}\n  {other[0]}: {other[1]}"
    return None


def _agree(one: Any, other: Any) -> bool:
    """A head that is not whole may be refused as soon as it is known to be bad, or when it is whole."""
    waits, ends = sorted((one, other), key=lambda outcome: bool(outcome[2]))
    early = not waits[2] and ends[2] and ends[1] == [*waits[1], b"400"]
    return bool(one == other or (early and waits[0] == ends[0]))
