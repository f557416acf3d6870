"""Active checks: each instance is asked now and then whether it is well, whether or not it has calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from ..core.errors import ServiceFailed
from ..core.instances import Instance
from ..core.message import Call, MessageType, Reply
from .pool import Connections, endpoint_of

# Fires if the instance is well, fails if it is not; may take for ever.
Probe = Callable[[Instance], Deferred[Any]]


class Checks:
    """Each instance has its own rhythm, which begins by chance: a thousand are not checked at once.

    :param clock: an IReactorTime.
    :param every: seconds from the end of a check to the next.
    :param within: seconds that a check may take.
    :param report: told what came of each check.
    """

    def __init__(
        self,
        clock: Any,
        random: Random,
        every: float,
        within: float,
        probe: Probe,
        report: Callable[[Instance, bool], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._every = every
        self._within = within
        self._probe = probe
        self._report = report
        # The check that is to come, or the one that runs, by address; either can be cancelled.
        self._checks: dict[str, Any] = {}

    def keep(self, instances: Iterable[Instance]) -> None:
        """Check these from now on, and no others."""
        wanted = {instance.address: instance for instance in instances}
        for address in self._checks.keys() - wanted.keys():
            self._checks.pop(address).cancel()
        for address in wanted.keys() - self._checks.keys():
            self._await(wanted[address], self._every * self._random.random())

    def _await(self, instance: Instance, seconds: float) -> None:
        self._checks[instance.address] = self._clock.callLater(seconds, self._check, instance)

    def _check(self, instance: Instance) -> None:
        check = maybeDeferred(self._probe, instance)
        self._checks[instance.address] = check
        check.addTimeout(self._within, self._clock).addBoth(self._ended, instance, check)

    def _ended(self, outcome: Any, instance: Instance, check: Deferred[Any]) -> None:
        if self._checks.get(instance.address) is not check:
            return
        self._await(instance, self._every)
        self._report(instance, not isinstance(outcome, Failure))


def connects(reactor: Any) -> Probe:
    """A connection can be made."""

    def probe(instance: Instance) -> Deferred[Any]:
        connecting: Deferred[Any] = endpoint_of(reactor, instance).connect(Factory.forProtocol(Protocol))
        return connecting.addCallback(lambda protocol: protocol.transport.abortConnection())

    return probe


def answers(method: str, service: str, open_pool: Callable[[Instance], Connections], due: Callable[[], float]) -> Probe:
    """A call of a method without arguments is answered, and not by Thrift's own EXCEPTION.

    :param due: when a check that begins now has to be over, in the reactor's seconds.
    """

    def probe(instance: Instance) -> Deferred[Any]:
        call = Call(service, method.encode(), b"\0", deadline=due())
        return open_pool(instance).call(call).addCallback(accept)

    def accept(reply: Reply) -> None:
        if reply.type is MessageType.EXCEPTION:
            raise ServiceFailed("The method that checks the service failed")

    return probe
