"""Weighted random: each pick by chance alone, in proportion to the weights.

``random`` looks for the instance in the running sums of the weights. ``alias`` (Walker's
method, as Vose builds it) takes constant time: one column per instance, each shared by at most two.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate
from random import Random

from ..instances import Instance
from ..message import Call
from . import Balancer, Memory, NoBalancer, balancers, usable

# So often it is drawn again before all that are left are looked through; that costs as much as a hundred.
_DRAWS = 16


@balancers.register("random")
def weighted_random(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    live = usable(instances)
    return WeightedRandom(live, random) if live else NoBalancer()


@balancers.register("alias")
def weighted_random_with_alias(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    live = usable(instances)
    return Alias(live, random) if live else NoBalancer()


class Drawn(Balancer):
    """Each pick by chance; one that meets somebody excluded draws again."""

    def __init__(self, instances: Sequence[Instance], random: Random) -> None:
        self._instances = instances
        self._random = random

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        if not exclude:
            return self._draw()
        excluded = {instance.address for instance in exclude}
        for _ in range(_DRAWS):
            if (instance := self._draw()).address not in excluded:
                return instance
        # A heavy one may be met again and again, and perhaps nobody is left.
        others = [instance for instance in self._instances if instance.address not in excluded]
        return self._random.choices(others, [instance.weight for instance in others])[0] if others else None

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self.pick(call, exclude, now)

    @abstractmethod
    def _draw(self) -> Instance: ...


class WeightedRandom(Drawn):
    def __init__(self, instances: Sequence[Instance], random: Random) -> None:
        super().__init__(instances, random)
        self._sums = list(accumulate(instance.weight for instance in instances))

    def _draw(self) -> Instance:
        return self._instances[bisect_right(self._sums, self._random.randrange(self._sums[-1]))]


class Alias(Drawn):
    def __init__(self, instances: Sequence[Instance], random: Random) -> None:
        super().__init__(instances, random)
        self.probabilities, self.aliases = alias_tables([instance.weight for instance in instances])

    def _draw(self) -> Instance:
        column = self._random.randrange(len(self._instances))
        if self._random.random() >= self.probabilities[column]:
            column = self.aliases[column]
        return self._instances[column]


def alias_tables(weights: Sequence[int]) -> tuple[list[float], list[int]]:
    """For each column: the chance of its own instance, and the index of the one that has the rest."""
    total, count = sum(weights), len(weights)
    probabilities, aliases = [1.0] * count, [0] * count
    scaled = [weight * count / total for weight in weights]
    small = [index for index, share in enumerate(scaled) if share < 1]
    large = [index for index, share in enumerate(scaled) if share >= 1]
    while small and large:
        less, more = small.pop(), large.pop()
        probabilities[less], aliases[less] = scaled[less], more
        scaled[more] -= 1 - scaled[less]
        (small if scaled[more] < 1 else large).append(more)
    # What rounding left over has a column of its own.
    return probabilities, aliases
