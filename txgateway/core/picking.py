"""The balancers of one service: one for each choice that its methods make, built anew when its instances change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from random import Random

from .balancing import Balancer, BuildBalancer, Memory, balancers
from .balancing.slow_start import slow_start
from .balancing.subsets import subsets
from .balancing.tiers import tiered
from .instances import Instance
from .policy import Choice


class Pickers:
    """:param zone: ours; see ``tiers``."""

    def __init__(self, random: Random, zone: str = "") -> None:
        self._random = random
        self._zone = zone
        self._choices: dict[str, Choice] = {}
        self._built: dict[str, Balancer] = {}
        self._memories: dict[str, Memory] = {}
        self._instances: Sequence[Instance] = ()
        self._ejected: Collection[str] = ()
        self._steps: Mapping[str, int] = {}

    def __getitem__(self, choice: Choice) -> Balancer:
        return self._built.get(choice.key) or self._build(choice)

    def rebuild(self, instances: Sequence[Instance], ejected: Collection[str], steps: Mapping[str, int]) -> None:
        """:param ejected: addresses of those to be left out.
        :param steps: of those whose start is slow, by address.
        """
        self._instances, self._ejected, self._steps = instances, ejected, steps
        present = {instance.address for instance in instances}
        for key, memory in self._memories.items():
            memory.keep(present)
            self._build(self._choices[key])

    def keep(self, choices: Iterable[Choice]) -> None:
        """These will be asked for, and no others."""
        wanted = {choice.key: choice for choice in choices}
        for key in self._choices.keys() - wanted.keys():
            del self._choices[key], self._memories[key], self._built[key]
        for key in wanted.keys() - self._choices.keys():
            self._build(wanted[key])

    def cost(self, instance: Instance) -> float | None:
        """What a call to it is expected to take in seconds, if any balancer measures that."""
        costs = (balancer.cost(instance) for balancer in self._built.values())
        return next((cost for cost in costs if cost is not None), None)

    def work(self) -> Iterator[None]:
        """What is left to compute for the balancers that there are now."""
        return chain.from_iterable([balancer.work() for balancer in self._built.values()])

    def _build(self, choice: Choice) -> Balancer:
        self._choices[choice.key] = choice
        memory = self._memories.setdefault(choice.key, Memory())
        built = self._built[choice.key] = self._builder(choice)(self._instances, self._random, memory)
        return built

    def _builder(self, choice: Choice) -> BuildBalancer:
        """The balancer and what is wrapped around it, from the inside out."""
        build = balancers[choice.balancer]
        if choice.balancer != "hash":
            # A ring whose weights grow would move keys at each step.
            build = slow_start(build, self._steps)
        # Who is preferred is asked within a subset: a call must not leave it for a better instance.
        build = tiered(build, self._ejected, self._zone)
        return subsets(build, choice.tag, choice.tag_fallback) if choice.tag else build
