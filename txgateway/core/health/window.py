"""Successes and failures of the last seconds, in constant space and time."""

from __future__ import annotations

SECONDS = 10.0
BUCKETS = 100
_PER_SECOND = BUCKETS / SECONDS


class Window:
    """Counts over the last ten seconds, in buckets of 100 ms, as in bytedance/gopkg's breaker.

    :ivar failures: those in the window when it was last looked at.
    :ivar total: likewise, failures and successes.
    """

    __slots__ = ("_failures", "_newest", "_totals", "failures", "total")

    def __init__(self) -> None:
        self._newest = 0
        self.clear()

    def clear(self) -> None:
        self._failures = [0] * BUCKETS
        self._totals = [0] * BUCKETS
        self.failures = self.total = 0

    def add(self, now: float, *, failed: bool) -> None:
        self.look(now)
        bucket = self._newest % BUCKETS
        self._totals[bucket] += 1
        self.total += 1
        if failed:
            self._failures[bucket] += 1
            self.failures += 1

    def look(self, now: float) -> None:
        """Leave out what has become too old."""
        newest = int(now * _PER_SECOND)
        steps = newest - self._newest
        if steps <= 0:
            return
        if steps >= BUCKETS:
            self.clear()
        else:
            for number in range(self._newest + 1, newest + 1):
                bucket = number % BUCKETS
                self.failures -= self._failures[bucket]
                self.total -= self._totals[bucket]
                self._failures[bucket] = self._totals[bucket] = 0
        self._newest = newest

    @property
    def rate(self) -> float:
        """The share of failures; 0 of nothing."""
        return self.failures / self.total if self.total else 0.0
