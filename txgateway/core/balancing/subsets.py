"""Tag subsets: a call goes only to instances with certain values of some tags, by any balancer among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from random import Random

from ..instances import Instance
from ..message import Call
from . import Balancer, BuildBalancer, Memory, NoBalancer

# In ``Call.subset`` this stands between the values of several tags.
BETWEEN_TAGS = "\0"


def subsets(build: BuildBalancer, tags: Sequence[str], fall_back: bool = False) -> BuildBalancer:
    """Wraps a balancer; the call says which values it wants, and instances without a tag have the value "" in it.

    :param fall_back: whether a call for which there is nobody may go to any instance.
    """

    def build_subsets(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
        return Subsets(instances, random, memory, build, tags, fall_back)

    return build_subsets


class Subsets(Balancer):
    def __init__(
        self,
        instances: Sequence[Instance],
        random: Random,
        memory: Memory,
        build: BuildBalancer,
        tags: Sequence[str],
        fall_back: bool,
    ) -> None:
        members: defaultdict[str, list[Instance]] = defaultdict(list)
        self._tags = tags
        for instance in instances:
            members[self._key(instance)].append(instance)
        self._subsets = {value: build(each, random, memory) for value, each in members.items()}
        self._everybody = build(instances, random, memory) if fall_back else NoBalancer()

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        subset = self._subsets.get(call.subset)
        picked = subset.pick(call, exclude, now) if subset is not None else None
        return picked or self._everybody.pick(call, exclude, now)

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        subset = self._subsets.get(call.subset)
        peeked = subset.peek(call, exclude, now) if subset is not None else None
        return peeked or self._everybody.peek(call, exclude, now)

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
        return self._subsets[self._key(instance)]

    def _key(self, instance: Instance) -> str:
        return BETWEEN_TAGS.join(instance.tags.get(tag, "") for tag in self._tags)
