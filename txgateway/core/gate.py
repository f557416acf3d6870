"""What is done about a change that breaks somebody."""

from __future__ import annotations

from collections.abc import Iterable

from .compat import Breaks, Change, compare
from .descriptor import Position
from .fingerprint import http_fingerprint
from .loading import Judgement, digest_of
from .mapping import MappedService

SERVE, WARN, REFUSE = "serve", "warn", "refuse"
POLICIES = (SERVE, WARN, REFUSE)

# As many breaking differences are told of one service.
SHOWN = 20


class Gate:
    """Judges the changes of services.

    :param policy: ``serve`` without a word, ``warn`` and serve, or ``refuse``: keep the old version.
    :param allowed: fingerprints of changes that are served all the same.
    """

    def __init__(self, policy: str = WARN, allowed: Iterable[str] = ()) -> None:
        self._ordered: set[str] = set()
        self.judge_by(policy, allowed)

    def judge_by(self, policy: str, allowed: Iterable[str]) -> None:
        """By these from now on; what was allowed by order stays so."""
        self._policy = policy
        self._allowed = frozenset(allowed)

    def allow(self, fingerprint: str) -> None:
        """By order."""
        self._ordered.add(fingerprint)

    def judge(self, name: str, old: MappedService | None, new: MappedService | None) -> Judgement | None:
        """None if nobody is broken, or nobody is to hear of it."""
        if self._policy == SERVE:
            return None
        breaking = [change for change in compare(old, new) if change.breaks is not Breaks.NOTHING]
        if not breaking:
            return None
        fingerprint = change_fingerprint(name, old, new)
        refused = self._policy == REFUSE and fingerprint not in self._allowed | self._ordered
        lines = [f"breaks {_whom(change)}: {change}" for change in breaking[:SHOWN]]
        if len(breaking) > SHOWN:
            lines.append(f"and {len(breaking) - SHOWN} more")
        return Judgement(name, fingerprint, tuple(lines), refused, _place(breaking[0]))


def change_fingerprint(name: str, old: MappedService | None, new: MappedService | None) -> str:
    """Names the step from one contract to another, however their files are written."""
    return digest_of([name, *_contract(old), "->", *_contract(new)])


def _contract(service: MappedService | None) -> list[str]:
    return [http_fingerprint(service.schema, each) for each in service.schema.services] if service else []


def _whom(change: Change) -> str:
    return "the Thrift wire" if change.breaks is Breaks.WIRE else "HTTP clients"


def _place(change: Change) -> Position:
    return change.new if change.new.line else change.old
