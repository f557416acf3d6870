"""Ejection: an instance that fails while others do not is left out for a while (after Envoy's outlier detection)."""

from __future__ import annotations

from collections.abc import Collection, Set
from statistics import fmean, pstdev

from attrs import define, frozen

from ..instances import Instance
from . import Outcome

_GATEWAY_FAILURES = frozenset({Outcome.TIMED_OUT, Outcome.BROKEN, Outcome.UNREACHABLE})


@frozen
class EjectionSettings:
    """Times in seconds; a number of 0 turns its kind off.

    :ivar consecutive: failures in a row that eject at once, undeclared exceptions among them.
    :ivar consecutive_unanswered: failures in a row, without those exceptions.
    :ivar deviations: at the end of an interval, those go whose rate of successes is so many standard
        deviations below the mean, if there are ``min_instances`` with ``min_calls`` each.
    :ivar failure_share: at the end of an interval, those go that failed so often, under the same conditions.
    :ivar base: how long an instance is out the first time; the second time twice as long, and so on
    :ivar longest: up to this.
    :ivar share: so many may be out at once; one always may.
    """

    consecutive: int = 5
    consecutive_unanswered: int = 0
    deviations: float = 1.9
    failure_share: float = 0.0
    min_instances: int = 5
    min_calls: int = 100
    failure_min_calls: int = 50
    interval: float = 10.0
    base: float = 30.0
    longest: float = 300.0
    share: float = 0.1


@define
class _Record:
    calls: int = 0
    failures: int = 0
    in_a_row: int = 0
    unanswered_in_a_row: int = 0
    # How often it was ejected, less the intervals that went well since.
    ejections: int = 0
    out_until: float | None = None

    def forget_calls(self) -> None:
        self.calls = self.failures = self.in_a_row = self.unanswered_in_a_row = 0


class Ejection:
    """Keeps count for the instances of one service."""

    def __init__(self, settings: EjectionSettings = EjectionSettings()) -> None:
        self._settings = settings
        self._records: dict[str, _Record] = {}
        self._out: set[str] = set()

    @property
    def out(self) -> Set[str]:
        """The addresses of those ejected."""
        return frozenset(self._out)

    def is_out(self, address: str) -> bool:
        """Whether it is ejected."""
        return address in self._out

    def keep(self, instances: Collection[Instance]) -> None:
        """These are all there are now; who stays keeps its record."""
        records = self._records
        self._records = {i.address: records.get(i.address) or _Record() for i in instances}
        self._out &= self._records.keys()

    def succeeded(self, address: str) -> None:
        """A call was answered."""
        record = self._records.get(address)
        if record is not None:
            record.calls += 1
            record.in_a_row = record.unanswered_in_a_row = 0

    def record(self, address: str, outcome: Outcome, now: float) -> bool:
        """Take note of what came of a call; whether that ejected its instance."""
        if outcome is Outcome.ANSWERED:
            self.succeeded(address)
            return False
        record = self._records.get(address)
        if record is None or outcome is Outcome.UNKNOWN:
            return False
        record.calls += 1
        record.failures += 1
        record.in_a_row += 1
        record.unanswered_in_a_row = record.unanswered_in_a_row + 1 if outcome in _GATEWAY_FAILURES else 0
        settings = self._settings
        too_many = 0 < settings.consecutive <= record.in_a_row
        too_many |= 0 < settings.consecutive_unanswered <= record.unanswered_in_a_row
        return too_many and self._eject(address, record, now)

    def end_interval(self, now: float) -> bool:
        """To be called every ``interval``: whether anyone was ejected or put back."""
        for address, record in self._records.items():
            if record.ejections and address not in self._out:
                record.ejections -= 1
        changed = self._put_back(now)
        for address, record in self._outliers():
            changed |= self._eject(address, record, now)
        for record in self._records.values():
            record.calls = record.failures = 0
        return changed

    def _put_back(self, now: float) -> bool:
        back = [a for a in self._out if (until := self._records[a].out_until) is not None and until <= now]
        for address in back:
            self._out.remove(address)
            self._records[address].out_until = None
            self._records[address].forget_calls()
        return bool(back)

    def _outliers(self) -> list[tuple[str, _Record]]:
        settings = self._settings
        found: dict[str, _Record] = {}
        measured = self._measured(settings.min_calls) if settings.deviations else {}
        if measured:
            rates = {address: 1 - record.failures / record.calls for address, record in measured.items()}
            lowest = fmean(rates.values()) - settings.deviations * pstdev(rates.values())
            found |= {address: measured[address] for address, rate in rates.items() if rate < lowest}
        measured = self._measured(settings.failure_min_calls) if settings.failure_share else {}
        found |= {a: r for a, r in measured.items() if r.failures >= settings.failure_share * r.calls}
        # The worst first, since not all may go.
        return sorted(found.items(), key=lambda item: item[1].failures / item[1].calls, reverse=True)

    def _measured(self, calls: int) -> dict[str, _Record]:
        """Those with enough calls, if they are enough instances."""
        measured = {a: r for a, r in self._records.items() if r.out_until is None and r.calls >= calls}
        return measured if len(measured) >= self._settings.min_instances else {}

    def _eject(self, address: str, record: _Record, now: float) -> bool:
        settings = self._settings
        if address in self._out or len(self._out) >= max(1, int(settings.share * len(self._records))):
            return False
        record.ejections += 1
        record.out_until = now + min(settings.base * record.ejections, settings.longest)
        self._out.add(address)
        return True
