"""When a call may be repeated, after how long, and how many repetitions there may be altogether."""

from __future__ import annotations

from random import Random

from .errors import CircuitOpen, ConnectionClosed, DeadlineExceeded, GatewayError, Overloaded
from .health.window import Window
from .message import MessageType, Reply
from .policy import CLOSED, EXCEPTION, TIMEOUT, UNAVAILABLE, Policy

# Below so many calls in the window a share means nothing.
_MIN_CALLS = 10
# One instance that dies may have so many calls in flight.
_MOST_SAVED = 1000.0


def may_repeat(policy: Policy, error: BaseException) -> bool:
    """Whether a call that failed like this may be sent again.

    What may have been carried out is repeated only if the method is idempotent. A line that is
    full, and a circuit that is open, ask for less and not for more.
    """
    if not isinstance(error, GatewayError) or isinstance(error, CircuitOpen | Overloaded):
        return False
    if error.not_sent:
        return UNAVAILABLE in policy.retry_on
    reason = TIMEOUT if isinstance(error, DeadlineExceeded) else CLOSED if isinstance(error, ConnectionClosed) else ""
    return policy.idempotent and reason in policy.retry_on


def may_repeat_answered(policy: Policy, reply: Reply) -> bool:
    """Whether a call may be sent again though the service answered: with an undeclared error."""
    return reply.type is MessageType.EXCEPTION and policy.idempotent and EXCEPTION in policy.retry_on


def backoff(policy: Policy, random: Random) -> float:
    """Seconds before the next try."""
    least, most = policy.backoff
    return least if most <= least else random.uniform(least, most)


class Budget:
    """Bounds repetitions to a share of all calls of the last ten seconds (Kitex's percentage mode).

    When a service fails as a whole, repetitions would only be more of what it cannot bear.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._window = Window()

    def first(self, now: float) -> None:
        """A call is sent for the first time."""
        self._window.add(now, failed=False)

    def spend(self, now: float) -> bool:
        """Whether a repetition may be sent now; it is then counted."""
        self._window.look(now)
        if self._window.total >= _MIN_CALLS and self._window.rate >= self._share:
            return False
        self._window.add(now, failed=True)
        return True


class Savings:
    """The same without a look at the clock: each call saves a part of a repetition, up to a bound.

    For what every call passes by: to count one costs 0.05 µs, and the window of :class:`Budget` 0.5.

    :ivar calls: how often a call was sent for the first time; whoever sends counts.
    """

    __slots__ = ("_saved", "_seen", "_share", "calls")

    def __init__(self, share: float) -> None:
        self.calls = 0
        self._share = share
        self._seen = 0
        self._saved = float(_MIN_CALLS)

    def spend(self) -> bool:
        """Whether a repetition may be sent now; it is then paid for."""
        self._saved = min(_MOST_SAVED, self._saved + (self.calls - self._seen) * self._share)
        self._seen = self.calls
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
