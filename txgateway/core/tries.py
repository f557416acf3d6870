"""What logs, metrics and traces say of the tries of a call."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import GatewayError
from .message import Try

ANSWERED = "answered"
# Given up while it ran.
CANCELLED = "cancelled"


def spent(tries: Sequence[Try]) -> float:
    """Seconds from the first try to the end of the last; 0 if there was none."""
    if not tries:
        return 0.0
    if len(tries) == 1:
        only = tries[0]
        return max(0.0, only.ended - only.began)
    # One that was refused before it was sent has no end.
    return max([each.ended or each.began for each in tries]) - tries[0].began


def outcome(each: Try) -> str:
    """``answered``, or the kind of failure."""
    if each.error is None:
        return ANSWERED
    return each.error.kind if isinstance(each.error, GatewayError) else CANCELLED
