"""Tiers: instances of a later one are picked only when every one before it is excluded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from random import Random

from ..instances import Instance
from ..message import Call
from . import Balancer, BuildBalancer, Memory, NoBalancer


def build_tiers(tiers: Sequence[Sequence[Instance]], random: Random, memory: Memory, build: BuildBalancer) -> Balancer:
    """A balancer for the instances of all tiers; what has one tier only pays for no more."""
    built = [build(tier, random, memory) for tier in tiers if tier]
    if len(built) < 2:
        return built[0] if built else NoBalancer()
    return Tiers(built, [tier for tier in tiers if tier])


class Tiers(Balancer):
    def __init__(self, balancers: Sequence[Balancer], tiers: Sequence[Sequence[Instance]]) -> None:
        self._balancers = balancers
        self._of = {each.address: balancer for balancer, tier in zip(balancers, tiers, strict=True) for each in tier}

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        for balancer in self._balancers:
            if (instance := balancer.pick(call, exclude, now)) is not None:
                return instance
        return None

    def began(self, instance: Instance) -> None:
        self._of[instance.address].began(instance)

    def ended(self, instance: Instance, now: float, seconds: float | None) -> None:
        self._of[instance.address].ended(instance, now, seconds)

    def cost(self, instance: Instance) -> float | None:
        return self._of[instance.address].cost(instance)

    def work(self) -> Iterator[None]:
        return chain.from_iterable(balancer.work() for balancer in self._balancers)
