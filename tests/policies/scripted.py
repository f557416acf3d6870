"""What stands behind a policy under test: calls that end when and how the test says."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from txgateway.core.message import Call, MessageType, Reply

CALL = Call("book", b"queryBook", b"\0", deadline=10.0)
REPLY = Reply(MessageType.REPLY, b"queryBook", b"\0")
EXCEPTION = Reply(MessageType.EXCEPTION, b"queryBook", b"\0")


class Behind:
    """:ivar calls: every call that arrived, with when it did.
    :ivar running: their Deferreds, the unanswered ones; cancelled ones are counted.
    """

    def __init__(self, clock: Clock, *outcomes: Any) -> None:
        """:param outcomes: what the first calls come to at once; the rest is left to the test."""
        self.clock = clock
        self.calls: list[tuple[float, Call]] = []
        self.running: list[Deferred[Reply]] = []
        self.cancelled = 0
        self._outcomes = list(outcomes)

    def __call__(self, call: Call) -> Deferred[Reply]:
        self.calls.append((self.clock.seconds(), call))
        deferred: Deferred[Reply] = Deferred(self._cancel)
        if self._outcomes:
            outcome = self._outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            deferred.callback(outcome)
        else:
            self.running.append(deferred)
        return deferred

    def end(self, outcome: Reply | Exception) -> None:
        """The oldest running call comes to this."""
        deferred = self.running.pop(0)
        deferred.callback(outcome) if isinstance(outcome, Reply) else deferred.errback(Failure(outcome))

    def _cancel(self, deferred: Deferred[Reply]) -> None:
        self.running.remove(deferred)
        self.cancelled += 1

    @property
    def times(self) -> list[float]:
        return [round(when, 6) for when, _ in self.calls]


def outcome(deferred: Deferred[Reply]) -> Any:
    """What it came to: a reply, an error, or None so far."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    return (got and (got[0].value if isinstance(got[0], Failure) else got[0])) or None
