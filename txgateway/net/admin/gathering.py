"""What one process has to tell for the pages, gathered from its parts; values for JSON, since workers send them on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson
from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ...core.errors import NoInstance
from ...core.metrics.requests import MethodCounts
from ...core.pages import idl_text
from ...core.pages.changes import Changes
from ...core.pages.series import Sampler, Totals, totals_of
from ...core.pages.served import Served, complaint, is_error
from ...core.pages.shares import Shares
from ...core.skew import Skew
from ..mapping.live import LiveMapping
from ..registry import Registry
from ..slices import Pause, before_many, in_slices, made_in_slices
from ..upstream import Upstream, Upstreams

log = Logger()

Page = dict[str, Any]
# A page in the making, in short steps.
Making = Generator[Any, None, Page]

# What a page shows at most; JSON pages have all of it.
SERVICES_A_PAGE = 30
INSTANCES_IN_OVERVIEW = 12
INSTANCES = 500
ROUTES_IN_OVERVIEW = 12
ROUTES = 1_000
COMPLAINTS = 50
CHANGES_OF_A_SERVICE = 20
TAGS = 20
LONGEST_TAG = 100
# Instances are all looked at once a second if they are not more than these, else less often: a look at one takes 5 us.
QUICKLY_SEEN = 200
SELDOM = 10


@frozen
class Parts:
    """What is looked at.

    :ivar registry: where the instances of a service come from.
    :ivar counts: what has been counted of the methods of each service, and without a name of all else.
    :ivar status: a page of the admin port by its name: ``health``, ``ready``.
    """

    live: LiveMapping
    upstreams: Upstreams
    skew: Skew
    registries: Sequence[Registry]
    registry: Callable[[str], Registry]
    counts: Callable[[], Iterable[tuple[str, Iterable[MethodCounts]]]]
    status: Mapping[str, Callable[[], Page]]


class Gatherer:
    """Keeps what the pages need that nobody else remembers: the last minutes, and the log of changes.

    :param clock: an IReactorTime.
    :param beside: does work in another thread.
    """

    def __init__(
        self,
        clock: Any,
        parts: Parts,
        changes: Changes,
        beside: Callable[[Callable[[], Any]], Deferred[Any]] = maybeDeferred,
    ) -> None:
        self.changes = changes
        self._clock = clock
        self._parts = parts
        self._beside = beside
        self._sampler = Sampler()
        self._shares = Shares()
        self._known = Served.whole(parts.live.loaded)
        # States of instances by service, then by address, when they were looked at last.
        self._states: dict[str, dict[str, str]] = {}
        self._looked_at = -float(SELDOM)
        self._is_gathering = False
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def start(self) -> None:
        self._ticking.start(1.0).addErrback(lambda failure: log.failure("the pages stand still", failure))

    def stop(self) -> None:
        if self._ticking.running:
            self._ticking.stop()

    # Pages; each takes its argument as text

    def overview(self, argument: str) -> Deferred[Page]:
        """:param argument: JSON: ``find``: a part of the names of services, ``page``: counted from 0."""
        wanted = orjson.loads(argument)
        return made_in_slices(self._clock, self._overview(str(wanted.get("find", "")), int(wanted.get("page", 0))))

    def service(self, name: str) -> Deferred[Page]:
        """``service`` is None where there is no such service."""
        return made_in_slices(self._clock, self._page_of_service(name))

    def idl(self, name: str) -> Deferred[Page]:
        """The texts of a service, their versions, and the last change."""
        return made_in_slices(self._clock, self._served()).addCallback(self._told_of_idl, name)

    def _overview(self, find: str, number: int) -> Making:
        served = yield from self._served()
        loaded = served.loaded
        names = [name for name in served.compiled if find.lower() in name.lower()]
        services = []
        for name in names[number * SERVICES_A_PAGE :][:SERVICES_A_PAGE]:
            service = yield from self._service(served, name, INSTANCES_IN_OVERVIEW, ROUTES_IN_OVERVIEW)
            services.append(service)
        return {
            **self._common(),
            "found": len(names),
            "page": number,
            "pages": -(-len(names) // SERVICES_A_PAGE),
            "services": services,
            "errors": [
                {**complaint(each), "service": served.owner(each.position.file)} for each in loaded.errors[:COMPLAINTS]
            ],
            "warnings": len(loaded.diagnostics) - len(loaded.errors),
        }

    def _page_of_service(self, name: str) -> Making:
        served = yield from self._served()
        if name not in served.compiled:
            return {**self._common(), "service": None, "name": name}
        service = yield from self._service(served, name, INSTANCES, ROUTES)
        return {
            **self._common(),
            "name": name,
            "service": service,
            "registry": self._diagnosis(name, service["count"]),
            "changes": self.changes.newest(name, limit=CHANGES_OF_A_SERVICE),
        }

    def _told_of_idl(self, served: Served, name: str) -> Deferred[Page]:
        versions = tuple(self._parts.live.history.versions)
        # To compare long texts takes seconds at worst.
        return self._beside(
            lambda: {
                "texts": idl_text.texts(served, name),
                "versions": idl_text.versions(versions, name),
                "difference": idl_text.last_change(versions, name),
            }
        )

    def log(self, kind: str) -> Page:
        """The log of changes: of one kind, or of all."""
        status = self._parts.live.status()
        return {
            **self._common(),
            "changes": self.changes.newest(kind=kind or None),
            "history": status["history"],
        }

    # What they are made of

    def _common(self) -> Page:
        mapping = self._parts.live.loaded
        status = self._parts.live.status()
        return {
            "second": self._second,
            "health": self._parts.status["health"](),
            "ready": self._parts.status["ready"](),
            "samples": self._sampler.of("", self._second),
            "registries": [registry.summary() for registry in self._parts.registries],
            "mapping": {
                "digest": mapping.digest,
                "services": len(mapping.mapping.services),
                "routes": len(mapping.mapping.routes),
                "since": status["history"][0]["time"] if status["history"] else None,
                "errors": len(mapping.errors),
                "kept": sorted(mapping.kept),
                "rolled_back": status["rolled_back"],
                "trouble": status["trouble"],
            },
        }

    @property
    def _second(self) -> int:
        return int(self._clock.seconds())

    def _served(self) -> Generator[Any, None, Served]:
        loaded = self._parts.live.loaded
        if self._known.loaded is not loaded:
            served = Served(loaded)
            yield from served.fill()
            self._known = served
            return served
        return self._known

    def _service(self, served: Served, name: str, most_instances: int, most_routes: int) -> Making:
        compiled = served.compiled[name]
        loaded, routes = served.loaded, served.routes(name)
        said = served.said_of_service(name)
        lines = yield from self._instances(name)
        return {
            "name": name,
            "file": compiled.path,
            "version": compiled.digest,
            "kept": name in loaded.kept,
            "errors": [complaint(each) for each in filter(is_error, said)][:COMPLAINTS],
            "warnings": sum(not is_error(each) for each in said),
            "refused": [
                {"fingerprint": each.fingerprint, "breaking": list(each.breaking)}
                for each in loaded.judgements
                if each.refused and each.service == name
            ],
            "states": Counter(line["state"] for line in lines),
            "count": len(lines),
            "weight": sum(line["weight"] for line in lines if line["state"] == "live"),
            "recent": sum(line["recent"] for line in lines),
            "instances": lines[:most_instances],
            "route_count": len(routes),
            "routes": [
                {
                    "verb": route.verb,
                    "path": route.path,
                    "method": route.plan.method.name,
                    "file": route.position.file,
                    "line": route.position.line,
                    "doc": route.plan.method.doc[:200],
                }
                for route in routes[:most_routes]
            ],
            "samples": self._sampler.of(name, self._second),
        }

    def _instances(self, name: str) -> Generator[Any, None, list[Page]]:
        try:
            upstream = self._parts.upstreams[name]
        except NoInstance:  # It has left the mapping since.
            return []
        yield from before_many(upstream.instances)
        lines = upstream.status()
        yield
        idl = {}
        for instance in upstream.instances:
            idl[instance.address] = self._parts.skew.of(name, instance).value
            yield
        ages = self._parts.registry(name).lease_ages(name)
        yield
        recent = self._shares.recent(name, {line["address"]: line["calls"] for line in lines})
        told = []
        for line in lines:
            address = line["address"]
            tags, age = _short(line["tags"]), ages.get(address)
            told.append(
                {**line, "tags": tags, "recent": recent[address], "lease_age": age, "idl": idl.get(address, "")}
            )
            yield
        return told

    def _diagnosis(self, name: str, instances: int) -> Page:
        """Where the instances of a service are sought, and what was found there that is of no use."""
        summary = self._parts.registry(name).summary()
        others = () if instances else (known for registry in self._parts.registries for known in registry.names())
        return {
            "kind": summary["kind"],
            # One of them may be this one, under a name that is written in another way.
            "known": list(others),
            "elsewhere": summary.get("elsewhere", {}).get(name, []),
            "dropped": [
                dropped
                for prefix in summary.get("prefixes", ())
                for dropped in prefix["dropped"]
                if dropped["key"].startswith(f"{prefix['prefix']}/{name}/")
            ],
        }

    # Once a second

    def _tick(self) -> None:
        if self._is_gathering:
            return
        self._is_gathering = True
        in_slices(self._clock, self._gather()).addErrback(
            lambda failure: log.failure("the pages miss a second", failure)
        ).addBoth(self._gathered)

    def _gathered(self, _: None) -> None:
        self._is_gathering = False

    def _gather(self) -> Iterator[Pause | None]:
        totals: dict[str, Totals] = {}
        for service, methods in self._parts.counts():
            totals[service] = totals_of(methods)
            yield None
        yield from before_many(totals)
        self._sampler.sample(self._second, {**totals, "": sum(totals.values(), Totals())})
        upstreams = list(self._parts.upstreams)
        every = 1 if sum(len(upstream.instances) for upstream in upstreams) <= QUICKLY_SEEN else SELDOM
        if self._clock.seconds() - self._looked_at >= every:
            self._looked_at = self._clock.seconds()
            yield from self._look(upstreams)

    def _look(self, upstreams: Sequence[Upstream]) -> Iterator[Pause | None]:
        """At every instance: how it stands, and how often it was called."""
        calls: dict[str, dict[str, int]] = {}
        states: dict[str, dict[str, str]] = {}
        for upstream in upstreams:
            yield from before_many(upstream.instances)
            lines = upstream.status()
            yield None
            calls[upstream.service] = {line["address"]: line["calls"] for line in lines}
            states[upstream.service] = now = {line["address"]: line["state"] for line in lines}
            self.changes.states(upstream.service, self._states.get(upstream.service, {}), now)
            yield None
        self._states = states
        if self._shares.due(self._second):
            yield from before_many(calls)
            self._shares.look(self._second, calls)


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that a table has room for: a registry takes some of a megabyte."""
    shown = islice(sorted(tags.items()), TAGS)
    return {name[:LONGEST_TAG]: value[:LONGEST_TAG] for name, value in shown}
