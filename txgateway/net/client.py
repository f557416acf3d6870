"""One connection to one instance: calls out, replies in, each call with its deadline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import classImplements  # type: ignore[import-untyped]

from ..core.connection import Connection
from ..core.errors import BadRequest, DeadlineExceeded, GatewayError, WireError
from ..core.message import Call, MessageType, Reply
from .alarm import NEVER, Alarm
from .protocol import StreamProtocol
from .writing import Writer

log = Logger()

# What a oneway call is answered with: an empty result, as of a void method.
_STOP = b"\0"
# Seconds for the last bytes to leave.
CLOSE_WITHIN = 5.0


class Holder(Protocol):
    """Whoever has the call just now: the line of a pool, or a client."""

    def abandon(self, pending: Pending) -> None:
        """The caller gave up."""


class Pending:
    """A call on its way, and the Deferred of its reply.

    :ivar holder: set by whoever has it.
    :ivar heard: the client's count of what it had heard when it sent the call.
    """

    __slots__ = ("call", "deferred", "heard", "holder")

    holder: Holder
    heard: int

    def __init__(self, call: Call) -> None:
        self.call = call
        self.deferred: Deferred[Reply] = Deferred(self.cancel)

    def answer(self, reply: Reply) -> None:
        """The reply has come; nobody holds the call any longer."""
        self.deferred.callback(reply)

    def fail(self, error: GatewayError) -> None:
        """There will be no reply from where it was; nobody holds the call any longer."""
        self.deferred.errback(error)

    def cancel(self, _: Deferred[Reply]) -> None:
        """The caller gave up."""
        self.holder.abandon(self)


class Owner(Protocol):
    """Whoever uses a client: a pool."""

    def freed(self, client: Client) -> None:
        """There may be room for another call; told before the caller gets its reply."""

    def closed(self, client: Client) -> None:
        """The connection is gone; told before its calls fail."""

    def carry(self, pending: Pending) -> None:
        """Have another connection carry a call of which nothing was sent."""


class Client(StreamProtocol):
    """A Twisted protocol around the pure :class:`Connection`.

    A call that is given up or late closes a connection that carries one call at a time:
    its reply, should it ever come, is not worth the wait. Where several share the
    connection, the late reply is dropped by its sequence id. When a deadline passes and
    nothing was heard since the call went out, or the calls behind wait for that one, the
    connection takes no further calls.

    :param clock: an IReactorTime.
    """

    def __init__(self, connection: Connection, clock: Any, owner: Owner) -> None:
        self.carried_oneway = False
        # When it last became idle, in the clock's seconds; the owner's to keep.
        self.idle_since = 0.0
        self._connection = connection
        self._clock = clock
        self._owner = owner
        self._alarm = Alarm(clock, self._ring)
        self._pending: dict[Pending, None] = {}
        # How often something was heard.
        self._heard = 0
        self._clogged = False
        self._closing = False
        self._writer: Writer

    @property
    def in_flight(self) -> int:
        """Calls whose caller waits for a reply."""
        return len(self._pending)

    @property
    def parallel(self) -> bool:
        """Calls on it do not wait for each other."""
        return self._connection.parallel

    @property
    def load(self) -> int:
        """What a further call would have to wait for: calls given up are still in line."""
        return self._connection.in_flight

    @property
    def has_room(self) -> bool:
        return self._connection.has_room and not self._clogged and not self._closing

    def send(self, pending: Pending) -> bool:
        """Carry this call, if :attr:`has_room`.

        False if the connection turned out to be dead: nothing was written, and it is closed.
        """
        call, connection = pending.call, self._connection
        try:
            remaining = call.deadline - self._clock.seconds() if connection.tells_time else NEVER
            data = connection.send(call, pending, remaining)
        except ValueError as error:
            pending.fail(BadRequest(f"What goes along with the call is too long: {error}"))
            return True
        writer = self._writer
        # A oneway call is answered when it has left, so it does not wait for others.
        if not (writer.write_now(data) if call.oneway else writer.write(data, pending)):
            self._connection.lost()
            self.abort()
            return False
        if call.oneway:
            self.carried_oneway = not self.parallel
            pending.answer(Reply(MessageType.REPLY, call.method, _STOP))
            return True
        pending.holder = self
        pending.heard = self._heard
        self._pending[pending] = None
        if call.deadline < self._alarm.at:
            self._alarm.set(call.deadline)
        return True

    def close(self) -> None:
        """Close once what was written has left; for a connection without calls."""
        self._closing = True
        # A peer that takes nothing more must not hold up the end.
        self._alarm.set(self._clock.seconds() + CLOSE_WITHIN)
        # A producer that was once paused would hold the close up.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close at once, whatever is in flight."""
        self._closing = True
        self.transport.abortConnection()

    def abandon(self, pending: Pending) -> None:
        del self._pending[pending]
        self._connection.forget(pending)
        if self._connection.depth == 1 or (self._connection.retiring and not self._pending):
            self.abort()
        elif self.parallel:
            self._owner.freed(self)

    def connectionMade(self) -> None:
        self._writer = Writer(self.transport, self._unsent)
        if isinstance(self.transport, tcp.Connection):
            # Endpoints put a protocol between, whose work is done now.
            transport: Any = self.transport
            transport.protocol = self
        # Only to hear when more is queued than the peer takes: bounds what oneway calls pile up.
        self.transport.registerProducer(self, True)
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self._heard += 1
        try:
            for pending, reply in self._connection.receive(data):
                if pending is not None:
                    del self._pending[pending]
                self._owner.freed(self)
                if pending is not None:
                    pending.answer(reply)
            if self._connection.retiring and not self._pending:
                # The peer may have said so without a reply.
                self._owner.freed(self)
        except WireError as error:
            log.warn("{peer}: {error}", peer=self.transport.getPeer(), error=error)
            self._end(error)
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        unsent = self._take_back(self._writer.drop())
        self._owner.closed(self)
        self._end(None)
        for pending in unsent:
            self._owner.carry(pending)

    def pauseProducing(self) -> None:
        self._clogged = True

    def resumeProducing(self) -> None:
        self._clogged = False
        self._owner.freed(self)

    def stopProducing(self) -> None:
        """Nothing to stop: connectionLost follows."""

    def _unsent(self, tickets: Sequence[Pending]) -> None:
        """The connection turned out to be dead before these calls were written."""
        unsent = self._take_back(tickets)
        self.abort()
        self._owner.freed(self)
        for pending in unsent:
            self._owner.carry(pending)

    def _take_back(self, tickets: Sequence[Pending]) -> list[Pending]:
        """Those of them whose caller still waits; here nobody does any longer."""
        waiting = [pending for pending in tickets if pending in self._pending]
        for pending in waiting:
            del self._pending[pending]
            self._connection.forget(pending)
        return waiting

    def _ring(self) -> None:
        if self._closing:
            self.abort()
            return
        now = self._clock.seconds()
        late = [pending for pending in self._pending if pending.call.deadline <= now]
        for pending in late:
            if not self._connection.parallel or pending.heard == self._heard:
                self._connection.retiring = True
            self.abandon(pending)
        self._alarm.set(min((pending.call.deadline for pending in self._pending), default=NEVER))
        for pending in late:
            pending.fail(DeadlineExceeded())

    def _end(self, broken: WireError | None) -> None:
        self._alarm.stop()
        self._closing = True
        self._pending.clear()
        for pending, error in self._connection.lost(broken):
            pending.fail(error)


# Not by a decorator: mypyc makes no quick class of one that has any.
classImplements(Client, IPushProducer)
