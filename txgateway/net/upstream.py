"""One service as seen from here: its instances, balancers and connections; pick and call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from random import Random
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger

from ..core.balancing import Balancer
from ..core.balancing.slow_start import STEPS
from ..core.dialect import connection_policies, dialect_tags
from ..core.errors import CircuitOpen, ConnectionClosed, GatewayError, NoInstance
from ..core.health import Outcome, outcome_of
from ..core.health.standing import Governance, Standing
from ..core.instances import Instance
from ..core.message import Call, MessageType, Reply, Try
from ..core.picking import Pickers
from ..core.policy import Policy
from ..core.retrying import Savings
from .alarm import NEVER, Alarm
from .checks import Checks
from .client import Pending
from .pool import Connections

log = Logger()

# The longest that work for balancers may hold up the reactor at once, in seconds.
SLICE = 0.001

# As many instances may turn out to be out of reach before a call is given up.
MOST_PICKS = 6
# Of so many that are known to be out of reach another one is looked for.
MOST_LOOKS = 20

# Carries a call to some instance under the policies of its method.
Send = Callable[[Call], Deferred[Reply]]


class Delivery(Pending):
    """A call on its way to an instance; to the next one, if it is certain that the first saw nothing of it.

    The upstream learns from each outcome before the caller does: by a callback that would cost
    half a microsecond more, and another one to go on.
    """

    __slots__ = ("balancer", "current", "passed", "savings", "upstream")

    balancer: Balancer
    # The last of the call's tries that is this one's: a backup request shares the list.
    current: Try

    def __init__(self, call: Call, upstream: Upstream, savings: Savings | None = None) -> None:
        super().__init__(call)
        self.upstream = upstream
        # For one repetition, if it is a safe call whose connection is lost.
        self.savings = savings
        # The instances that certainly saw nothing of it.
        self.passed: tuple[Instance, ...] = ()

    def answer(self, reply: Reply) -> None:
        self.upstream.answered(self, reply)
        self.deferred.callback(reply)

    def fail(self, error: GatewayError) -> None:
        self.upstream.failed(self, error)
        self.go_on(error)

    def go_on(self, error: GatewayError) -> None:
        """To the next instance, or back to the caller."""
        if error.not_sent and len(self.passed) < MOST_PICKS - 1:
            self.passed += (self.current.instance,)
        elif type(error) is ConnectionClosed and self.savings is not None and self.savings.spend():
            self.savings = None
        else:
            self.deferred.errback(error)
            return
        try:
            self.upstream.give(self)
        except NoInstance as nobody_left:
            self.deferred.errback(nobody_left)

    def cancel(self, deferred: Deferred[Reply]) -> None:
        self.holder.abandon(self)
        self.upstream.failed(self, CancelledError())


class Upstream:
    """Lives in the reactor thread, where the registry hands it each new set of instances.

    :param service: the name in the registry.
    :param clock: an IReactorTime.
    :param make_pool: the connections of one instance.
    :param distrust: told of an instance that cannot be connected to.
    :param compose: puts the policies of a method around :meth:`deliver`.
    :param make_checks: makes the checks of instances that tell :meth:`checked`, or gives None.
    """

    def __init__(
        self,
        service: str,
        clock: Any,
        make_pool: Callable[[Instance], Connections],
        distrust: Callable[[Instance], None],
        compose: Callable[[Upstream, Policy], Send],
        random: Random,
        governance: Governance,
        make_checks: Callable[[Upstream], Checks | None] = lambda upstream: None,
    ) -> None:
        self.service = service
        self.clock = clock
        self.make_pool = make_pool
        self.distrust = distrust
        self.compose = compose
        self.governance = governance
        self.instances: tuple[Instance, ...] = ()
        self._pickers = Pickers(random, governance.zone)
        self._standing = Standing(governance)
        self._breaks = governance.breaker is not None
        # By the names of methods; what belongs to a policy that stays the same goes on counting.
        self._policies: Mapping[str, Policy] = {}
        self._sends: dict[str, Send] = {}
        # By address: a change of weight or tags alone keeps an instance's connections.
        self._pools: dict[str, Connections] = {}
        # Those of instances that left or are spoken to in another way now, while calls run on them.
        self._draining: list[Connections] = []
        self._interval_alarm = Alarm(clock, self._end_interval)
        self._step_alarm = Alarm(clock, self._rebuild)
        self._work: Iterator[None] | None = None
        self._checks = make_checks(self)

    def serve(self, policies: Mapping[str, Policy]) -> None:
        """The policies of all methods, by their names."""
        if policies is self._policies or policies == self._policies:
            # Most changes of an IDL leave the policies alone.
            self._policies = policies
            return
        known, sends = self._policies, self._sends
        self._sends = {
            name: sends[name] if known.get(name) == policy else self.compose(self, policy)
            for name, policy in policies.items()
        }
        self._policies = policies
        if connection_policies(known) != connection_policies(policies):
            self._retire(list(self._pools))
        self._pickers.keep([policy.choice for policy in policies.values()])
        self._work_on(self._pickers.work())

    def update(self, instances: tuple[Instance, ...]) -> None:
        """Serve by this set from now on; calls that run on an instance that left may end."""
        if instances == self.instances:
            return
        log.info("{service}: {count} instances", service=self.service, count=len(instances))
        tags = {instance.address: dialect_tags(instance) for instance in self.instances}
        self.instances = instances
        self._standing.keep(instances, self.clock.seconds())
        self._leave({instance.address for instance in instances})
        self._retire([each.address for each in instances if tags.get(each.address) != dialect_tags(each)])
        self._await_interval()
        self._rebuild()
        if self._checks is not None:
            self._checks.keep(instances)

    def checked(self, instance: Instance, passed: bool) -> None:
        """A check of an instance has ended."""
        if self._standing.check(instance.address, passed, self.clock.seconds()):
            log.warn(
                "{service}: {address} {what}",
                service=self.service,
                address=instance.address,
                what="is well" if passed else "is ejected: it fails its checks",
            )
            self._rebuild()

    def send(self, call: Call) -> Deferred[Reply]:
        """Pick and call, under the policies of the call's method. Raises or fails with a GatewayError."""
        send = self._sends.get(call.policy.name)
        if send is None:
            # The method was taken out of the mapping while its request came.
            send = self.compose(self, call.policy)
        call.tries = []
        return send(call)

    def pick(self, call: Call, exclude: tuple[Instance, ...] = (), avoid: Collection[Instance] = ()) -> Instance:
        """The instance for this call. Raises NoInstance if none is left outside ``exclude``.

        :param avoid: those of ``exclude`` and others, which are picked only where there is nobody else.
        """
        balancer, now = self._pickers[call.policy.choice], self.clock.seconds()
        instance = balancer.pick(call, avoid or exclude, now)
        if instance is None and avoid:
            instance = balancer.pick(call, exclude, now)
        if instance is None:
            raise NoInstance(self._why_none(exclude), service=self.service)
        if not self._standing.unreachable:
            return instance
        return self._in_reach(instance, balancer, call, avoid or exclude, now)

    def peek(self, call: Call) -> Instance | None:
        """Whom the next such call will go to if no other comes first; None: nobody, or it cannot be told.

        One that is out of reach just now makes way for another, by chance.
        """
        now = self.clock.seconds()
        instance = self._pickers.peek(call, now)
        return instance if instance is not None and self._standing.is_in_reach(instance.address, now) else None

    def _in_reach(
        self, picked: Instance, balancer: Balancer, call: Call, exclude: Collection[Instance], now: float
    ) -> Instance:
        """The instance that was picked, or another one if it could not be reached just now and there is a better.

        When many die at once, each call would else try one after the other of them, and give up.
        """
        instance: Instance | None = picked
        passed = list(exclude)
        for _ in range(MOST_LOOKS):
            if instance is None or self._standing.is_in_reach(instance.address, now):
                break
            passed.append(instance)
            instance = balancer.pick(call, passed, now)
        return instance or picked

    def deliver(self, call: Call, savings: Savings | None = None) -> Deferred[Reply]:
        """Pick an instance and give it the call; another one if it is certain that the first saw nothing of it.

        The innermost of all policies: it is always there, since nothing was sent and nothing can be done twice.
        Raises NoInstance, or fails with a GatewayError.

        :param savings: for a method whose calls are safe: pays for sending one once more whose connection was lost.
        """
        if savings is not None:
            savings.calls += 1
        delivery = Delivery(call, self, savings)
        self.give(delivery)
        return delivery.deferred

    def give(self, delivery: Delivery) -> None:
        """Pick the next instance for a call, and give it the call. Raises NoInstance."""
        call = delivery.call
        tries = call.tries
        avoid = [each.instance for each in tries] if tries else ()
        instance, now = self.pick(call, delivery.passed, avoid), self.clock.seconds()
        delivery.current = Try(instance, now)
        tries.append(delivery.current)
        if self._breaks and not self._standing.allows(instance.address, now):
            delivery.current.error = refused = CircuitOpen("No connection can be made", service=self.service)
            delivery.go_on(refused)
            return
        delivery.balancer = self._pickers[call.policy.choice]
        delivery.balancer.began(instance)
        (self._pools.get(instance.address) or self.open(instance)).carry(delivery)

    def drain(self) -> None:
        """The service is no longer served: calls that run may end, then their connections close."""
        self._stop()
        self._leave(set())

    def close(self) -> Deferred[Any]:
        """Fires when every connection is closed, whatever runs on it."""
        self._stop()
        pools, self._pools, self._draining = [*self._pools.values(), *self._draining], {}, []
        return gatherResults([pool.close() for pool in pools])

    def status(self) -> list[dict[str, Any]]:
        """A line per instance for the admin page; at the end those that left and still have calls."""
        self._forget_drained()
        here = [self._instance_status(instance) for instance in self.instances]
        return here + [{**_describe(pool.instance, pool), "state": "draining"} for pool in self._draining]

    # What comes of a call

    def answered(self, delivery: Delivery, reply: Reply) -> None:
        """The last try of a call has come to a reply."""
        now, last = self.clock.seconds(), delivery.current
        last.ended = now
        delivery.balancer.ended(last.instance, now, now - last.began)
        if reply.type is MessageType.EXCEPTION:
            self._learn(last.instance, Outcome.EXCEPTION, now)
        else:
            self._standing.answered(last.instance.address, now)

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """The last try of a call has come to nothing."""
        now, last, deadline = self.clock.seconds(), delivery.current, delivery.call.deadline
        outcome = outcome_of(error)
        last.ended, last.error = now, error
        given = deadline - last.began if deadline < NEVER else 0.0
        took = None if outcome is Outcome.UNKNOWN else max(now - last.began, given)
        delivery.balancer.ended(last.instance, now, took)
        if outcome is Outcome.UNREACHABLE:
            self.distrust(last.instance)
        self._learn(last.instance, outcome, now)

    def _learn(self, instance: Instance, outcome: Outcome, now: float) -> None:
        if self._standing.learn(instance.address, outcome, now):
            log.warn(
                "{service}: {address} is ejected: {why}",
                service=self.service,
                address=instance.address,
                why=outcome.value,
            )
            self._rebuild()

    # Balancers are built anew

    def _rebuild(self) -> None:
        now = self.clock.seconds()
        steps = self._standing.steps(now)
        if steps:
            self._step_alarm.set(now + self.governance.slow_start / STEPS)
        self._pickers.rebuild(self.instances, self._standing.ejected(), steps)
        self._work_on(self._pickers.work())

    def _await_interval(self) -> None:
        if self._standing.interval is not None:
            self._interval_alarm.set(self.clock.seconds() + self._standing.interval)

    def _end_interval(self) -> None:
        if self._standing.end_interval(self.clock.seconds()):
            self._rebuild()
        self._await_interval()

    def _work_on(self, work: Iterator[None]) -> None:
        """Do what balancers have left to compute, a slice in each turn of the reactor; this one has done enough."""
        self._work = work
        if next(work, self) is None:
            self.clock.callLater(0, self._do_slice, work)

    def _do_slice(self, work: Iterator[None]) -> None:
        until = self.clock.seconds() + SLICE
        while work is self._work and next(work, self) is None:
            if self.clock.seconds() >= until:
                self.clock.callLater(0, self._do_slice, work)
                return

    def _stop(self) -> None:
        self._work = None
        self._interval_alarm.stop()
        self._step_alarm.stop()
        if self._checks is not None:
            self._checks.keep(())

    # Connections

    def open(self, instance: Instance) -> Connections:
        """The connections of an instance, which may not have been needed so far."""
        if instance.address in self._pools:
            return self._pools[instance.address]
        pool = self._pools[instance.address] = self.make_pool(instance)
        usual = pool.limits.connect_timeout
        longest = max((policy.connect_timeout or usual for policy in self._policies.values()), default=usual)
        if longest != usual:
            # The pool itself ends the wait of those methods that have less patience.
            pool.limits = evolve(pool.limits, connect_timeout=longest)
        return pool

    @property
    def pools(self) -> Collection[Connections]:
        """The connections of all instances that were needed so far, those that left among them."""
        return [*self._pools.values(), *self._draining]

    @property
    def policies_by_name(self) -> Mapping[str, Policy]:
        return self._policies

    @property
    def policies(self) -> Collection[Policy]:
        """Those of all methods."""
        return self._policies.values()

    def _leave(self, present: set[str]) -> None:
        self._retire([address for address in self._pools if address not in present])

    def _retire(self, addresses: Iterable[str]) -> None:
        """Have the connections close as their calls end; who calls next opens others."""
        self._forget_drained()
        for address in addresses:
            pool = self._pools.pop(address, None)
            if pool is not None:
                self._draining.append(pool)
                pool.drain()

    def _forget_drained(self) -> None:
        self._draining = [pool for pool in self._draining if pool.in_flight]

    def _instance_status(self, instance: Instance) -> dict[str, Any]:
        cost = self._pickers.cost(instance)
        return {
            **_describe(instance, self._pools.get(instance.address)),
            "cost_ms": None if cost is None else round(cost * 1000, 3),
            **self._standing.describe(instance, self.clock.seconds()),
        }

    def _why_none(self, exclude: tuple[Instance, ...]) -> str:
        if exclude:
            return f"No instance of {self.service!r} could be reached"
        return f"No instance of {self.service!r} is registered"


