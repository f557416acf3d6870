"""From all instances of a service to those that a balancer is built from, best first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import evolve

from .instances import Instance

ZONE = "zone"
# With a smaller share of our zone's instances usable than this, zones do not count.
ZONE_SHARE = 0.7
# Each change of a weight makes a new order, so a slow start goes in steps.
STEPS = 10


def tiers(instances: Sequence[Instance], out: Collection[str], zone: str = "") -> list[list[Instance]]:
    """Those of a later tier are picked only when every one before has been tried.

    First come those of our zone, then all others, then those whose registration is in doubt,
    and at last those that were ejected: a doubtful instance is better than none.

    :param out: the addresses of those ejected.
    """
    well = [each for each in instances if each.address not in out]
    trusted = [each for each in well if not each.suspect]
    near = [each for each in trusted if zone and each.tags.get(ZONE) == zone]
    if near and len(near) >= ZONE_SHARE * sum(each.tags.get(ZONE) == zone for each in instances):
        of_zones = [near, [each for each in trusted if each.tags.get(ZONE) != zone]]
    else:
        of_zones = [trusted]
    suspect = [each for each in well if each.suspect]
    ejected = [each for each in instances if each.address in out]
    return [tier for tier in (*of_zones, suspect, ejected) if tier]


def slowed(instances: Sequence[Instance], steps: Mapping[str, int]) -> Sequence[Instance]:
    """The weight of an instance that is new grows to its whole in ten steps.

    :param steps: from 1 to 9, by the address of an instance that is not there yet.
    """
    if not steps:
        return instances
    # Weights are whole numbers; only their proportions count.
    return [evolve(each, weight=each.weight * steps.get(each.address, STEPS)) for each in instances]


def step(age: float, window: float) -> int:
    """How far an instance of this age has come, from 1 to 10."""
    return min(STEPS, max(1, int(age / window * STEPS)))
