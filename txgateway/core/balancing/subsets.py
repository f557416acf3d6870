"""Tag subsets: a call goes only to instances with a certain value of a tag, by any balancer among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from random import Random

from ..instances import Instance
from ..message import Call
from . import Balancer, BuildBalancer, Memory, NoBalancer


def subsets(build: BuildBalancer, tag: str, fall_back: bool = False) -> BuildBalancer:
    """Wraps a balancer; the call says which value it wants, and instances without the tag have the value "".

    :param fall_back: whether a call for which there is nobody may go to any instance.
    """

    def build_subsets(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
        return Subsets(instances, random, memory, build, tag, fall_back)

    return build_subsets


class Subsets(Balancer):
    def __init__(
        self,
        instances: Sequence[Instance],
        random: Random,
        memory: Memory,
        build: BuildBalancer,
        tag: str,
        fall_back: bool,
    ) -> None:
        members: defaultdict[str, list[Instance]] = defaultdict(list)
        for instance in instances:
            members[instance.tags.get(tag, "")].append(instance)
        self._tag = tag
        self._subsets = {value: build(each, random, memory) for value, each in members.items()}
        self._everybody = build(instances, random, memory) if fall_back else NoBalancer()

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        subset = self._subsets.get(call.subset)
        picked = subset.pick(call, exclude, now) if subset is not None else None
        return picked or self._everybody.pick(call, exclude, now)

    def began(self, instance: Instance) -> None:
        self._subset_of(instance).began(instance)

    def ended(self, instance: Instance, now: float, seconds: float | None) -> None:
        self._subset_of(instance).ended(instance, now, seconds)

    def cost(self, instance: Instance) -> float | None:
        return self._subset_of(instance).cost(instance)

    def work(self) -> Iterator[None]:
        return chain.from_iterable(each.work() for each in (*self._subsets.values(), self._everybody))

    def _subset_of(self, instance: Instance) -> Balancer:
        """Where the instance's own state is; ``everybody`` shares it by the memory."""
        return self._subsets[instance.tags.get(self._tag, "")]
