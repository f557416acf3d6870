"""Peak EWMA: of two instances drawn by chance, the one that is expected to answer sooner (after Finagle).

Each instance has a cost, an average of its latencies that forgets in about ten seconds. A
latency above it counts at once, so that an instance that becomes slow is left quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from random import Random

from ..instances import Instance
from . import Balancer, Memory, NoBalancer, balancers, usable
from .two_choices import Candidate, Load, TwoChoices

# Seconds in which a latency loses most of its weight.
TAU = 10.0
# An instance that was never measured gets one call, and no second before the first has ended:
# this is more than any cost can be (2^47 ns in Finagle, in seconds here).
UNMEASURED = 2**47 / 1e9


@balancers.register("ewma")
def peak_ewma(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    live = usable(instances)
    return PeakEwma(live, random, memory, Cost) if live else NoBalancer()


class Cost(Load):
    """:ivar seconds: the average as it was at ``stamp``."""

    __slots__ = ("seconds", "stamp")

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.stamp = 0.0

    def observe(self, latency: float, now: float) -> None:
        if latency > self.seconds:
            self.seconds = latency
        elif self.seconds:
            kept = self._kept(now)
            self.seconds = self.seconds * kept + latency * (1 - kept)
        self.stamp = now

    def at(self, now: float) -> float:
        """The average if nothing was observed since."""
        return self.seconds * self._kept(now)

    def _kept(self, now: float) -> float:
        return exp(min(0.0, self.stamp - now) / TAU)


class PeakEwma(TwoChoices[Cost]):
    def ended(self, instance: Instance, now: float, seconds: float | None) -> None:
        super().ended(instance, now, seconds)
        if seconds is not None:
            self._by_address[instance.address].load.observe(max(0.0, seconds), now)

    def cost(self, instance: Instance) -> float | None:
        load: Cost = self._by_address[instance.address].load
        return load.seconds

    def _weigh(self, candidate: Candidate[Cost], now: float) -> float:
        load = candidate.load
        # Whoever is not called is forgiven with time.
        load.observe(0.0, now)
        return self._load(candidate, load.seconds)

    def _weigh_unseen(self, candidate: Candidate[Cost], now: float) -> float:
        return self._load(candidate, candidate.load.at(now))

    @staticmethod
    def _load(candidate: Candidate[Cost], seconds: float) -> float:
        load = candidate.load
        if seconds:
            return seconds * (load.active + 1) * candidate.scale
        return (UNMEASURED + load.active) * candidate.scale if load.active else 0.0
