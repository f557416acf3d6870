"""Which instances are well: what came of each call, and what is concluded from it."""

from __future__ import annotations

import enum

from ..errors import ConnectFailed, ConnectionClosed, DeadlineExceeded, UnusableReply


class Outcome(enum.Enum):
    """What came of one call to one instance."""

    ANSWERED = "answered"
    # An answer too, but an error that the IDL does not declare.
    EXCEPTION = "exception"
    TIMED_OUT = "timed out"
    # The connection broke, or what came was no Thrift.
    BROKEN = "broken"
    UNREACHABLE = "unreachable"
    # Asked whether it was well, it did not answer.
    CHECK_FAILED = "check failed"
    # The caller gave up, or the call never left.
    UNKNOWN = "unknown"


_KINDS: dict[type[BaseException], Outcome] = {
    DeadlineExceeded: Outcome.TIMED_OUT,
    ConnectFailed: Outcome.UNREACHABLE,
    ConnectionClosed: Outcome.BROKEN,
    UnusableReply: Outcome.BROKEN,
}


def outcome_of(error: BaseException) -> Outcome:
    """What a failed call says of its instance. One that it has certainly not looked at says nothing."""
    return _KINDS.get(type(error), Outcome.UNKNOWN)
