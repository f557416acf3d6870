"""The connections to one instance: how many, who gets one next, and when one is given up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.connection import CALLER, Connection
from ..core.errors import ConnectFailed, DeadlineExceeded, NoInstance, Overloaded
from ..core.framing import Framing
from ..core.framing.framed import Framed
from ..core.instances import Instance
from ..core.message import Call, Reply
from .alarm import NEVER, Alarm
from .client import Client, Pending

log = Logger()


@frozen
class Limits:
    """Bounds of one pool; times in seconds.

    :ivar depth: calls in flight on one connection. Servers run them in series, so more
        than one suits quick methods only.
    :ivar mux_connections: as many are enough where calls are multiplexed,
    :ivar mux_depth: with so many calls in flight on each.
    :ivar connect_timeout: for one connection, name look-up and all.
    :ivar idle_timeout: a connection without a call is given up after this. Servers do not
        do it, and one that the network has forgotten looks alive until it is used.
    """

    connections: int = 256
    queue: int = 1024
    depth: int = 1
    mux_connections: int = 2
    mux_depth: int = 1024
    connect_timeout: float = 0.5
    idle_timeout: float = 30.0


def endpoint_of(reactor: Any, instance: Instance) -> Any:
    """An IStreamClientEndpoint: where an instance is reached; only a name that is no address needs a look-up."""
    host, port = instance.host, instance.port
    if instance.network == "unix":
        return UNIXClientEndpoint(reactor, host)
    if isIPAddress(host):
        return TCP4ClientEndpoint(reactor, host, port)
    if isIPv6Address(host):
        return TCP6ClientEndpoint(reactor, host, port)
    return HostnameEndpoint(reactor, host, port)


class Connections(Protocol):
    """Those to one instance, as seen by who makes calls."""

    limits: Limits

    @property
    def instance(self) -> Instance: ...

    @property
    def calls(self) -> int:
        """That were handed to a connection, ever."""

    @property
    def in_flight(self) -> int:
        """Calls without a reply, those that wait for a connection among them."""

    @property
    def waiting(self) -> int:
        """Calls that wait for a connection."""

    @property
    def busy(self) -> int:
        """Connections that carry a call."""

    @property
    def idle(self) -> int:
        """Connections without a call."""

    def call(self, call: Call) -> Deferred[Reply]:
        """The reply, once it comes.

        Fails with a GatewayError; ``not_sent`` is set where another instance may be tried.
        A oneway call is answered with an empty result as soon as it is written.
        Cancelling takes the call out of the line, or gives it up.
        """

    def carry(self, pending: Pending) -> None:
        """Have one of the connections carry a call, or fail it; see :meth:`call`."""

    def drain(self) -> None:
        """The instance left: no connection outlives its last call. Calls may still come and are served."""

    def close(self) -> Deferred[None]:
        """Close every connection now, whatever runs on it; fires when all are gone."""


class Pool:
    """:class:`Connections`: a call takes the connection that became idle last, else a new one, else waits its turn.

    Last in, first out: the connections that are not needed grow old and are given up.

    A connection that has carried a oneway call carries only such calls from then on.
    Nobody knows when the server is done with one, and what is sent behind it waits.

    :param reactor: an IReactorTime, and what ``connect`` needs.
    :param framing: makes the framing of a connection.
    :param connect: gives the IStreamClientEndpoint of the instance.
    :param caller: what services are told of who calls, where the framing has room for it.
    """

    def __init__(
        self,
        reactor: Any,
        instance: Instance,
        limits: Limits = Limits(),
        framing: Callable[[], Framing] = Framed,
        connect: Callable[[Any, Instance], Any] = endpoint_of,
        caller: str = CALLER,
    ) -> None:
        self.instance = instance
        self.limits = limits
        self.calls = 0
        self._reactor = reactor
        self._framing = framing
        self._parallel = framing().parallel
        self._depth = limits.mux_depth if self._parallel else limits.depth
        self._most = limits.mux_connections if self._parallel else limits.connections
        self._caller = caller
        self._endpoint = connect(reactor, instance)
        self._clients: set[Client] = set()
        self._connecting: set[Deferred[Any]] = set()
        # Oldest first; those for oneway calls apart.
        self._idle: dict[Client, None] = {}
        self._idle_oneway: dict[Client, None] = {}
        self._idle_alarm = Alarm(reactor, self._give_up_idle)
        # Each with when it has waited long enough for the connection that is being made for it.
        self._line: OrderedDict[Pending, float] = OrderedDict()
        self._line_alarm = Alarm(reactor, self._end_late)
        # Told to close, and not closed yet.
        self._leaving: set[Client] = set()
        self._draining = False
        self._closed = False
        self._closers: list[Deferred[None]] = []

    def __repr__(self) -> str:
        return (
            f"<Pool {self.instance.address}: {self.busy} busy, {self.idle} idle, "
            f"{len(self._connecting)} connecting, {self.waiting} waiting>"
        )

    @property
    def idle(self) -> int:
        return len(self._idle) + len(self._idle_oneway)

    @property
    def busy(self) -> int:
        return len(self._clients) - self.idle

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def in_flight(self) -> int:
        return len(self._line) + sum(client.in_flight for client in self._clients)

    def call(self, call: Call) -> Deferred[Reply]:
        pending = Pending(call)
        self.carry(pending)
        return pending.deferred

    def carry(self, pending: Pending) -> None:
        while client := self._take(pending.call.oneway):
            if self._hand_over(pending, client):
                if not client.in_flight:
                    self.freed(client)
                return
        self._queue(pending)

    def drain(self) -> None:
        self._draining = True
        for client in [*self._idle, *self._idle_oneway]:
            self._dismiss(client)

    def close(self) -> Deferred[None]:
        self._closed = True
        for pending in list(self._line):
            self.abandon(pending)
            pending.fail(_gone(pending.call))
        for connecting in list(self._connecting):
            connecting.cancel()
        for client in self._clients | self._leaving:
            client.abort()
        self._idle_alarm.stop()
        self._line_alarm.stop()
        done: Deferred[None] = Deferred()
        self._closers.append(done)
        self._tell_closed()
        return done

    # Connections tell of themselves.

    def freed(self, client: Client) -> None:
        """There may be room on it: for the next in line, or to be idle."""
        while self._line and client.has_room and (pending := self._next_for(client)):
            del self._line[pending]
            if not self._hand_over(pending, client):
                self._line[pending] = NEVER
                self._line.move_to_end(pending, last=False)
                return
        if client.in_flight or client not in self._clients:
            return
        if self._draining or not client.has_room:
            self._dismiss(client)
        else:
            self._rest(client)

    def closed(self, client: Client) -> None:
        self._forget(client)
        self._leaving.discard(client)
        self._grow()
        self._tell_closed()

    def abandon(self, pending: Pending) -> None:
        """A call that waits in line is wanted no longer."""
        del self._line[pending]

    # Who gets which connection.

    def _take(self, oneway: bool) -> Client | None:
        """A connection that can carry a call now."""
        if self._parallel:
            return self._take_least_loaded(oneway)
        if oneway and self._idle_oneway:
            return self._idle_oneway.popitem()[0]
        if self._idle:
            return self._idle.popitem()[0]
        if self._depth == 1 or self._may_grow():
            return None
        return self._take_least_loaded(oneway)

    def _take_least_loaded(self, oneway: bool) -> Client | None:
        fit = [client for client in self._clients if client.has_room and client.carried_oneway in (oneway, False)]
        client = min(fit, key=_load, default=None)
        if client is not None:
            self._idle.pop(client, None)
            if self._parallel and client.load and not self._connecting and self._may_grow():
                self._connect()
        return client

    def _next_for(self, client: Client) -> Pending | None:
        if client.carried_oneway:
            return next((pending for pending in self._line if pending.call.oneway), None)
        return next(iter(self._line), None)

    def _hand_over(self, pending: Pending, client: Client) -> bool:
        if not client.send(pending):
            self._forget(client)
            self._leaving.add(client)
            return False
        self.calls += 1
        return True

    def _queue(self, pending: Pending) -> None:
        if self._closed:
            pending.fail(_gone(pending.call))
        elif len(self._line) >= self.limits.queue:
            pending.fail(Overloaded("Too many calls wait for a connection", service=pending.call.service))
        else:
            pending.holder = self
            self._line[pending] = NEVER
            self._line_alarm.set(pending.call.deadline)
            self._grow()
            if pending.call.policy.connect_timeout and len(self._connecting) >= len(self._line):
                self._bound_wait(pending)

    def _bound_wait(self, pending: Pending) -> None:
        """A method may have less patience with a connection that is being made than the others that share the pool."""
        if pending in self._line:
            until = self._line[pending] = self._reactor.seconds() + pending.call.policy.connect_timeout
            self._line_alarm.set(until)

    def _end_late(self) -> None:
        now = self._reactor.seconds()
        for pending, until in list(self._line.items()):
            if pending.call.deadline <= now:
                self.abandon(pending)
                pending.fail(DeadlineExceeded())
            elif until <= now:
                self._line[pending] = NEVER
                if self._connecting:
                    self.abandon(pending)
                    pending.fail(ConnectFailed(service=pending.call.service))
        for pending, until in self._line.items():
            self._line_alarm.set(min(until, pending.call.deadline))

    # How many connections there are.

    def _may_grow(self) -> bool:
        return len(self._clients) + len(self._connecting) < self._most

    def _grow(self) -> None:
        """Open a connection for each call that waits, as far as the limit allows."""
        while len(self._connecting) < len(self._line) and not self._closed:
            if not self._may_grow():
                if not self._idle_oneway:
                    return
                self._dismiss(next(iter(self._idle_oneway)))
            self._connect()

    def _connect(self) -> None:
        factory = Factory.forProtocol(self._client)
        connecting = self._endpoint.connect(factory)
        connecting.addTimeout(self.limits.connect_timeout, self._reactor)
        self._connecting.add(connecting)
        connecting.addBoth(self._connect_ended, connecting)

    def _client(self) -> Client:
        return Client(Connection(self._framing(), depth=self._depth, caller=self._caller), self._reactor, self)

    def _connect_ended(self, outcome: Client | Failure, connecting: Deferred[Any]) -> None:
        self._connecting.discard(connecting)
        if isinstance(outcome, Failure):
            self._connect_failed(outcome)
        elif self._closed:
            outcome.abort()
        else:
            self._clients.add(outcome)
            self.freed(outcome)
        self._grow()
        self._tell_closed()

    def _connect_failed(self, failure: Failure) -> None:
        """One call fails for each connection that does: it has another instance to turn to.

        None does while enough others are being opened for those in line, since the call that
        this one was for may have ended; all of them do if nothing is left that could carry one.
        """
        if self._closed:
            return
        log.warn("{address}: no connection: {reason}", address=self.instance.address, reason=failure.getErrorMessage())
        alone = not self._clients and not self._connecting
        fails = len(self._line) if alone else min(1, max(0, len(self._line) - len(self._connecting)))
        for pending in list(self._line)[:fails]:
            self.abandon(pending)
            pending.fail(ConnectFailed(service=pending.call.service))

    def _rest(self, client: Client) -> None:
        client.idle_since = self._reactor.seconds()
        idle = self._idle_oneway if client.carried_oneway else self._idle
        idle.pop(client, None)
        idle[client] = None
        self._idle_alarm.set(client.idle_since + self.limits.idle_timeout)

    def _give_up_idle(self) -> None:
        now = self._reactor.seconds()
        for client in [*self._idle, *self._idle_oneway]:
            until = client.idle_since + self.limits.idle_timeout
            if until <= now:
                self._dismiss(client)
            else:
                self._idle_alarm.set(until)

    def _dismiss(self, client: Client) -> None:
        self._forget(client)
        self._leaving.add(client)
        client.close()

    def _forget(self, client: Client) -> None:
        self._clients.discard(client)
        self._idle.pop(client, None)
        self._idle_oneway.pop(client, None)

    def _tell_closed(self) -> None:
        if self._closed and not (self._clients or self._leaving or self._connecting):
            closers, self._closers = self._closers, []
            for done in closers:
                done.callback(None)


def _gone(call: Call) -> NoInstance:
    return NoInstance("The instance is no longer used", service=call.service)


def _load(client: Client) -> int:
    return client.load
