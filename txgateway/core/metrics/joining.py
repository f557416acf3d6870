"""The snapshots of several processes as one, whose counters never go back when one of them ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from . import COUNTER, GREATEST, HISTOGRAM, LEAST, Family, Snapshot, Value

_Sums = dict[str, dict[tuple[str, ...], Value]]


class Joined:
    """Remembers what each process said last: to Prometheus a counter that is less than before has begun anew, and
    what it then says counts a second time.

    What a process counts between its last answer and its end is lost.
    """

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = {family.name: family for family in families}
        self._last: dict[int, Snapshot] = {}
        # The counters of processes that are gone.
        self._gone: _Sums = {}

    def join(self, snapshots: Mapping[int, Snapshot | None]) -> Iterator[tuple[Snapshot, ...]]:
        """Gives nothing as long as it has something left to do, and then the sum, once.

        :param snapshots: by process, of all that there are; None: no answer.
        """
        for process in self._last.keys() - snapshots.keys():
            yield from self._add(self._gone, self._last.pop(process), counters_only=True)
        self._last |= {process: snapshot for process, snapshot in snapshots.items() if snapshot is not None}
        sums: _Sums = {}
        yield from self._add(sums, _listed(self._gone), counters_only=True)
        for process, snapshot in self._last.items():
            yield from self._add(sums, snapshot, counters_only=snapshots.get(process) is None)
        yield (_listed(sums),)

    def _add(self, sums: _Sums, snapshot: Snapshot, *, counters_only: bool) -> Iterator[tuple[()]]:
        for name, samples in snapshot.items():
            family = self._families.get(name)
            if family is None or (counters_only and family.kind not in (COUNTER, HISTOGRAM)):
                continue
            known = sums.setdefault(name, {})
            for labels, value in samples:
                key = tuple(labels)
                known[key] = _joined(known[key], value, family.joined) if key in known else value
            yield ()


def _joined(one: Value, other: Value, how: str) -> Value:
    if isinstance(one, list) and isinstance(other, list):
        return [a + b for a, b in zip(one, other, strict=True)]
    assert not isinstance(one, list)
    assert not isinstance(other, list)
    return max(one, other) if how == GREATEST else min(one, other) if how == LEAST else one + other


def _listed(sums: _Sums) -> Snapshot:
    return {name: list(samples.items()) for name, samples in sums.items()}
