"""What stands around a call to a service: one file per policy, each a function of call and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from ..core.instances import Instance
from ..core.message import Call, Reply

# The instances that a request's calls were given to so far; shared by all of its tries.
Tried = list[Instance]
# Fails with a GatewayError, or raises one.
Send = Callable[[Call, Tried], Deferred[Reply]]
# A policy may send a call on, more than once, or not at all; it must let failures and
# cancellation through unless they are its business.
CallPolicy = Callable[[Call, Tried, Send], Deferred[Reply]]


def compose(policies: Sequence[CallPolicy], send: Send) -> Send:
    """One function out of policies, the outermost first, around ``send``."""
    for policy in reversed(policies):
        send = _around(policy, send)
    return send


def _around(policy: CallPolicy, send: Send) -> Send:
    return lambda call, tried: policy(call, tried, send)
