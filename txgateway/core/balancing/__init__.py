"""pick: which instance takes the next call; one file per policy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import Protocol

from ..extension import Extensions
from ..instances import Instance
from ..message import Call


class Balancer(Protocol):
    """Built from one snapshot of a service's instances; a change of the set builds the next one.

    All state lives in the reactor thread. ``pick`` neither waits nor raises.
    """

    def pick(self, call: Call, exclude: Collection[Instance] = ()) -> Instance | None:
        """The instance for this call, or None if there is none outside ``exclude``."""
        ...


class BuildBalancer(Protocol):
    """``instances`` come in discovery order, on which the sequence of picks depends."""

    def __call__(self, instances: Sequence[Instance], random: Random) -> Balancer: ...


balancers: Extensions[BuildBalancer] = Extensions(__name__)


class NoBalancer:
    """What remains when no instance has a weight: it picks nothing."""

    def pick(self, call: Call, exclude: Collection[Instance] = ()) -> Instance | None:
        return None


def usable(instances: Sequence[Instance]) -> list[Instance]:
    """Those with a weight above zero, in the order given."""
    return [instance for instance in instances if instance.weight > 0]
