"""How the instances of one service stand: who is ejected, whose circuit is open, who is new, what failed last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from attrs import frozen

from ..balancing.slow_start import STEPS, step_at
from ..instances import Instance
from . import Outcome
from .breaker import Breaker, BreakerSettings, State
from .ejection import Ejection, EjectionSettings

# So many in a row, and an instance is left out until one passes.
FAILED_CHECKS = 3

# An instance that could not be reached is passed over for so long, in seconds, while there are others.
OUT_OF_REACH = 1.0

_NOBODY: frozenset[str] = frozenset()


@frozen
class Governance:
    """How a service's instances are chosen and judged.

    :ivar zone: ours; its instances are preferred.
    :ivar slow_start: seconds until an instance that is new gets its whole share.
    :ivar ejection: None: none is ejected.
    :ivar breaker: for each instance, whose connects are counted; None: there are none.
    :ivar panic: with a smaller share of instances usable than this, ejections and breakers do not count.
    """

    zone: str = ""
    slow_start: float = 0.0
    ejection: EjectionSettings | None = None
    breaker: BreakerSettings | None = None
    panic: float = 0.5


class Standing:
    """Instances are meant by their addresses; times are those of one monotonic clock, in seconds.

    :ivar unreachable: those that could not be reached a moment ago, with when they are to be tried again.
    """

    def __init__(self, governance: Governance = Governance()) -> None:
        self._governance = governance
        self._ejection = Ejection(governance.ejection) if governance.ejection else None
        self._present: set[str] | None = None
        self._breakers: dict[str, Breaker] = {}
        # What failed last, and when.
        self._errors: dict[str, tuple[Outcome, float]] = {}
        # How many checks of an instance failed in a row.
        self._failed_checks: dict[str, int] = {}
        self.unreachable: dict[str, float] = {}
        # When each instance appeared, as long as its start is slow.
        self._new: dict[str, float] = {}

    @property
    def interval(self) -> float | None:
        """How often :meth:`end_interval` is to be called; None: never."""
        return self._governance.ejection.interval if self._governance.ejection else None

    def keep(self, instances: Sequence[Instance], now: float) -> None:
        """These are all there are now; of the first set nobody is new."""
        present = {instance.address for instance in instances}
        if self._present is not None and self._governance.slow_start:
            self._new |= dict.fromkeys(present - self._present, now)
        self._present = present
        self._new, self._errors = _only(present, self._new), _only(present, self._errors)
        self._failed_checks = _only(present, self._failed_checks)
        self.unreachable = _only(present, self.unreachable)
        if self._governance.breaker is not None:
            settings, known = self._governance.breaker, self._breakers
            self._breakers = {address: known.get(address) or Breaker(settings) for address in present}
        if self._ejection is not None:
            self._ejection.keep(instances)

    def allows(self, address: str, now: float) -> bool:
        """Whether the instance's circuit lets a call through."""
        breaker = self._breakers.get(address)
        return breaker is None or breaker.allows(now) or self._in_panic(self._open() | self._out())

    def is_in_reach(self, address: str, now: float) -> bool:
        """False for a moment after a connect that failed; then it is worth another try."""
        return self.unreachable.get(address, now) <= now

    def answered(self, address: str, now: float) -> None:
        """As :meth:`learn` for the usual outcome, which changes nothing of who is ejected; quicker."""
        if self.unreachable:
            self.unreachable.pop(address, None)
        if self._breakers:
            self.learn(address, Outcome.ANSWERED, now)
        elif self._ejection is not None:
            self._ejection.succeeded(address)

    def learn(self, address: str, outcome: Outcome, now: float) -> bool:
        """Take note of what came of a call; whether that changes who is ejected."""
        if outcome is Outcome.UNREACHABLE:
            self.unreachable[address] = now + OUT_OF_REACH
        if outcome is not Outcome.ANSWERED and outcome is not Outcome.UNKNOWN:
            self._errors[address] = (outcome, now)
        if outcome is not Outcome.UNKNOWN and address in self._breakers:
            self._breakers[address].record(now, failed=outcome is Outcome.UNREACHABLE)
        return self._ejection is not None and self._ejection.record(address, outcome, now)

    def check(self, address: str, passed: bool, now: float) -> bool:
        """Take note of a check that was made of its own accord; whether that changes who is ejected."""
        before = self._failed_checks.pop(address, 0)
        if passed:
            return before >= FAILED_CHECKS
        self._failed_checks[address] = before + 1
        self._errors[address] = (Outcome.CHECK_FAILED, now)
        return before + 1 == FAILED_CHECKS

    def end_interval(self, now: float) -> bool:
        """Whether that changes who is ejected."""
        return self._ejection is not None and self._ejection.end_interval(now)

    def ejected(self) -> Set[str]:
        """Those to be left out; nobody, if too few would be left."""
        out = self._out()
        return _NOBODY if self._in_panic(out) else out

    def steps(self, now: float) -> Mapping[str, int]:
        """How far those have come whose start is slow."""
        window = self._governance.slow_start
        steps = {address: step_at(now - since, window) for address, since in self._new.items()}
        self._new = {address: self._new[address] for address, step in steps.items() if step < STEPS}
        return _only(self._new, steps)

    def describe(self, instance: Instance, now: float) -> dict[str, Any]:
        """State, breaker and last error of an instance, as plain values."""
        address = instance.address
        breaker, error = self._breakers.get(address), self._errors.get(address)
        return {
            "state": "ejected" if self._is_out(address) else "suspect" if instance.suspect else "live",
            "breaker": None if breaker is None else breaker.state.value,
            "last_error": None if error is None else {"what": error[0].value, "seconds_ago": round(now - error[1], 1)},
        }

    def _out(self) -> Set[str]:
        out = _NOBODY if self._ejection is None else self._ejection.out
        if not self._failed_checks:
            return out
        return out | {address for address, failed in self._failed_checks.items() if failed >= FAILED_CHECKS}

    def _is_out(self, address: str) -> bool:
        if self._failed_checks.get(address, 0) >= FAILED_CHECKS:
            return True
        return self._ejection is not None and self._ejection.is_out(address)

    def _open(self) -> Set[str]:
        return {address for address, breaker in self._breakers.items() if breaker.state is State.OPEN}

    def _in_panic(self, unusable: Set[str]) -> bool:
        count = len(self._present or ())
        return count - len(unusable) < self._governance.panic * count


def _only(addresses: Set[str] | Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {address: value for address, value in values.items() if address in addresses}
