"""Consistent hashing: calls with the same key go to the same instance, and a change moves few keys.

Each instance has virtual nodes on a ring, as many as its weight asks for; a key goes to the
first one behind its hash. The hash is stable, so all gateways and workers agree. An instance
that is excluded hands its keys to the next ones on the ring. A call without a key is given to
the less loaded of two instances.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from math import gcd
from random import Random

from attrs import frozen

from ..instances import Instance
from ..message import Call
from . import Balancer, Memory, NoBalancer, balancers, usable
from .least_request import LeastRequest
from .two_choices import Load

# Per unit of weight, as in Kitex: shares are then within a few percent.
VIRTUAL_NODES = 100
# Of all instances together: weights are rounded where there would be more. 3 MB, half a second of work.
MAX_VIRTUAL_NODES = 200_000
# So many take 0.5 ms to hash: one slice of work.
_SLICE = 200
# As many are hashed on the spot; 5 ms.
_AT_ONCE = 2_000
# A ring of an earlier set may hold many that are no longer there; so many are passed over.
_MAX_STEPS = 1_000

# A node is a number of 64 bits: the upper 44 of its hash, then the index of its instance. Arrays of them, since the
# garbage collector looks through lists: 30 ms for those of 1,000 instances.
_INDEX_BITS = 20
_INDEX = (1 << _INDEX_BITS) - 1
_HASH = ~_INDEX
_BUCKET_SHIFT = 64 - 8

# The hashes of an instance's virtual nodes by its address, in the order of their numbers.
Hashes = dict[str, "array[int]"]


def stable_hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


@frozen(eq=False)
class Ring:
    """Virtual nodes by their hashes.

    :ivar nodes: sorted; the index is that in ``addresses``.
    """

    addresses: Sequence[str] = ()
    nodes: Sequence[int] = ()

    def owners(self, key: bytes) -> Iterator[str]:
        """Addresses in the order in which they would take this key, each as often as it is met; none for no key."""
        if not key or not self.nodes:
            return
        start = bisect_right(self.nodes, stable_hash(key) | _INDEX)
        for position in range(start - len(self.nodes), start):
            yield self.addresses[self.nodes[position] & _INDEX]


class RingBuilder:
    """Makes a ring in slices: hash, sort into buckets, join them.

    Buckets, since to sort 200,000 numbers in one go would hold everything up for 100 ms.

    :param hashes: what is known already; what is added stays in it.
    """

    def __init__(self, counts: dict[str, int], hashes: Hashes) -> None:
        self._counts = counts
        self._hashes = hashes
        self.ring = Ring()

    def slices(self) -> Iterator[None]:
        buckets = [array("Q") for _ in range(256)]
        for index, (address, count) in enumerate(self._counts.items()):
            known = self._hashes.setdefault(address, array("Q"))
            while len(known) < count:
                upto = min(count, len(known) + _SLICE)
                known.extend(stable_hash(b"%b#%d" % (address.encode(), n)) for n in range(len(known), upto))
                yield
            for hashed in known[:count]:
                node = hashed & _HASH | index
                buckets[node >> _BUCKET_SHIFT].append(node)
            yield
        nodes = array("Q")
        for bucket in buckets:
            nodes.extend(sorted(bucket))
            yield
        self.ring = Ring(tuple(self._counts), nodes)


def virtual_nodes(instances: Sequence[Instance], factor: int = VIRTUAL_NODES, weighted: bool = True) -> dict[str, int]:
    """How many virtual nodes each instance gets, by its address; one at least, if its weight is above zero."""
    if not weighted:
        return {instance.address: factor for instance in instances}
    live = usable(instances)
    unit = gcd(*(instance.weight for instance in live)) or 1
    total = sum(instance.weight for instance in live) // unit * factor
    shrink = max(1.0, total / MAX_VIRTUAL_NODES)
    return {i.address: max(1, int(i.weight // unit * factor / shrink)) for i in live}


@balancers.register("hash")
def consistent_hash(instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer:
    live = usable(instances)
    return ConsistentHash(live, random, memory) if live else NoBalancer()


class _Known(Load):
    __slots__ = ("hashes",)

    def __init__(self) -> None:
        super().__init__()
        self.hashes = array("Q")


class ConsistentHash(Balancer):
    """A small ring is there at once. While a big one is made, that of the set before serves, or chance."""

    def __init__(self, live: Sequence[Instance], random: Random, memory: Memory) -> None:
        self._live = {instance.address: instance for instance in live}
        self._keyless = LeastRequest(live, random, memory, _Known)
        self._memory = memory
        counts = virtual_nodes(live)
        hashes = {address: memory.instances[address].hashes for address in counts}
        self._builder = RingBuilder(counts, hashes)
        self._ring: Ring = memory.whole or Ring()
        if sum(counts.values()) <= _AT_ONCE:
            for _ in self._build():
                pass

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self._owner(call, exclude) or self._keyless.pick(call, exclude, now)

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return self._owner(call, exclude) or self._keyless.peek(call, exclude, now)

    def _owner(self, call: Call, exclude: Collection[Instance]) -> Instance | None:
        """None if the call has no key, or if nobody was found for it."""
        excluded = {instance.address for instance in exclude}
        if len(excluded) >= len(self._live) and self._live.keys() <= excluded:
            return None
        for step, address in enumerate(self._ring.owners(call.hash_key)):
            if address in self._live and address not in excluded:
                return self._live[address]
            if step == _MAX_STEPS:
                break
        return None

    def began(self, instance: Instance) -> None:
        self._keyless.began(instance)

    def ended(self, instance: Instance, now: float, seconds: float | None) -> None:
        self._keyless.ended(instance, now, seconds)

    def work(self) -> Iterator[None]:
        # Nothing here keeps it: a balancer that is replaced half way must be gone at once, since a thousand
        # of them would wait for the garbage collector, and it for a tenth of a second when it comes.
        return iter(()) if self._ring is self._builder.ring else self._build()

    def _build(self) -> Iterator[None]:
        yield from self._builder.slices()
        self._ring = self._memory.whole = self._builder.ring
