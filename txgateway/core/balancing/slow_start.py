"""Slow start: the weight of an instance that is new grows to its whole in ten steps.

In steps, since each change of a weight makes a new order of picks. Not for ``hash``: there
each step would move keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from attrs import evolve

from ..instances import Instance
from . import Balancer, BuildBalancer, Memory

STEPS = 10


def slow_start(build: BuildBalancer, steps: Mapping[str, int]) -> BuildBalancer:
    """Wraps a balancer.

    :param steps: how far those have come that are not there yet, from 1 to 9, by their addresses.
    """

    def build_slow(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
        # Weights are whole numbers; only their proportions count.
        scaled = [evolve(each, weight=each.weight * steps.get(each.address, STEPS)) for each in instances]
        return build(scaled, random, memory)

    return build_slow if steps else build


def step_at(age: float, window: float) -> int:
    """How far an instance of this age has come, from 1 to 10."""
    return min(STEPS, max(1, int(age / window * STEPS)))
