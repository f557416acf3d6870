"""Least request: of two instances drawn by chance, the one with fewer calls for its weight.

A slow instance keeps its calls longer, so it gets fewer. It needs no latencies to be measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..instances import Instance
from . import Balancer, Memory, NoBalancer, balancers, usable
from .two_choices import Candidate, Load, TwoChoices


@balancers.register("p2c")
def least_request(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    live = usable(instances)
    return LeastRequest(live, random, memory, Load) if live else NoBalancer()


class LeastRequest(TwoChoices[Load]):
    def _weigh(self, candidate: Candidate[Load], now: float) -> float:
        return (candidate.load.active + 1) * candidate.scale