def _describe(instance: Instance, pool: Connections | None) -> dict[str, Any]:
    return {
        "address": instance.address,
        "weight": instance.weight,
        "tags": dict(instance.tags),
        "calls": pool.calls if pool else 0,
        "in_flight": pool.in_flight if pool else 0,
        "idle": pool.idle if pool else 0,
    }


class Upstreams:
    """Every service that the mapping names, by its name in the registry."""

    def __init__(self, open_upstream: Callable[[str], tuple[Upstream, Callable[[], None]]]) -> None:
        """:param open_upstream: makes an upstream and has the registry feed it; the second
        value ends that.
        """
        self._open = open_upstream
        self._upstreams: dict[str, Upstream] = {}
        self._unwatch: dict[str, Callable[[], None]] = {}

    def __getitem__(self, service: str) -> Upstream:
        """Raises NoInstance for a service that left the mapping while a call to it was on its way."""
        try:
            return self._upstreams[service]
        except KeyError:
            raise NoInstance(f"{service!r} is no longer served", service=service) from None

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._upstreams.values())

    def serve(self, services: Mapping[str, Mapping[str, Policy]]) -> None:
        """Have exactly these, with the policies of their methods: those that stay keep what they know."""
        wanted = set(services)
        for service in [s for s in self._upstreams if s not in wanted]:
            self._unwatch.pop(service)()
            self._upstreams.pop(service).drain()
        for service in sorted(wanted - self._upstreams.keys()):
            self._upstreams[service], self._unwatch[service] = self._open(service)
        for service, policies in services.items():
            self._upstreams[service].serve(policies)

    def renew(self) -> Iterator[None]:
        """Open every one anew, one in each step, for what they are made by has changed.

        Calls that run end where they began.
        """
        for service in list(self._upstreams):
            old = self._upstreams.get(service)
            if old is not None:
                self._unwatch[service]()
                self._upstreams[service], self._unwatch[service] = self._open(service)
                self._upstreams[service].serve(old.policies_by_name)
                old.drain()
                yield

    def close(self) -> Deferred[Any]:
        """Fires when every connection of every service is closed."""
        for unwatch in self._unwatch.values():
            unwatch()
        upstreams, self._upstreams = self._upstreams, {}
        return gatherResults([upstream.close() for upstream in upstreams.values()])
