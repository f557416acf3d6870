"""What came of the requests of each of the last seconds, from counters that only grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from ..metrics.requests import MethodCounts

# So long a second is remembered.
SECONDS = 120
# A point of a sparkline stands for so many.
STEP = 2
# Rates are those of so many.
RECENT = 10

# A second (of the reactor's clock), and in it: requests that ended, how many of them failed by our or a service's
# fault, how many by the client's, and the milliseconds that all of them took. A list, so that it passes as JSON.
Sample = list[float]


@frozen
class Totals:
    """What has been counted since the start.

    :ivar errors: requests that failed by our or a service's fault; ``refused``: by the client's.
    :ivar seconds: that all requests together took.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    seconds: float = 0.0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.requests + other.requests,
            self.errors + other.errors,
            self.refused + other.refused,
            self.seconds + other.seconds,
        )


def totals_of(methods: Iterable[MethodCounts]) -> Totals:
    """Those of several methods together."""
    requests = errors = refused = 0
    seconds = 0.0
    for counts in methods:
        seconds += counts.seconds
        for code, number in counts.codes.items():
            requests += number
            if code >= 500:
                errors += number
            elif code >= 400:
                refused += number
    return Totals(requests, errors, refused, seconds)


class Sampler:
    """Looks at the counters of every service once a second; seconds in which nothing happened take no room."""

    def __init__(self) -> None:
        self._last: dict[str, Totals] = {}
        self._samples: dict[str, deque[Sample]] = {}

    def sample(self, second: int, totals: Mapping[str, Totals]) -> None:
        """:param totals: of all services that are served now; the others are forgotten."""
        self._samples = {name: self._samples.get(name) or deque(maxlen=SECONDS) for name in totals}
        for name, now in totals.items():
            before = self._last.get(name, Totals())
            requests = now.requests - before.requests
            # Counters that went back began anew.
            if requests > 0:
                errors, refused = max(0, now.errors - before.errors), max(0, now.refused - before.refused)
                milliseconds = 1000 * max(0.0, now.seconds - before.seconds)
                self._samples[name].append([second, requests, errors, refused, milliseconds])
        self._last = dict(totals)

    def of(self, service: str, second: int) -> list[Sample]:
        """The seconds of the last two minutes in which the service ended a request, the oldest first."""
        return [sample for sample in self._samples.get(service, ()) if sample[0] > second - SECONDS]


def joined(of_processes: Iterable[Sequence[Sample]]) -> list[Sample]:
    """The samples of several processes as those of one."""
    seconds: dict[float, Sample] = {}
    for samples in of_processes:
        for sample in samples:
            known = seconds.get(sample[0], [0.0] * len(sample))
            seconds[sample[0]] = [sample[0], *(a + b for a, b in zip(known[1:], sample[1:], strict=True))]
    return [seconds[second] for second in sorted(seconds)]


@frozen
class Trend:
    """The last two minutes of a service, ready to be drawn; the newest point comes last.

    :ivar rate: requests a second, lately.
    :ivar refused: how many requests failed by the client's fault in the two minutes.
    :ivar milliseconds: of a request in the mean, lately; None if there was none.
    """

    rate: float
    refused: int
    milliseconds: float | None
    rates: tuple[float, ...]
    failures: tuple[int, ...]
    latencies: tuple[float | None, ...]

    @property
    def failed(self) -> int:
        """In all of the two minutes."""
        return sum(self.failures)

    @property
    def slowest(self) -> float | None:
        """The greatest of the latencies; None if there was no request."""
        return max((latency for latency in self.latencies if latency is not None), default=None)


def trend(samples: Sequence[Sample], second: int) -> Trend:
    """:param second: the last one that is over."""
    points = SECONDS // STEP
    sums = [[0.0, 0.0, 0.0] for _ in range(points)]
    for at, requests, errors, _, milliseconds in samples:
        age = int(second - at)
        if 0 <= age < SECONDS:
            point = sums[points - 1 - age // STEP]
            point[0] += requests
            point[1] += errors
            point[2] += milliseconds
    recent = [sample for sample in samples if 0 <= second - sample[0] < RECENT]
    requests = sum(sample[1] for sample in recent)
    return Trend(
        rate=requests / RECENT,
        refused=int(sum(sample[3] for sample in samples if 0 <= second - sample[0] < SECONDS)),
        milliseconds=sum(sample[4] for sample in recent) / requests if requests else None,
        rates=tuple(point[0] / STEP for point in sums),
        failures=tuple(int(point[1]) for point in sums),
        latencies=tuple(point[2] / point[0] if point[0] else None for point in sums),
    )
