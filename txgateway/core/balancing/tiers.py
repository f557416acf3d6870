"""Tiers: instances of a later one are picked only when every one before it is excluded.

First come those of our zone, then all others, then those whose registration is in doubt, and at
last those that were ejected: a doubtful instance is better than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from random import Random

from ..instances import Instance
from ..message import Call
from . import Balancer, BuildBalancer, Memory, NoBalancer

# The tag that names an instance's zone.
ZONE = "zone"
# With a smaller share of our zone's instances usable than this, zones do not count.
ZONE_SHARE = 0.7


def tiered(build: BuildBalancer, ejected: Collection[str] = (), zone: str = "") -> BuildBalancer:
    """Wraps a balancer; where all instances are in one tier, that costs nothing.

    :param ejected: addresses.
    :param zone: ours; empty: zones do not count.
    """

    def build_tiers(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
        tiers = tiers_of(instances, ejected, zone)
        built = [build(tier, random, memory) for tier in tiers]
        if len(built) < 2:
            return built[0] if built else NoBalancer()
        return Tiers(built, tiers)

    return build_tiers


def tiers_of(instances: Sequence[Instance], ejected: Collection[str], zone: str) -> list[Sequence[Instance]]:
    """The best first; none of them is empty."""
    well = [each for each in instances if each.address not in ejected]
    trusted = [each for each in well if not each.suspect]
    suspect = [each for each in well if each.suspect]
    out = [each for each in instances if each.address in ejected]
    return [tier for tier in (*_by_zone(instances, trusted, zone), suspect, out) if tier]


def _by_zone(instances: Sequence[Instance], trusted: Sequence[Instance], zone: str) -> list[Sequence[Instance]]:
    ours = [zone != "" and each.tags.get(ZONE) == zone for each in trusted]
    if sum(ours) < ZONE_SHARE * sum(each.tags.get(ZONE) == zone for each in instances):
        return [trusted]
    near = [each for each, is_near in zip(trusted, ours, strict=True) if is_near]
    return [near, [each for each, is_near in zip(trusted, ours, strict=True) if not is_near]]


class Tiers(Balancer):
    def __init__(self, balancers: Sequence[Balancer], tiers: Sequence[Sequence[Instance]]) -> None:
        self._balancers = balancers
        self._of = {each.address: balancer for balancer, tier in zip(balancers, tiers, strict=True) for each in tier}

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        for balancer in self._balancers:
            if (instance := balancer.pick(call, exclude, now)) is not None:
                return instance
        return None

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        for balancer in self._balancers:
            if (instance := balancer.peek(call, exclude, now)) is not None:
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
