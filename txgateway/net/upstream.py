"""One service as seen from here: its instances, balancers and connections; pick and call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from random import Random
from typing import Any, cast

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.balancing import Balancer
from ..core.balancing.slow_start import STEPS, step_at
from ..core.errors import CircuitOpen, NoInstance
from ..core.health import Outcome, outcome_of
from ..core.health.breaker import Breaker, BreakerSettings, State
from ..core.health.ejection import Ejection, EjectionSettings, in_panic
from ..core.instances import Instance
from ..core.message import Call, MessageType, Reply
from ..core.picking import Pickers
from ..core.policy import Policy
from .alarm import NEVER, Alarm
from .pool import Pool

log = Logger()

# Seconds. Changes that come within this time are taken together: each one starts the order of
# picks anew, and a restart of a big service would otherwise favour those early in it.
GATHER = 0.1
# The longest that work for balancers may hold up the reactor at once, in seconds.
SLICE = 0.001

# Carries a call to some instance under the policies of its method.
Send = Callable[[Call, list[Instance]], Deferred[Reply]]


@frozen
class Governance:
    """How one service's instances are chosen and judged.

    :ivar zone: ours; its instances are preferred.
    :ivar slow_start: seconds until an instance that is new gets its whole share.
    :ivar ejection: None: none is ejected.
    :ivar breaker: for each instance, whose connects are counted; None: there are none.
    :ivar panic: with a smaller share of instances usable than this, ejections and breakers do not count.
    """

    zone: str = ""
    slow_start: float = 0.0
    ejection: EjectionSettings | None = None
    breaker: BreakerSettings | None = None
    panic: float = 0.5


@define(eq=False)
class Upstream:
    """Lives in the reactor thread, where the registry hands it each new set of instances.

    :param service: the name in the registry.
    :param clock: an IReactorTime.
    :param make_pool: the connections of one instance.
    :param distrust: told of an instance that cannot be connected to.
    :param compose: puts the policies of a method around :meth:`pick` and :meth:`call`.
    """

    service: str
    clock: Any
    make_pool: Callable[[Instance], Pool]
    distrust: Callable[[Instance], None]
    compose: Callable[[Upstream, Policy], Send]
    random: Random
    governance: Governance = Governance()
    instances: tuple[Instance, ...] = ()
    _pickers: Pickers = field(init=False)
    _ejection: Ejection | None = field(init=False)
    _breakers: dict[str, Breaker] = field(factory=dict)
    # By the names of methods; what belongs to a policy that stays the same goes on counting.
    _sends: dict[str, tuple[Policy, Send]] = field(factory=dict)
    # By address: a change of weight or tags alone keeps an instance's connections.
    _pools: dict[str, Pool] = field(factory=dict)
    # Those of instances that left, while calls run on them.
    _draining: dict[str, Pool] = field(factory=dict)
    # What went wrong last, and when.
    _errors: dict[str, tuple[str, float]] = field(factory=dict)
    # When each instance appeared, as long as its start is slow.
    _new: dict[str, float] = field(factory=dict)
    _next: tuple[Instance, ...] = ()
    _changed_at: float = float("-inf")
    _gather_alarm: Alarm = field(init=False)
    _interval_alarm: Alarm = field(init=False)
    _step_alarm: Alarm = field(init=False)
    _work: Iterator[None] | None = None

    def __attrs_post_init__(self) -> None:
        ejection = self.governance.ejection
        self._pickers = Pickers(self.random, self.governance.zone)
        self._ejection = Ejection(ejection) if ejection else None
        self._gather_alarm = Alarm(self.clock, self._take_next)
        self._interval_alarm = Alarm(self.clock, self._end_interval)
        self._step_alarm = Alarm(self.clock, self._rebuild)

    # What the mapping says

    def serve(self, policies: Mapping[str, Policy]) -> None:
        """The policies of all methods, by their names."""
        kept = {name: self._sends[name] for name, policy in policies.items() if self._has(name, policy)}
        self._sends = {name: kept.get(name) or (p, self.compose(self, p)) for name, p in policies.items()}
        self._pickers.keep(policy.choice for policy in policies.values())
        self._work_on(self._pickers.work())

    def send(self, call: Call) -> Deferred[Reply]:
        """Pick and call, under the policies of the call's method. Raises or fails with a GatewayError."""
        known = self._sends.get(call.policy.name)
        if known is None:
            # A call of a mapping that was replaced while its body came.
            known = (call.policy, self.compose(self, call.policy))
        return known[1](call, [])

    # What the registry says

    def update(self, instances: tuple[Instance, ...]) -> None:
        """Serve by this set from now on; calls that run on an instance that left may end."""
        self._next = instances
        if self.clock.seconds() >= self._changed_at + GATHER:
            self._take_next()
        else:
            self._gather_alarm.set(self._changed_at + GATHER)

    # Pick and call

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
        return instance

    def call(self, instance: Instance, call: Call) -> Deferred[Reply]:
        """Give the call to an instance that was just picked for it."""
        address, now = instance.address, self.clock.seconds()
        if self._breakers and not self._allows(address, now):
            return fail(CircuitOpen("No connection can be made", service=self.service))
        balancer = self._pickers[call.policy.choice]
        balancer.began(instance)
        pool = self._pools.get(address)
        if pool is None:
            pool = self._open(instance)
        running = (call, instance, balancer, now)
        return pool.call(call).addCallbacks(self._answered, self._failed, callbackArgs=running, errbackArgs=running)

    def _answered(self, reply: Reply, call: Call, instance: Instance, balancer: Balancer, began: float) -> Reply:
        now = self.clock.seconds()
        balancer.ended(instance, now, now - began)
        outcome = Outcome.EXCEPTION if reply.type is MessageType.EXCEPTION else Outcome.ANSWERED
        self._learn(instance.address, outcome, now)
        return reply

    def _failed(self, failure: Failure, call: Call, instance: Instance, balancer: Balancer, began: float) -> Failure:
        now, outcome = self.clock.seconds(), outcome_of(cast(Exception, failure.value))
        given = call.deadline - began if call.deadline < NEVER else 0.0
        balancer.ended(instance, now, None if outcome is Outcome.UNKNOWN else max(now - began, given))
        if outcome is not Outcome.UNKNOWN:
            self._errors[instance.address] = (outcome.value, now)
        if outcome is Outcome.UNREACHABLE:
            self.distrust(next((each for each in self.instances if each.address == instance.address), instance))
        self._learn(instance.address, outcome, now)
        return failure

    # What is learnt from calls

    def _learn(self, address: str, outcome: Outcome, now: float) -> None:
        if self._breakers and outcome is not Outcome.UNKNOWN:
            breaker = self._breakers.get(address)
            if breaker is not None:
                breaker.record(now, failed=outcome is Outcome.UNREACHABLE)
        if self._ejection is not None and self._ejection.record(address, outcome, now):
            log.warn(
                "{service}: {address} is ejected: {outcome}",
                service=self.service,
                address=address,
                outcome=outcome.value,
            )
            self._rebuild()

    def _allows(self, address: str, now: float) -> bool:
        breaker = self._breakers.get(address)
        if breaker is None or breaker.allows(now):
            return True
        open_ones = {address for address, each in self._breakers.items() if each.state is State.OPEN}
        return self._in_panic(open_ones | set(self._ejected()))

    def _ejected(self) -> Collection[str]:
        return self._ejection.out if self._ejection is not None else ()

    def _in_panic(self, unusable: Collection[str]) -> bool:
        """So few are left that it is better to use all."""
        return in_panic(len(self.instances) - len(unusable), len(self.instances), self.governance.panic)

    def _end_interval(self) -> None:
        assert self._ejection is not None
        assert self.governance.ejection is not None
        now = self.clock.seconds()
        self._interval_alarm.set(now + self.governance.ejection.interval)
        if self._ejection.end_interval(now):
            self._rebuild()

    # A change

    def _take_next(self) -> None:
        if self._next == self.instances:
            return
        now = self.clock.seconds()
        log.info("{service}: {count} instances", service=self.service, count=len(self._next))
        self._welcome(now)
        self._changed_at, self.instances = now, self._next
        present = {instance.address for instance in self.instances}
        self._leave(present)
        self._errors = {address: error for address, error in self._errors.items() if address in present}
        if self.governance.breaker is not None:
            settings, known = self.governance.breaker, self._breakers
            self._breakers = {address: known.get(address) or Breaker(settings) for address in present}
        if self._ejection is not None:
            self._ejection.keep(self.instances)
            self._interval_alarm.set(now + self.governance.ejection.interval)  # type: ignore[union-attr]
        self._rebuild()

    def _welcome(self, now: float) -> None:
        """Note who is new; of the first set nobody is."""
        if self.governance.slow_start and self._changed_at > float("-inf"):
            known = {instance.address for instance in self.instances}
            self._new |= {each.address: now for each in self._next if each.address not in known}

    def _rebuild(self) -> None:
        ejected = self._ejected()
        self._pickers.rebuild(self.instances, () if self._in_panic(ejected) else set(ejected), self._steps())
        self._work_on(self._pickers.work())

    def _steps(self) -> dict[str, int]:
        """How far those have come whose start is slow."""
        now, window = self.clock.seconds(), self.governance.slow_start
        self._new = {address: since for address, since in self._new.items() if step_at(now - since, window) < STEPS}
        if self._new:
            self._step_alarm.set(now + window / STEPS)
        return {address: step_at(now - since, window) for address, since in self._new.items()}

    def _work_on(self, work: Iterator[None]) -> None:
        """Do what balancers have left to compute, a slice in each turn of the reactor."""
        self._work = work
        self._do_slice(work)

    def _do_slice(self, work: Iterator[None]) -> None:
        until = self.clock.seconds() + SLICE
        while work is self._work and next(work, self) is None:
            if self.clock.seconds() >= until:
                self.clock.callLater(0, self._do_slice, work)
                return

    # The end

    def drain(self) -> None:
        """The service is no longer served: calls that run may end, then their connections close."""
        self._stop()
        self._leave(set())

    def close(self) -> Deferred[Any]:
        """Fires when every connection is closed, whatever runs on it."""
        self._stop()
        pools, self._pools = [*self._pools.values(), *self._draining.values()], {}
        self._draining = {}
        return gatherResults([pool.close() for pool in pools])

    def _stop(self) -> None:
        self._work = None
        for alarm in (self._gather_alarm, self._interval_alarm, self._step_alarm):
            alarm.stop()

    # What the admin port shows

    def status(self) -> list[dict[str, Any]]:
        """A line per instance, those that left and still have calls at the end."""
        here = [self._instance_status(instance) for instance in self.instances]
        self._forget_drained()
        return here + [
            {**_pool_status(pool), **_describe(pool.instance), "state": "draining"} for pool in self._draining.values()
        ]

    def _instance_status(self, instance: Instance) -> dict[str, Any]:
        address = instance.address
        error, breaker = self._errors.get(address), self._breakers.get(address)
        cost = self._pickers.cost(instance)
        return {
            **_describe(instance),
            **_pool_status(self._pools.get(address)),
            "state": "ejected" if address in self._ejected() else "suspect" if instance.suspect else "live",
            "cost_ms": None if cost is None else round(cost * 1000, 3),
            "breaker": None if breaker is None else breaker.state.value,
            "last_error": error and {"what": error[0], "seconds_ago": round(self.clock.seconds() - error[1], 1)},
        }

    def _has(self, name: str, policy: Policy) -> bool:
        known = self._sends.get(name)
        return known is not None and known[0] == policy

    def _why_none(self, exclude: tuple[Instance, ...]) -> str:
        if exclude:
            return f"No instance of {self.service!r} could be reached"
        return f"No instance of {self.service!r} is registered"

    def _open(self, instance: Instance) -> Pool:
        pool = self._pools[instance.address] = self.make_pool(instance)
        timeouts = [policy.connect_timeout for policy, _ in self._sends.values() if policy.connect_timeout]
        if timeouts:
            pool.limits = evolve(pool.limits, connect_timeout=min(timeouts))
        return pool

    def _leave(self, present: set[str]) -> None:
        self._forget_drained()
        for address in [address for address in self._pools if address not in present]:
            pool = self._draining[address] = self._pools.pop(address)
            pool.drain()

    def _forget_drained(self) -> None:
        self._draining = {address: pool for address, pool in self._draining.items() if pool.in_flight}


def _describe(instance: Instance) -> dict[str, Any]:
    return {"address": instance.address, "weight": instance.weight, "tags": dict(instance.tags)}


def _pool_status(pool: Pool | None) -> dict[str, int]:
    return {
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

    def close(self) -> Deferred[Any]:
        """Fires when every connection of every service is closed."""
        for unwatch in self._unwatch.values():
            unwatch()
        return gatherResults([upstream.close() for upstream in self._upstreams.values()])
