"""Gather the samples of a process, or of several, and write them as text, a slice in each turn of the reactor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, GCCollector, Metric, ProcessCollector
from twisted.internet.defer import Deferred

from ..core.discovery import Discovery
from ..core.enforcement import ObservedRules
from ..core.health.breaker import Breaker
from ..core.metrics import GREATEST, SUM, Family, Sample, Snapshot, families, put
from ..core.metrics.joining import Joined
from ..core.metrics.requests import LONGEST_RULE
from ..core.metrics.text import text_of
from .mapping.live import LiveMapping
from .slices import Pause, Shared, before_many, in_slices, joined_in_slices
from .upstream import Upstream
from .workers import Workers

# In which an instance may be. Each is shown for each service: an alert waits for the one that is 0.
STATES = ("live", "suspect", "ejected", "draining")

# Gives the samples of one subject, one at each step, or none yet.
Collect = Callable[[], Iterable[Sample | Pause | None]]


class Metrics:
    """Those of one process.

    :param clock: an IReactorTime.
    :ivar text: all of it as Prometheus reads it, written once for all who ask meanwhile.
    """

    def __init__(self, clock: Any, collectors: Iterable[Collect]) -> None:
        self._clock = clock
        self._collectors = tuple(collectors)
        self.text = Shared(self._write)

    def page(self, _: str) -> Deferred[dict[str, Any]]:
        """For the process that joins what several have counted; as text, since that takes its way as JSON once more."""
        return self.gather().addCallback(lambda snapshot: {"snapshot": orjson.dumps(snapshot).decode()})

    def gather(self) -> Deferred[Snapshot]:
        snapshot: Snapshot = {}

        def gather() -> Iterator[Pause | None]:
            for collect in self._collectors:
                for sample in collect():
                    if isinstance(sample, tuple):
                        put(snapshot, sample)
                        yield None
                    else:
                        yield sample

        return in_slices(self._clock, gather()).addCallback(lambda _: snapshot)

    def _write(self) -> Deferred[bytes]:
        return self.gather().addCallback(lambda snapshot: _write(self._clock, snapshot))


# What each process said, by its id; None: nothing in time.
Pages = dict[int, dict[str, Any] | None]


class JoinedMetrics:
    """Those of all processes that serve, and of the one that owns them.

    :param ask: asks each process for :meth:`Metrics.page`.
    """

    def __init__(self, clock: Any, ask: Callable[[], Deferred[Pages]], collectors: Iterable[Collect]) -> None:
        self._clock = clock
        self._ask = ask
        self._own = Metrics(clock, collectors)
        self._joined = Joined(FAMILIES)
        self.text = Shared(self._write)

    def _write(self) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._ask_and_write())

    async def _ask_and_write(self) -> bytes:
        pages = await self._ask()
        snapshots = {OWN: await self._own.gather()} | {pid: _snapshot(page) for pid, page in pages.items()}
        joined: list[Snapshot] = []
        await in_slices(self._clock, map(joined.extend, self._joined.join(snapshots)))
        return await _write(self._clock, *joined)


# The process that owns the others; nobody's id.
OWN = 0


def _snapshot(page: dict[str, Any] | None) -> Snapshot | None:
    return orjson.loads(page["snapshot"]) if page and "snapshot" in page else None


def _write(clock: Any, snapshot: Snapshot) -> Deferred[bytes]:
    # Encoded one by one: the whole text would be a slice of its own.
    return joined_in_slices(clock, map(str.encode, text_of(snapshot, FAMILIES)))


# The subjects


def of_upstreams(upstreams: Iterable[Upstream]) -> Iterator[Sample | Pause]:
    """Instances by state, and what runs to them."""
    for upstream in list(upstreams):
        yield from before_many(upstream.instances)
        service, lines = upstream.service, upstream.status()
        states = Counter(line["state"] for line in lines)
        for state in STATES:
            yield families.INSTANCES, (service, state), states[state]
        for line in lines:
            yield families.INSTANCE_CALLS, (service, line["address"]), line["calls"]
        pools = upstream.pools
        yield families.CALLS_IN_FLIGHT, (service,), sum(pool.in_flight for pool in pools)
        yield families.CALLS_WAITING, (service,), sum(pool.waiting for pool in pools)
        yield families.CONNECTIONS, (service, "busy"), sum(pool.busy for pool in pools)
        yield families.CONNECTIONS, (service, "idle"), sum(pool.idle for pool in pools)
        breakers = Counter(line["breaker"] for line in lines if line.get("breaker"))
        for state, number in breakers.items():
            yield families.BREAKERS, (service, "instance", state), number


def of_breakers(breakers: Mapping[tuple[str, str], Breaker]) -> Iterator[Sample]:
    """Those of methods, by service and method."""
    for (service, state), number in Counter((service, each.state) for (service, _), each in breakers.items()).items():
        yield families.BREAKERS, (service, "method", state.value), number


def of_rules(observed: ObservedRules) -> Iterator[Sample]:
    for line in observed.status():
        labels = (line["service"], line["method"], line["rule"][:LONGEST_RULE])
        yield families.OBSERVED, labels, line["failures"]


def of_discoveries(discoveries: Iterable[Discovery], now: float) -> Iterator[Sample]:
    for each in discoveries:
        labels = (each.prefix,)
        yield families.DISCOVERY_CONNECTED, labels, int(each.streaming)
        yield families.DISCOVERY_REVISION, labels, each.revision
        if each.alive_at is not None:
            yield families.DISCOVERY_AGE, labels, round(now - each.alive_at, 3)
        yield families.DISCOVERY_RECONNECTS, labels, each.cuts
        yield families.DISCOVERY_SNAPSHOTS, labels, each.snapshots


def of_mapping(live: LiveMapping) -> Iterator[Sample]:
    for source in live.sources:
        if "connected" in source:
            yield families.DISCOVERY_CONNECTED, (source["prefix"],), int(source["connected"])
    yield families.MAPPING_GENERATION, (), live.generation
    yield families.MAPPING_SERVICES, (), len(live.loaded.mapping.services)
    yield families.MAPPING_ROUTES, (), len(live.loaded.mapping.routes)
    yield families.MAPPING_ERRORS, (), len(live.loaded.errors)
    yield families.MAPPING_KEPT, (), len(live.kept)
    for outcome, number in live.reloads.items():
        yield families.RELOADS, (outcome,), number


def of_workers(workers: Workers) -> Iterator[Sample]:
    yield families.WORKERS, (), len([worker for worker in workers.workers if worker.is_ready])
    yield families.WORKER_RESTARTS, (), workers.restarts


# prometheus-client's own: what every Python program shows of itself.
_REGISTRY = CollectorRegistry()
_OF_PROCESS = (ProcessCollector(registry=_REGISTRY), GCCollector(registry=_REGISTRY))


def of_process() -> Iterator[Sample]:
    for collector in _OF_PROCESS:
        for metric in collector.collect():
            family = _family(metric)
            for sample in metric.samples:
                yield family, tuple(sample.labels.values()), sample.value


def _family(metric: Metric) -> Family:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    labels = tuple(metric.samples[0].labels)
    joined = GREATEST if name == "process_start_time_seconds" else SUM
    return Family(name, metric.type, metric.documentation.rstrip("."), labels, joined)


# All that there are, in the order in which they are shown.
FAMILIES = (
    *(each for each in vars(families).values() if isinstance(each, Family)),
    *dict.fromkeys(family for family, _, _ in of_process()),
)
