"""A TCP proxy that misbehaves on demand: it cuts, joins, swallows, resets."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure


class Proxy:
    """Stands in front of a port of 127.0.0.1.

    :ivar piece: answers are sent on in pieces of as many bytes, one a turn of the reactor; 0: as they come.
    :ivar black_hole: nothing is sent on any more, in either direction, and nothing is closed.
    :ivar cut_after: a connection is aborted when so many bytes of answers were sent on it; None: it is not.
    :ivar connections: how many were taken.
    :ivar aborted: how many were aborted that way.
    """

    def __init__(self, reactor: Any, target: int) -> None:
        self.piece = 0
        self.black_hole = False
        self.cut_after: int | None = None
        self.connections = 0
        self.aborted = 0
        self._reactor = reactor
        self._target = target
        self._pairs: set[_Front] = set()
        self._number = 0
        self._port: Any = None
        self.accept()
        self._number = self._port.getHost().port

    @property
    def port(self) -> int:
        return self._number

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._number}"

    def accept(self) -> None:
        """Take connections, again at the same address after :meth:`cut`."""
        factory = Factory.forProtocol(lambda: _Front(self))
        factory.noisy = False
        self._port = self._reactor.listenTCP(self._number, factory, interface="127.0.0.1")

    def reset(self) -> int:
        """Abort every connection; gives their number."""
        pairs = list(self._pairs)
        for front in pairs:
            front.abort()
        return len(pairs)

    async def cut(self) -> None:
        """Abort every connection and take no more."""
        await maybeDeferred(self._port.stopListening)
        self.reset()


class _Front(Protocol):
    """The client's side of a connection."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.back: _Back | None = None
        self.early: list[bytes] = []
        self.pieces: list[bytes] = []
        self.answered = 0
        self.lost = False

    def connectionMade(self) -> None:
        self.proxy.connections += 1
        self.proxy._pairs.add(self)
        self.transport.setTcpNoDelay(True)
        self.proxy._reactor.connectTCP("127.0.0.1", self.proxy._target, _Backs(self))

    def dataReceived(self, data: bytes) -> None:
        if self.proxy.black_hole:
            return
        if self.back is None:
            self.early.append(data)
        else:
            self.back.transport.write(data)

    def answer(self, data: bytes) -> None:
        if self.proxy.black_hole:
            return
        limit = self.proxy.cut_after
        if limit is not None and self.answered + len(data) >= limit:
            self._break_off(data[: max(0, limit - self.answered)])
            return
        self.answered += len(data)
        if self.pieces or self.proxy.piece:
            size = self.proxy.piece or len(data)
            idle = not self.pieces
            self.pieces += [data[at : at + size] for at in range(0, len(data), size)]
            if idle:
                self._send_piece()
        else:
            self.transport.write(data)

    def _break_off(self, last: bytes) -> None:
        if not self.lost:
            self.proxy.aborted += 1
            self.transport.write(last)
            # Abortion at once would take the last bytes along.
            self.proxy._reactor.callLater(0, self.abort)

    def _send_piece(self) -> None:
        if self.pieces and not self.lost:
            self.transport.write(self.pieces.pop(0))
            self.proxy._reactor.callLater(0, self._send_piece)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        self.proxy._pairs.discard(self)
        if self.back is not None:
            self.back.transport.abortConnection()

    def abort(self) -> None:
        self.transport.abortConnection()


class _Backs(ClientFactory):
    noisy = False

    def __init__(self, front: _Front) -> None:
        self.front = front

    def buildProtocol(self, address: Any) -> _Back:
        return _Back(self.front)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.front.abort()


class _Back(Protocol):
    """The server's side."""

    def __init__(self, front: _Front) -> None:
        self.front = front

    def connectionMade(self) -> None:
        self.front.back = self
        if self.front.lost:
            self.transport.abortConnection()
        for data in self.front.early:
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self.front.answer(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.front.lost and not self.front.proxy.black_hole:
            self.front.transport.loseConnection()
