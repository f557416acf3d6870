"""One service as seen from here: its instances, balancer and connections; pick and call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.balancing import Balancer, BuildBalancer, Memory, NoBalancer
from ..core.errors import ConnectFailed, NoInstance
from ..core.instances import Instance
from ..core.message import Call, Reply
from .pool import Pool

log = Logger()


@define(eq=False)
class Upstream:
    """Lives in the reactor thread, where the registry hands it each new set of instances.

    :param service: the name in the registry.
    :param make_pool: the connections of one instance.
    :param distrust: told of an instance that cannot be connected to.
    """

    service: str
    build_balancer: BuildBalancer
    make_pool: Callable[[Instance], Pool]
    distrust: Callable[[Instance], None]
    random: Random
    instances: tuple[Instance, ...] = ()
    _balancer: Balancer = field(factory=NoBalancer)
    _memory: Memory = field(factory=Memory)
    # By address: a change of weight or tags alone keeps an instance's connections.
    _pools: dict[str, Pool] = field(factory=dict)

    def update(self, instances: tuple[Instance, ...]) -> None:
        """Serve by this set from now on; calls that run on an instance that left may end."""
        log.info("{service}: {count} instances", service=self.service, count=len(instances))
        self.instances = instances
        self._balancer = self.build_balancer(instances, self.random, self._memory)
        self._leave({instance.address for instance in instances})

    def pick(self, call: Call, exclude: tuple[Instance, ...] = ()) -> Instance:
        """The instance for this call. Raises NoInstance if none is left outside ``exclude``."""
        instance = self._balancer.pick(call, exclude)
        if instance is None:
            raise NoInstance(self._why_none(exclude), service=self.service)
        return instance

    def call(self, instance: Instance, call: Call) -> Deferred[Reply]:
        pool = self._pools.get(instance.address)
        if pool is None:
            pool = self._pools[instance.address] = self.make_pool(instance)
        return pool.call(call).addErrback(self._failed, instance)

    def drain(self) -> None:
        """The service is no longer served: calls that run may end, then their connections close."""
        self._leave(set())

    def close(self) -> Deferred[Any]:
        """Fires when every connection is closed, whatever runs on it."""
        pools, self._pools = self._pools, {}
        return gatherResults([pool.close() for pool in pools.values()])

    def status(self) -> list[dict[str, Any]]:
        """A line per instance for the admin page."""
        return [self._instance_status(instance) for instance in self.instances]

    def _instance_status(self, instance: Instance) -> dict[str, Any]:
        pool = self._pools.get(instance.address)
        return {
            "address": instance.address,
            "weight": instance.weight,
            "tags": dict(instance.tags),
            "calls": pool.calls if pool else 0,
            "in_flight": pool.in_flight if pool else 0,
            "idle": pool.idle if pool else 0,
        }

    def _why_none(self, exclude: tuple[Instance, ...]) -> str:
        if exclude:
            return f"No instance of {self.service!r} could be reached"
        return f"No instance of {self.service!r} is registered"

    def _failed(self, failure: Failure, instance: Instance) -> Failure:
        if failure.check(ConnectFailed):
            self.distrust(instance)
        return failure

    def _leave(self, present: set[str]) -> None:
        for address in [address for address in self._pools if address not in present]:
            self._pools.pop(address).drain()


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

    def serve(self, services: Iterable[str]) -> None:
        """Have exactly these: those that stay keep their connections and balancer."""
        wanted = set(services)
        for service in [s for s in self._upstreams if s not in wanted]:
            self._unwatch.pop(service)()
            self._upstreams.pop(service).drain()
        for service in sorted(wanted - self._upstreams.keys()):
            self._upstreams[service], self._unwatch[service] = self._open(service)

    def close(self) -> Deferred[Any]:
        """Fires when every connection of every service is closed."""
        for unwatch in self._unwatch.values():
            unwatch()
        return gatherResults([upstream.close() for upstream in self._upstreams.values()])
