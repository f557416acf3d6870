"""Send a call again that failed, if it is safe, in time, and not too often altogether."""

from __future__ import annotations

from random import Random
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from ..core.message import Call, Reply
from ..core.policy import Policy
from ..core.retrying import Budget, backoff, may_repeat, may_repeat_answered
from . import CallPolicy, Send


def retry(policy: Policy, budget: Budget, clock: Any, random: Random) -> CallPolicy:
    """:param clock: an IReactorTime."""

    def send_first(call: Call, send: Send) -> Deferred[Reply]:
        budget.first(clock.seconds())
        return attempt(policy.retries, call, send)

    def attempt(left: int, call: Call, send: Send) -> Deferred[Reply]:
        sent = maybeDeferred(send, call)
        if not left:
            return sent
        ahead = (left, call, send)
        return sent.addCallbacks(answered, failed, callbackArgs=ahead, errbackArgs=ahead)

    def answered(reply: Reply, *ahead: Any) -> Reply | Deferred[Reply]:
        if may_repeat_answered(policy, reply):
            return again(*ahead) or reply
        return reply

    def failed(failure: Failure, *ahead: Any) -> Deferred[Reply]:
        return (again(*ahead) if may_repeat(policy, cast(Exception, failure.value)) else None) or fail(failure)

    def again(left: int, call: Call, send: Send) -> Deferred[Reply] | None:
        """None if there is no time for it, or no budget."""
        now, delay = clock.seconds(), backoff(policy, random)
        if now + delay >= call.deadline or not budget.spend(now):
            return None
        if not delay:
            return attempt(left - 1, call, send)
        return deferLater(clock, delay).addCallback(lambda _: attempt(left - 1, call, send))

    return send_first
