"""Which instance a call goes to, and why not to the others; nothing is picked, so no turn is taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from ..balancing.consistent_hash import RingBuilder, virtual_nodes
from ..balancing.subsets import BETWEEN_TAGS
from ..balancing.tiers import ZONE, tiers_of
from ..health.standing import Governance
from ..instances import Instance
from ..message import Call
from ..policy import Choice
from .story import Candidate, PickStory
from .words import count_of, listed, similar

# So many instances are told of, and so many names where there is none.
MOST_INSTANCES = 50
MOST_NAMES = 10

_EJECTED, _OPEN = "ejected", "open"

_WAYS = {
    "wrr": "in turn, in proportion to the weights (weighted round robin)",
    "iwrr": "in turn, in proportion to the weights (interleaved weighted round robin)",
    "random": "by chance, in proportion to the weights",
    "alias": "by chance, in proportion to the weights",
    "hash": "by the hash of the call's key",
    "p2c": "of two drawn by chance, the one with fewer calls for its weight",
    "ewma": "of two drawn by chance, the one that is expected to answer sooner",
}
# Those whose shares are the weights'.
_BY_WEIGHT = frozenset({"wrr", "iwrr", "random", "alias"})
_KEYED = "hash"
_KEYLESS = "the call has no key, so " + _WAYS["p2c"]

# What is known of an instance, by its address: as ``Upstream.status`` has it.
Standing = Mapping[str, Mapping[str, Any]]


@frozen
class Seen:
    """The instances of a service at one moment.

    :ivar instances: in discovery order.
    :ivar standing: what is known of each beside; nothing is needed.
    :ivar hints: what may be wrong if there are none.
    :ivar next: the address of the one that would be picked now; empty: not known.
    """

    instances: Sequence[Instance]
    standing: Standing = field(factory=dict)
    governance: Governance = field(factory=Governance)
    hints: tuple[str, ...] = ()
    next: str = ""


def tell_pick(call: Call, seen: Seen) -> PickStory:
    """Whom the call goes to, of these."""
    view, instances = _View(call, seen), seen.instances
    candidates = sorted(map(view.candidate, instances), key=lambda each: bool(each.excluded))
    shown = tuple(candidates[:MOST_INSTANCES])
    return PickStory(
        call.policy.choice.balancer,
        view.chosen,
        view.why(),
        view.available,
        shown,
        len(candidates) - len(shown),
        seen.hints,
    )


def hints(service: str, known: Iterable[str], registries: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What may be wrong where a service has no instance.

    :param known: names of the services that have instances.
    :param registries: as ``Registry.summary`` has them.
    """
    return tuple(_hints(service, sorted(set(known) - {service}), registries))


