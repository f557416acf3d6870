"""Pick and call; go on to another instance if the one picked has certainly seen nothing of the call."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from ..core.errors import GatewayError
from ..core.instances import Instance
from ..core.message import Call, Reply
from . import Send, Tried

# As many instances may turn out to be out of reach before a try is given up.
MAX_PICKS = 6


class Instances(Protocol):
    """One service as seen from here."""

    def pick(self, call: Call, exclude: tuple[Instance, ...], avoid: Tried) -> Instance: ...

    def call(self, instance: Instance, call: Call) -> Deferred[Reply]: ...


def next_instance(upstream: Instances) -> Send:
    """The innermost of all: it is always there, since nothing was sent and nothing can be done twice."""

    def deliver(call: Call, tried: Tried, passed: tuple[Instance, ...] = ()) -> Deferred[Reply]:
        instance = upstream.pick(call, passed, tried)
        tried.append(instance)
        return upstream.call(instance, call).addErrback(pass_over, call, tried, (*passed, instance))

    def pass_over(failure: Failure, call: Call, tried: Tried, passed: tuple[Instance, ...]) -> Deferred[Reply]:
        error = failure.value
        if isinstance(error, GatewayError) and error.not_sent and len(passed) < MAX_PICKS:
            return deliver(call, tried, passed)
        return fail(failure)

    return deliver
