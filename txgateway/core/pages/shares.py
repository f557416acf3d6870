"""How the calls of the last minute were shared out between the instances of a service."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

# Counters are looked at as often, in seconds, and compared with those of a minute ago.
EVERY = 10
KEPT = 6

# Calls since the start, by address.
Calls = Mapping[str, int]


class Shares:
    """Keeps a few looks at the counters of each service; where nothing was called they are one and the same."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[Calls]] = {}
        self._next = 0

    def due(self, second: int) -> bool:
        return second >= self._next

    def look(self, second: int, calls: Mapping[str, Calls]) -> None:
        """:param calls: of all services; those that are not among them are forgotten."""
        self._next = second + EVERY
        self._looks = {name: self._looks.get(name) or deque([{}], maxlen=KEPT + 1) for name in calls}
        for name, now in calls.items():
            looks = self._looks[name]
            looks.append(looks[-1] if looks[-1] == now else now)

    def recent(self, service: str, now: Calls) -> dict[str, int]:
        """Calls of the last minute, by address; an instance whose counter went back began anew."""
        looks = self._looks.get(service)
        before = looks[0] if looks else {}
        return {address: _grown(before.get(address, 0), count) for address, count in now.items()}


def _grown(before: int, now: int) -> int:
    return now - before if now >= before else now
