"""A circuit breaker: where most calls fail, no more are sent for a while, then a few to see (as in Kitex)."""

from __future__ import annotations

import enum

from attrs import frozen

from .window import Window

# Open for this long, in seconds; then one call each so often, until so many in a row succeeded.
COOLING = 5.0
PROBE_EVERY = 0.2
PROBES = 2


class State(enum.Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


@frozen
class BreakerSettings:
    """:ivar error_rate: opens at an error when this share of the last ten seconds' calls failed,
    :ivar min_calls: and there were so many.
    """

    error_rate: float = 0.5
    min_calls: int = 200


class Breaker:
    """Ask :meth:`allows` before each call, and :meth:`record` what came of it.

    Transitions:

    =========  ============================================  =========
    closed     an error, of enough calls too many errors     open
    open       asked, 5 s after it opened                    half open
    half open  an error                                      open
    half open  two successes; what was counted is forgotten  closed
    =========  ============================================  =========
    """

    __slots__ = ("_at", "_settings", "_successes", "_window", "state")

    def __init__(self, settings: BreakerSettings = BreakerSettings()) -> None:
        self.state = State.CLOSED
        self._settings = settings
        self._window = Window()
        # When it opened; when half open, when it last let a call through.
        self._at = 0.0
        self._successes = 0

    def allows(self, now: float) -> bool:
        """Whether a call may be sent now."""
        if self.state is State.CLOSED:
            return True
        if now < self._at + (COOLING if self.state is State.OPEN else PROBE_EVERY):
            return False
        if self.state is State.OPEN:
            self.state, self._successes = State.HALF_OPEN, 0
        self._at = now
        return True

    def record(self, now: float, *, failed: bool) -> None:
        if failed:
            self._fail(now)
        elif self.state is State.CLOSED:
            self._window.add(now, failed=False)
        elif self.state is State.HALF_OPEN:
            self._successes += 1
            if self._successes >= PROBES:
                self._window.clear()
                self.state = State.CLOSED

    def _fail(self, now: float) -> None:
        window = self._window
        window.add(now, failed=True)
        full = window.total >= self._settings.min_calls and window.rate >= self._settings.error_rate
        if self.state is State.HALF_OPEN or (self.state is State.CLOSED and full):
            self.state, self._at = State.OPEN, now
