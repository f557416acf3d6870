"""Send no calls of a method for some seconds while most of them fail: the breaker of a service."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from ..core.errors import CircuitOpen
from ..core.health import Outcome, outcome_of
from ..core.health.breaker import Breaker
from ..core.message import Call, MessageType, Reply
from . import CallPolicy, Send


def circuit(breaker: Breaker, clock: Any) -> CallPolicy:
    """What never reached a service, or was given up by the client, says nothing of it.

    :param clock: an IReactorTime.
    """

    def send_if_closed(call: Call, send: Send) -> Deferred[Reply]:
        if not breaker.allows(clock.seconds()):
            raise CircuitOpen("Most of the latest calls failed", service=call.service, retry_after=5)
        return maybeDeferred(send, call).addCallbacks(answered, failed)

    def answered(reply: Reply) -> Reply:
        breaker.record(clock.seconds(), failed=reply.type is MessageType.EXCEPTION)
        return reply

    def failed(failure: Failure) -> Failure:
        if outcome_of(cast(Exception, failure.value)) is not Outcome.UNKNOWN:
            breaker.record(clock.seconds(), failed=True)
        return failure

    return send_if_closed
