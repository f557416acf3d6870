"""The log of changes: instances, mappings, settings; the newest of them, in a ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from ..errors import Severity
from ..instances import Instance, difference
from ..loading import Judgement, LoadedMapping
from .served import owners
from .words import many

# As many changes are remembered, with as many lines of as many characters each.
REMEMBERED = 500
LINES = 20
LONGEST = 400

INSTANCES, MAPPING, CONFIG, WORKERS = "instances", "mapping", "config", "workers"
KINDS = (INSTANCES, MAPPING, CONFIG, WORKERS)


@frozen
class Change:
    """One entry.

    :ivar time: in seconds since 1970.
    :ivar kind: one of KINDS.
    :ivar service: what it is about; empty: the gateway.
    :ivar what: a sentence.
    :ivar is_bad: somebody should look.
    :ivar details: further lines.
    """

    time: float
    kind: str
    service: str
    what: str
    is_bad: bool = False
    details: tuple[str, ...] = ()


class Changes:
    """:param wall_clock: gives the time in seconds since 1970."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._ring: deque[Change] = deque(maxlen=REMEMBERED)

    def note(
        self, kind: str, what: str, *, service: str = "", details: Sequence[str] = (), is_bad: bool = False
    ) -> None:
        shown = [line[:LONGEST] for line in details[:LINES]]
        if len(details) > LINES:
            shown.append(f"and {len(details) - LINES} more")
        self._ring.append(Change(self._wall_clock(), kind, service, what[:LONGEST], is_bad, tuple(shown)))

    def newest(
        self, service: str | None = None, kind: str | None = None, limit: int = REMEMBERED
    ) -> list[dict[str, Any]]:
        """Plain values, the newest first; of one service and of one kind, if they are named."""
        chosen = [
            change
            for change in reversed(self._ring)
            if service in (None, change.service) and kind in (None, change.kind)
        ]
        return [_plain(change) for change in chosen[:limit]]

    # What happens in a gateway, as sentences

    def instances(self, service: str, before: Iterable[Instance], now: Iterable[Instance]) -> None:
        """The instances of a service are others now."""
        old = {instance.address: instance for instance in before}
        step = difference(old.values(), now)
        if not step:
            return
        parts = (("joined", step.added), ("left", step.removed), ("changed", step.changed))
        what = ", ".join(f"{len(of)} {word}" for word, of in parts if of)
        details = [f"+ {_told(instance)}" for instance in step.added]
        details += [f"- {_told(instance)}" for instance in step.removed]
        details += [f"~ {_step(old[instance.address], instance)}" for instance in step.changed]
        left = len(old) + len(step.added) - len(step.removed)
        self.note(INSTANCES, f"{what}; {many(left, 'instance')} now", service=service, details=details, is_bad=not left)

    def states(self, service: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        """Instances stand otherwise: ejected, suspect, live; by address. Those that come or go are not told of."""
        changed = [address for address in now if before.get(address, now[address]) != now[address]]
        for state in dict.fromkeys(now[address] for address in changed):
            those = [address for address in changed if now[address] == state]
            what = f"{those[0] if len(those) == 1 else many(len(those), 'instance')}: {state}"
            self.note(INSTANCES, what, service=service, details=those[1:] and those, is_bad=state != "live")

    def mapping(self, before: LoadedMapping, loaded: LoadedMapping, why: str) -> None:
        """A load has ended; nothing is noted unless something is served, or wrong, that was not before."""
        old, new = before.services, loaded.services
        judged = {judgement.service: judgement for judgement in loaded.judgements}
        if not before.digest and new:
            details = [f"{name}: {many(len(each.routes), 'route')}" for name, each in new.items()]
            self.note(
                MAPPING, f"version {loaded.digest} is served ({why}): {many(len(new), 'service')}", details=details
            )
        else:
            for name in dict.fromkeys([*old, *new]):
                if old.get(name) is not new.get(name):
                    self._served(name, name in old, name in new, why, judged.get(name))
        self._complaints(before, loaded)

    def _served(self, name: str, was: bool, there: bool, why: str, judged: Judgement | None) -> None:
        what = "another version is served" if was and there else "is served, new" if there else "is served no longer"
        self.note(
            MAPPING,
            f"{what} ({why})",
            service=name,
            details=judged.breaking if judged is not None else (),
            is_bad=judged is not None,
        )

    def _complaints(self, before: LoadedMapping, loaded: LoadedMapping) -> None:
        known = set(before.errors)
        unknown = [error for error in loaded.errors if error not in known]
        services = owners(loaded) if unknown else {}
        for error in unknown:
            service = services.get(error.position.file, "")
            kept = " (the version before is served)" if service in loaded.kept else ""
            self.note(
                MAPPING,
                f"an error in {error.position.file}{kept}",
                service=service,
                details=str(error).splitlines(),
                is_bad=True,
            )
        if known and not loaded.errors:
            self.note(MAPPING, "every error in the IDL is mended")
        warned = {each for each in before.diagnostics if each.severity is Severity.WARNING}
        new = [each for each in loaded.diagnostics if each.severity is Severity.WARNING and each not in warned]
        if new:
            self.note(MAPPING, many(len(new), "new warning"), details=[str(each).splitlines()[0] for each in new])


def _plain(change: Change) -> dict[str, Any]:
    # What attrs has for this takes ten times as long, for each of hundreds.
    return {
        "time": change.time,
        "kind": change.kind,
        "service": change.service,
        "what": change.what,
        "is_bad": change.is_bad,
        "details": change.details,
    }


def newest_of(*logs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Several logs as one, the newest first."""
    return sorted((change for log in logs for change in log), key=lambda change: -change["time"])[:REMEMBERED]


def _told(instance: Instance) -> str:
    tags = "".join(f" {name}={value}" for name, value in sorted(instance.tags.items()))
    return f"{instance.address} weight {instance.weight}{tags}{' suspect' if instance.suspect else ''}"


def _step(old: Instance, new: Instance) -> str:
    parts = [f"weight {old.weight} to {new.weight}"] if old.weight != new.weight else []
    names = sorted(old.tags.keys() | new.tags.keys())
    parts += [
        f"{name}={old.tags.get(name, '')} to {new.tags.get(name, '')}"
        for name in names
        if old.tags.get(name) != new.tags.get(name)
    ]
    if old.suspect != new.suspect:
        parts.append("suspect: its lease ran out right after etcd was away" if new.suspect else "no longer suspect")
    if old.network != new.network:
        parts.append(f"{old.network} to {new.network}")
    return f"{new.address} {', '.join(parts)}"