def _hints(service: str, known: Sequence[str], registries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for each in registries:
        if not each.get("ready", True):
            yield f"the registry {each.get('kind')} has not been read yet"
        for prefix in each.get("prefixes", ()):
            if prefix.get("trouble"):
                yield f"the registry {each.get('kind')} is in trouble: {prefix['trouble']}"
    near = similar(service, known)
    if near:
        yield f"there are instances of {near!r}; a service's name is that of its IDL file, or its tgw.name"
    elif known:
        more = len(known) - MOST_NAMES
        names = [*known[:MOST_NAMES], *([f"{more} more"] if more > 0 else [])]
        yield f"there are instances of {listed(names)}"
    else:
        yield "no service has an instance"


@frozen
class _Members:
    """The instances that the balancer chooses among.

    :ivar tiers: of the wanted subset, the best first.
    :ivar note: how they came to be these, if that is not plain.
    """

    tiers: Sequence[Sequence[Instance]]
    note: str = ""


class _View:
    """The instances as the balancer of a call sees them."""

    def __init__(self, call: Call, seen: Seen) -> None:
        self._call = call
        self._choice: Choice = call.policy.choice
        self._instances = seen.instances
        self._standing = seen.standing
        self._governance = seen.governance
        out = {address for address, known in seen.standing.items() if known.get("state") == _EJECTED}
        open_ = {address for address, known in seen.standing.items() if known.get("breaker") == _OPEN}
        self._panics = self._too_few(out)
        self._ejected: Collection[str] = () if self._panics else out
        self._open: Collection[str] = () if self._too_few(out | open_) else open_
        self._members = self._find_members()
        self._first = self._members.tiers[0] if self._members.tiers else ()
        self._total = sum(each.weight for each in self._first)
        self._certain = self._find_certain()
        self._next = seen.next

    @property
    def available(self) -> bool:
        return bool(self._first)

    @property
    def chosen(self) -> str:
        """Its address; empty if only chance, or the turn, will tell."""
        if self._certain is not None:
            return self._certain.address
        return self._next if self._is_next_free else ""

    @property
    def _is_next_free(self) -> bool:
        """Whether the next one is known, and nothing is in its way."""
        return self._next not in self._open and any(each.address == self._next for each in self._first)

    def why(self) -> str:
        if not self._first:
            return self._members.note or "there is no instance"
        balancer = self._choice.balancer
        way = _WAYS.get(balancer, f"by the balancer {balancer}")
        if balancer == _KEYED and not self._call.hash_key:
            way = _KEYLESS
        among = f"among {count_of(len(self._first), 'instance')}" if len(self._first) > 1 else "it is the only one"
        panic = "so many are ejected that ejections do not count" if self._panics else ""
        turn = "it is the next, if no other call comes first" if self._certain is None and self._is_next_free else ""
        return "; ".join(part for part in (f"{way}, {among}", turn, self._members.note, panic) if part)

    def candidate(self, instance: Instance) -> Candidate:
        known = self._standing.get(instance.address, {})
        error = known.get("last_error")
        return Candidate(
            instance.address,
            instance.weight,
            known.get("state", "suspect" if instance.suspect else "live"),
            self._share(instance),
            self._excluded(instance),
            known.get("in_flight", 0),
            f"{error['what']}, {error['seconds_ago']:g} s ago" if error else "",
            dict(instance.tags),
        )

    def _too_few(self, unusable: Collection[str]) -> bool:
        """Whether so few instances are left that ejections and circuits do not count; see ``health.standing``."""
        count = len(self._instances)
        return count - len(unusable) < self._governance.panic * count

    def _find_members(self) -> _Members:
        choice, note = self._choice, ""
        members = [each for each in self._instances if not choice.tags or self._subset_of(each) == self._call.subset]
        if not members and self._instances:
            note = f"no instance has {self._wanted()}"
            if choice.tag_fallback:
                members, note = list(self._instances), f"{note}, so any may take the call"
        return _Members(tiers_of(members, self._ejected, self._governance.zone), note)

    def _subset_of(self, instance: Instance) -> str:
        return BETWEEN_TAGS.join(instance.tags.get(tag, "") for tag in self._choice.tags)

    def _wanted(self) -> str:
        return listed(map("=".join, zip(self._choice.tags, self._call.subset.split(BETWEEN_TAGS), strict=False)))

    def _find_certain(self) -> Instance | None:
        """None if only chance, or the turn, will tell."""
        if len(self._first) == 1:
            return self._first[0]
        if self._choice.balancer != _KEYED or not self._call.hash_key or not self._first:
            return None
        builder = RingBuilder(virtual_nodes(self._first), {})
        for _ in builder.slices():
            pass
        owner = next(builder.ring.owners(self._call.hash_key))
        return next(each for each in self._first if each.address == owner)

    def _share(self, instance: Instance) -> float | None:
        if instance not in self._first:
            return 0.0
        if self._certain is not None:
            return float(instance is self._certain)
        return instance.weight / self._total if self._choice.balancer in _BY_WEIGHT else None

    def _excluded(self, instance: Instance) -> str:
        if instance in self._first:
            return "its circuit is open, so another is taken when it is picked" if self._is_open(instance) else ""
        if not any(instance in tier for tier in self._members.tiers):
            return f"it has not {self._wanted()}"
        if instance.address in self._ejected:
            return "ejected: picked only if no other is left"
        if instance.suspect:
            return "its registration is in doubt: picked only if no better is left"
        return f"it is not in the zone {self._governance.zone!r}, but in {instance.tags.get(ZONE, '')!r}"

    def _is_open(self, instance: Instance) -> bool:
        return instance.address in self._open
