"""The balancers of one service: one for each choice that its methods make, built anew when its instances change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from random import Random

from .balancing import Balancer, BuildBalancer, Memory, balancers, unspent
from .balancing.slow_start import slow_start
from .balancing.subsets import subsets
from .balancing.tiers import tiered
from .instances import Instance
from .message import Call
from .policy import Choice


class Pickers(dict[Choice, Balancer]):
    """Builds what is asked for and is not there.

    :param zone: ours; see ``tiers``.
    """

    def __init__(self, random: Random, zone: str = "") -> None:
        super().__init__()
        self._random = random
        self._zone = zone
        self._memories: dict[Choice, Memory] = {}
        self._instances: Sequence[Instance] = ()
        self._ejected: Collection[str] = ()
        self._steps: Mapping[str, int] = {}

    def __missing__(self, choice: Choice) -> Balancer:
        memory = self._memories.setdefault(choice, Memory())
        built = self[choice] = self._builder(choice)(self._instances, self._random, memory)
        return built

    def rebuild(self, instances: Sequence[Instance], ejected: Collection[str], steps: Mapping[str, int]) -> None:
        """Who comes back from an ejection is known to nobody: what was learnt of it is why it was shunned.

        :param ejected: addresses of those to be left out.
        :param steps: of those whose start is slow, by address.
        """
        back = set(self._ejected) - set(ejected)
        self._instances, self._ejected, self._steps = instances, ejected, steps
        known = {instance.address for instance in instances} - back
        for choice, memory in self._memories.items():
            memory.keep(known)
            self.__missing__(choice)

    def keep(self, choices: Iterable[Choice]) -> None:
        """These will be asked for, and no others."""
        wanted = set(choices)
        for choice in self.keys() - wanted:
            del self[choice], self._memories[choice]
        for choice in wanted - self.keys():
            self.__missing__(choice)

    def cost(self, instance: Instance) -> float | None:
        """What a call to it is expected to take in seconds, if any balancer measures that."""
        costs = (balancer.cost(instance) for balancer in self.values())
        return next((cost for cost in costs if cost is not None), None)

    def peek(self, call: Call, now: float) -> Instance | None:
        """Whom the next such call will go to if no other comes first, which is not changed by that.

        None if there is nobody, or if that cannot be told.
        """
        balancer = self.get(call.policy.choice)
        if balancer is None:
            return None
        with unspent(self._random):
            return balancer.peek(call, (), now)

    def work(self) -> Iterator[None]:
        """What is left to compute for the balancers that there are now."""
        return chain.from_iterable([balancer.work() for balancer in self.values()])

    def _builder(self, choice: Choice) -> BuildBalancer:
        """The balancer and what is wrapped around it, from the inside out."""
        build = balancers[choice.balancer]
        if choice.balancer != "hash":
            # A ring whose weights grow would move keys at each step.
            build = slow_start(build, self._steps)
        # Who is preferred is asked within a subset: a call must not leave it for a better instance.
        build = tiered(build, self._ejected, self._zone)
        return subsets(build, choice.tags, choice.tag_fallback) if choice.tags else build
