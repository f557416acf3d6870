"""Interleaved weighted round robin: in proportion to the weights, in constant time, without a table.

Kitex's second policy. Two queues, one for this cycle and one for the next. The head of the
queue is picked and pays the greatest common divisor of all weights; while it has something
left it goes to the tail, else it waits for the next cycle with its whole weight again.
Burstier than the smooth order towards the end of a cycle: 5, 1, 1 gives a b c a a a a.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import gcd
from random import Random

from attrs import define

from ..instances import Instance
from . import Balancer, Memory, NoBalancer, balancers, usable
from .weighted_round_robin import Cycle


@balancers.register("iwrr")
def interleaved_round_robin(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    live = usable(instances)
    return InterleavedWeighted(live, random.randrange(len(live)), random) if live else NoBalancer()


@define(eq=False)
class _Turn:
    instance: Instance
    left: int


class InterleavedWeighted(Cycle):
    """``start`` is the index of the first pick."""

    def __init__(self, instances: Sequence[Instance], start: int, random: Random) -> None:
        super().__init__(instances, start, random)
        rotated = [*instances[start:], *instances[:start]]
        self._price = gcd(*(instance.weight for instance in instances))
        self._current = deque(_Turn(instance, instance.weight) for instance in rotated)
        self._next_cycle: deque[_Turn] = deque()

    def _next(self) -> Instance:
        if not self._current:
            self._current, self._next_cycle = self._next_cycle, self._current
        turn = self._current.popleft()
        turn.left -= self._price
        if turn.left > 0:
            self._current.append(turn)
        else:
            turn.left = turn.instance.weight
            self._next_cycle.append(turn)
        return turn.instance

    def _coming(self) -> Instance:
        return (self._current or self._next_cycle)[0].instance
