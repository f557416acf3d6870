"""The power of two choices: of two instances drawn by chance, the one with the smaller load.

Nearly as good as looking at all of them, in constant time; and gateways that know nothing of
each other do not all turn to the same best instance.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Generic, TypeVar

from ..instances import Instance
from ..message import Call
from . import Balancer, Memory


class Load:
    """What is known of one instance; it stays when the set around it changes.

    :ivar active: calls that it has and has not answered.
    """

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active = 0


L = TypeVar("L", bound=Load)


class Candidate(Generic[L]):
    """An instance of one set, and what is known of it; ``scale`` is 1 at the mean weight, 2 at half of it."""

    __slots__ = ("instance", "load", "scale")

    def __init__(self, instance: Instance, load: L, scale: float) -> None:
        self.instance = instance
        self.load = load
        self.scale = scale


class TwoChoices(Balancer, Generic[L]):
    """:param instances: with weights above zero, at least one."""

    def __init__(self, instances: Sequence[Instance], random: Random, memory: Memory, new: type[L]) -> None:
        mean = sum(instance.weight for instance in instances) / len(instances)
        self._candidates: list[Candidate[L]] = [
            Candidate(each, memory.instances.setdefault(each.address, new()), mean / each.weight) for each in instances
        ]
        self._by_address = {each.instance.address: each for each in self._candidates}
        self._chance = random.random

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self._choose(exclude, now, self._weigh)

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self._choose(exclude, now, self._weigh_unseen)

    def _choose(
        self, exclude: Collection[Instance], now: float, weigh: Callable[[Candidate[L], float], float]
    ) -> Instance | None:
        candidates = self._candidates
        if exclude:
            excluded = {instance.address for instance in exclude}
            candidates = [each for each in candidates if each.instance.address not in excluded]
        count = len(candidates)
        if count < 2:
            return candidates[0].instance if candidates else None
        # Three times as fast as randrange; the bias is that of 53 bits.
        first = int(self._chance() * count)
        second = int(self._chance() * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        return (one if weigh(one, now) <= weigh(other, now) else other).instance

    def began(self, instance: Instance) -> None:
        self._by_address[instance.address].load.active += 1

    def ended(self, instance: Instance, now: float, seconds: float | None) -> None:
        self._by_address[instance.address].load.active -= 1

    def active(self, instance: Instance) -> int:
        """Calls that this instance has and has not answered."""
        return self._by_address[instance.address].load.active

    @abstractmethod
    def _weigh(self, candidate: Candidate[L], now: float) -> float:
        """The load; it may be noted that it was looked at."""

    def _weigh_unseen(self, candidate: Candidate[L], now: float) -> float:
        """The same, and nothing is noted."""
        return self._weigh(candidate, now)
