"""When a call may be repeated, after how long, and how many repetitions there may be altogether."""

from __future__ import annotations

from random import Random

from .errors import CircuitOpen, ConnectionClosed, DeadlineExceeded, GatewayError, Overloaded
from .health.window import Window
from .message import MessageType, Reply
from .policy import CLOSED, EXCEPTION, TIMEOUT, UNAVAILABLE, Policy

# Below so many calls in the window a share means nothing.
_MIN_CALLS = 10


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
