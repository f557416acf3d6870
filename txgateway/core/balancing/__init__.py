"""pick: which instance takes the next call; one file per way to choose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import contextmanager
from random import Random
from typing import Any, Protocol

from ..extension import Extensions
from ..instances import Instance
from ..message import Call


class Balancer(ABC):
    """Built from one snapshot of a service's instances; a change of the set builds the next one.

    All state lives in the reactor thread. Nothing here waits or raises. Times are those of one
    monotonic clock, in seconds.
    """

    @abstractmethod
    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        """The instance for this call, or None if there is none outside ``exclude``."""

    def peek(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        """Whom :meth:`pick` would give this call to now, if no other call came first; nothing is moved or noted.

        None if there is none, or if that cannot be told. What it draws by chance is to be given back; see ``unspent``.
        """
        return None

    # Most have nothing to learn from calls, so these two need not be written.
    def began(self, instance: Instance) -> None:  # noqa: B027
        """A call was given to this instance; :meth:`ended` is told of the same call in the end."""

    def ended(self, instance: Instance, now: float, seconds: float | None) -> None:  # noqa: B027
        """:param seconds: how long the call took; all the time it was given if it failed, so that failing
        fast attracts nobody; None if nothing was learnt, since the caller gave up.
        """

    def cost(self, instance: Instance) -> float | None:
        """What a call to this instance is expected to take, in seconds; None if that is not measured."""
        return None

    def work(self) -> Iterator[None]:
        """What is left to compute, in slices of about half a millisecond, to be run in the reactor's idle time.

        Picks are good from the start; where there is work they get better by it.
        """
        return iter(())


class Memory:
    """What balancers leave to those built after them, for one service and one policy.

    :ivar instances: by the address of an instance.
    :ivar whole: of the set as a whole.
    """

    def __init__(self) -> None:
        self.instances: dict[str, Any] = {}
        self.whole: Any = None

    def keep(self, addresses: Set[str]) -> None:
        """Forget all other instances."""
        for address in self.instances.keys() - addresses:
            del self.instances[address]


class BuildBalancer(Protocol):
    """``instances`` come in discovery order, on which the sequence of picks depends."""

    def __call__(self, instances: Sequence[Instance], random: Random, memory: Memory) -> Balancer: ...


balancers: Extensions[BuildBalancer] = Extensions(__name__)


class NoBalancer(Balancer):
    """What remains when no instance has a weight: it picks nothing."""

    def pick(self, call: Call, exclude: Collection[Instance] = (), now: float = 0.0) -> Instance | None:
        return None


@contextmanager
def unspent(random: Random) -> Iterator[None]:
    """What is drawn within will be drawn once more."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def usable(instances: Sequence[Instance]) -> list[Instance]:
    """Those with a weight above zero, in the order given."""
    return [instance for instance in instances if instance.weight > 0]
