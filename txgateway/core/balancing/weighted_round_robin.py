"""Weighted round robin, smooth: each instance in proportion to its weight, spread evenly.

The order is that of nginx and Kitex. One slot: add to every instance its weight,
choose the one with the largest sum (the first on a tie) and take the total of all
weights off it. After total / gcd slots every sum is zero again, so the slots repeat.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Collection, Sequence
from math import gcd
from random import Random

from ..instances import Instance
from ..message import Call
from . import Balancer, Memory, NoBalancer, balancers, usable
from .weighted_random import WeightedRandom

# A slot costs 62 us to compute with 1,000 instances and nothing to look up, so computed ones
# are kept; weights without a common divisor would make the table endless, so only so many.
MAX_SLOTS_KEPT = 65_536


@balancers.register("wrr")
def weighted_round_robin(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    """Equal weights need no slots; either kind starts at a random place.

    Gateways and workers that all began with the heaviest instance would strike it together.
    """
    live = usable(instances)
    if not live:
        return NoBalancer()
    start = random.randrange(len(live))
    if len({instance.weight for instance in live}) == 1:
        return RoundRobin(live, start, random)
    return SmoothWeighted(live, start, random)


class Cycle(Balancer):
    """Goes through instances in an order without end.

    Picks that exclude somebody are made by chance: they repeat a call, and if they took slots of the
    main order, every first pick could meet the same bad instance. And when a machine dies, its
    instances are neighbours in any order: those who fled from one would only meet the next.
    """

    def __init__(self, instances: Sequence[Instance], start: int, random: Random) -> None:
        self._instances = instances
        self._random = random
        self._repeats: WeightedRandom | None = None

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self._repeating().pick(call, exclude, now) if exclude else self._next()

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self._repeating().peek(call, exclude, now) if exclude else self._coming()

    def _repeating(self) -> WeightedRandom:
        if self._repeats is None:
            self._repeats = WeightedRandom(self._instances, self._random)
        return self._repeats

    @abstractmethod
    def _next(self) -> Instance: ...

    @abstractmethod
    def _coming(self) -> Instance:
        """Whom :meth:`_next` will give."""


class RoundRobin(Cycle):
    """Instances of equal weight in turn; ``start`` is the index of the first pick."""

    def __init__(self, instances: Sequence[Instance], start: int, random: Random) -> None:
        super().__init__(instances, start, random)
        self._position = start - 1

    def _next(self) -> Instance:
        self._position = (self._position + 1) % len(self._instances)
        return self._instances[self._position]

    def _coming(self) -> Instance:
        return self._instances[(self._position + 1) % len(self._instances)]


class SmoothWeighted(Cycle):
    """The smooth order over the list rotated so that index ``start`` comes first.

    The first pick is slot 1, as in Kitex; slot 0 comes at the end of the first cycle.
    """

    def __init__(self, instances: Sequence[Instance], start: int, random: Random) -> None:
        rotated = [*instances[start:], *instances[:start]]
        self._weights = [instance.weight for instance in rotated]
        self._total = sum(self._weights)
        super().__init__(rotated, start, random)
        self._period = self._total // gcd(*self._weights)
        self._sums = [0] * len(rotated)
        self._slots = array("I")
        self._keeps = self._period <= MAX_SLOTS_KEPT
        self._position = 0
        self._compute_slot()

    def _next(self) -> Instance:
        self._position = (self._position + 1) % self._period
        if self._keeps and self._position < len(self._slots):
            return self._instances[self._slots[self._position]]
        return self._instances[self._compute_slot()]

    def _coming(self) -> Instance:
        position = (self._position + 1) % self._period
        if self._keeps and position < len(self._slots):
            return self._instances[self._slots[position]]
        sums = self._raised()
        return self._instances[sums.index(max(sums))]

    def _raised(self) -> list[int]:
        return [have + weight for have, weight in zip(self._sums, self._weights, strict=True)]

    def _compute_slot(self) -> int:
        sums = self._sums = self._raised()
        chosen = sums.index(max(sums))
        sums[chosen] -= self._total
        if self._keeps:
            self._slots.append(chosen)
        return chosen
