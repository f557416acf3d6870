"""One timer for many deadlines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NEVER = float("inf")


class Alarm:
    """Rings at the earliest deadline that it was told of.

    A deadline that has lost its meaning is not taken back: the ring then finds nothing
    due, and its owner sets the next. So a thousand calls that are answered in time
    cost one timer, not a thousand set and cancelled.

    :param clock: an IReactorTime.
    :param ring: is called without arguments; whoever waits still must be set again.
    :ivar at: when it rings next, in the clock's seconds.
    """

    def __init__(self, clock: Any, ring: Callable[[], None]) -> None:
        self.at = NEVER
        self._clock = clock
        self._ring = ring
        self._timer: Any = None

    def set(self, when: float) -> None:
        """Ring at ``when``, unless it rings earlier anyhow."""
        if when >= self.at:
            return
        self.at = when
        delay = max(0.0, when - self._clock.seconds())
        if self._timer is None:
            self._timer = self._clock.callLater(delay, self._due)
        else:
            self._timer.reset(delay)

    def stop(self) -> None:
        """Forget every deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.at = NEVER

    def _due(self) -> None:
        self._timer = None
        self.at = NEVER
        self._ring()
