"""A pool and a scripted server joined in memory: nothing moves, and no time passes, until a test says so."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.test.iosim import IOPump, connect, makeFakeClient, makeFakeServer
from zope.interface import implementer

from txgateway.core.instances import Instance
from txgateway.net.pool import Limits, Pool
from txgateway.testing import ScriptedServer

INSTANCE = Instance("192.0.2.1", 9001)


@implementer(IStreamClientEndpoint)
class Network:
    """The way to one server.

    :ivar mood: ``accept``, ``refuse``, or ``hang`` (until :meth:`arrive`).
    :ivar attempts: connections that were asked for.
    """

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.clock = Clock()
        self.mood = "accept"
        self.attempts = 0
        self.cancelled = 0
        self._pumps: list[IOPump] = []
        self._waiting: list[tuple[Deferred[Any], Factory]] = []

    def pool(self, **limits: Any) -> Pool:
        return Pool(self.clock, INSTANCE, Limits(**limits), self.server.framing, lambda reactor, instance: self)

    def connect(self, factory: Factory) -> Deferred[Any]:
        self.attempts += 1
        if self.mood == "refuse":
            return fail(ConnectionRefusedError())
        if self.mood == "accept":
            return succeed(self._join(factory))
        waiting: Deferred[Any] = Deferred(self._cancelled)
        self._waiting.append((waiting, factory))
        return waiting

    def arrive(self) -> None:
        """Complete the connections that hang."""
        waiting, self._waiting = self._waiting, []
        for deferred, factory in waiting:
            deferred.callback(self._join(factory))

    def pump(self, seconds: float = 0) -> None:
        """Move bytes until all is quiet, let time pass, and once more."""
        self._settle()
        self.clock.advance(seconds)
        self._settle()

    def _settle(self) -> None:
        moved = True
        while moved:
            self.clock.advance(0)
            moved = any(pump.flush(advanceClock=False) for pump in list(self._pumps))

    def _join(self, factory: Factory) -> Any:
        client: Any = factory.buildProtocol(None)
        server: Any = self.server.factory.buildProtocol(None)
        here, there = makeFakeClient(client), makeFakeServer(server)
        self._pumps.append(connect(server, there, client, here, greet=False, clock=self.clock))
        return client

    def _cancelled(self, deferred: Deferred[Any]) -> None:
        self.cancelled += 1
        self._waiting = [(waiting, factory) for waiting, factory in self._waiting if waiting is not deferred]


def outcome(deferred: Deferred[Any]) -> Any:
    """The result or the error so far; None if there is neither. May be asked again."""
    results: list[Any] = deferred.__dict__.setdefault("seen", [])
    if not results:
        deferred.addBoth(results.append)
    if not results:
        return None
    return getattr(results[0], "value", results[0])
