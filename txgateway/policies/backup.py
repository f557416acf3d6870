"""Send a second call beside one that is not answered soon; the first answer of any kind counts."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from ..core.message import Call, Reply
from ..core.policy import Policy
from ..core.retrying import Budget
from . import CallPolicy, Send


def backup(policy: Policy, budget: Budget, clock: Any) -> CallPolicy:
    """For methods that may be carried out twice.

    :param clock: an IReactorTime.
    """

    def send_both(call: Call, send: Send) -> Deferred[Reply]:
        now = clock.seconds()
        budget.first(now)
        race = _Race()
        race.enter(maybeDeferred(send, call))
        if not race.over and now + policy.backup_after < call.deadline:
            race.alarm = clock.callLater(policy.backup_after, send_second, race, call, send)
        return race.winner

    def send_second(race: _Race, call: Call, send: Send) -> None:
        race.alarm = None
        if budget.spend(clock.seconds()):
            race.enter(maybeDeferred(send, call))

    return send_both


class _Race:
    """:ivar winner: fires with what comes first; cancelling it ends all."""

    def __init__(self) -> None:
        self.winner: Deferred[Reply] = Deferred(lambda _: self._end())
        self.over = False
        self.alarm: Any = None
        self._running: list[Deferred[Reply]] = []

    def enter(self, call: Deferred[Reply]) -> None:
        self._running.append(call)
        call.addBoth(self._arrive, call)

    def _arrive(self, outcome: Reply | Failure, call: Deferred[Reply]) -> None:
        self._running.remove(call)
        if not self.over:
            self._end()
            self.winner.callback(outcome)

    def _end(self) -> None:
        self.over = True
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        for call in list(self._running):
            call.cancel()
