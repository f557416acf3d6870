"""Which files are being written, and which have come to rest."""

from __future__ import annotations

# A file that was closed, renamed or deleted is at rest when so long nothing more happened to it:
# tools that write twice do so within a fraction of a second, and whoever waits for a change has a second.
QUIET = 0.25
# A file that somebody writes is waited for until it is closed, but no longer than this after the last
# write: there are writers that keep their files open for ever.
OPEN = 0.75
# Files that come to rest so soon after one another are one change: somebody wrote them all.
TOGETHER = 0.05


class Settling:
    """Waits for each path by itself, so that one file that never rests holds up no other.

    Times are those of one monotonic clock, in seconds.
    """

    def __init__(self, quiet: float = QUIET, open_: float = OPEN) -> None:
        self._quiet = quiet
        self._open = open_
        self._rests_at: dict[str, float] = {}

    @property
    def due(self) -> float | None:
        """When :meth:`settle` has something to tell next."""
        if not self._rests_at:
            return None
        last = min(self._rests_at.values()) + TOGETHER
        return max(at for at in self._rests_at.values() if at <= last)

    @property
    def restless(self) -> frozenset[str]:
        """The paths that are not to be read yet."""
        return frozenset(self._rests_at)

    def touched(self, path: str, now: float, *, is_open: bool = False) -> None:
        """Something happened to a path.

        :param is_open: whoever did it has the file open still.
        """
        self._rests_at[path] = now + (self._open if is_open else self._quiet)

    def settle(self, now: float) -> frozenset[str]:
        """The paths that have come to rest since the last time."""
        rested = frozenset(path for path, at in self._rests_at.items() if at <= now)
        for path in rested:
            del self._rests_at[path]
        return rested
