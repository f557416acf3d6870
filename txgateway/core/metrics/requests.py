"""Count requests by method: on a request's way by nothing but additions of numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from ..errors import Answered, GatewayError, ValidationFailed
from ..mapping import MappedService
from ..message import Call, Request, Response
from ..tries import ANSWERED, outcome, spent
from . import Sample
from .families import CALLS, DURATIONS, FAILURES, REFUSALS, REQUESTS, TRIES, UPSTREAM_SECONDS

_BOUNDS = DURATIONS.bounds
# As long a text of a rule is shown.
LONGEST_RULE = 200


class MethodCounts:
    """What is counted of one method.

    :ivar at_once: calls that were answered at the first try.
    :ivar calls: those of which something else came, by that; ``tries`` has all of theirs.
    :ivar failures: by kind and fault.
    """

    __slots__ = ("at_once", "buckets", "calls", "codes", "failures", "refusals", "seconds", "tries", "upstream_seconds")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0
        self.at_once = 0
        self.upstream_seconds = 0.0
        self.calls: dict[str, int] = {}
        self.tries: dict[str, int] = {}
        self.failures: dict[tuple[str, str], int] = {}
        self.refusals: dict[str, int] = {}


class RequestCounts:
    """Is told of every request that has ended."""

    def __init__(self) -> None:
        # By the service's name in the registry and the method's on the wire.
        self._methods: dict[str, dict[bytes, MethodCounts]] = {}
        self._served: Mapping[str, MappedService] = {}
        # Of what no route fits, and what came too late for its method.
        self._others = MethodCounts()

    def serve(self, services: Mapping[str, MappedService]) -> None:
        """These are all the services now; methods that stay go on being counted."""
        before, self._methods = self._methods, {}
        for name, each in services.items():
            known = before.get(name, {})
            if self._served.get(name) is not each:
                names = {plan.wire_name for plan, _ in each.calls.values()}
                if names != known.keys():
                    known = {method: known.get(method) or MethodCounts() for method in sorted(names)}
            self._methods[name] = known
        self._served = services

    def __call__(self, request: Request, response: Response, error: GatewayError | None, seconds: float) -> None:
        route, call = request.route, request.call
        try:
            if route is not None:
                plan = route.plan
                counts = self._methods[plan.service][plan.wire_name]
            elif call is not None:
                counts = self._methods[call.service][call.method]
            else:
                counts = self._others
        except KeyError:
            counts = self._others
        codes, code = counts.codes, response.status
        codes[code] = codes.get(code, 0) + 1
        counts.buckets[bisect_left(_BOUNDS, seconds)] += 1
        counts.seconds += seconds
        if error is None and call is not None and len(call.tries) == 1:
            only = call.tries[0]
            counts.at_once += 1
            counts.upstream_seconds += only.ended - only.began
        elif error is not None or call is not None:
            _count_more(counts, call, error)

    def by_service(self) -> Iterator[tuple[str, Iterable[MethodCounts]]]:
        """The counts of each service's methods, and without a name those of what no route fits."""
        yield "", (self._others,)
        for service, methods in self._methods.items():
            yield service, methods.values()

    def samples(self) -> Iterator[Sample | None]:
        """Of all methods, one after the other; None after each service, which may have none that was called."""
        yield from _samples(("", ""), self._others)
        for service, methods in self._methods.items():
            for method, counts in methods.items():
                yield from _samples((service, method.decode()), counts)
            yield None


def _count_more(counts: MethodCounts, call: Call | None, error: GatewayError | None) -> None:
    """What is rare: failures, and calls that needed more than one try, or none."""
    if isinstance(error, Answered):
        error = None
    if error is not None:
        kind = (error.kind, error.fault.value)
        counts.failures[kind] = counts.failures.get(kind, 0) + 1
        for rule in _rules(error):
            counts.refusals[rule] = counts.refusals.get(rule, 0) + 1
    if call is not None:
        came = ANSWERED if error is None else error.kind
        counts.calls[came] = counts.calls.get(came, 0) + 1
        for each in call.tries:
            what = outcome(each)
            counts.tries[what] = counts.tries.get(what, 0) + 1
        counts.upstream_seconds += spent(call.tries)


def _rules(error: GatewayError) -> list[str]:
    if not isinstance(error, ValidationFailed):
        return []
    failures = error.members.get("errors") or [error.members]
    return [str(each.get("rule", ""))[:LONGEST_RULE] for each in failures]


def _samples(method: tuple[str, str], counts: MethodCounts) -> Iterator[Sample]:
    if not counts.codes:
        # Nobody has called it yet.
        return
    # Lists, for requests go on being counted from one step to the next.
    for code, number in list(counts.codes.items()):
        yield REQUESTS, (*method, str(code)), number
    yield DURATIONS, method, [counts.seconds, *counts.buckets]
    for (failure, fault), number in list(counts.failures.items()):
        yield FAILURES, (*method, failure, fault), number
    for rule, number in list(counts.refusals.items()):
        yield REFUSALS, (*method, rule), number
    if counts.at_once or counts.calls:
        yield UPSTREAM_SECONDS, method, counts.upstream_seconds
        for family, others in ((CALLS, counts.calls), (TRIES, counts.tries)):
            yield family, (*method, ANSWERED), counts.at_once + others.get(ANSWERED, 0)
            yield from [(family, (*method, came), n) for came, n in others.items() if came != ANSWERED]
