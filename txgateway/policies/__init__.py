"""What stands around a call to a service: one file per policy, each a function of call and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from ..core.message import Call, Reply

# Fails with a GatewayError, or raises one. What the call was given to so far is in its ``tries``.
Send = Callable[[Call], Deferred[Reply]]
# A policy may send a call on, more than once, or not at all; it must let failures and
# cancellation through unless they are its business.
CallPolicy = Callable[[Call, Send], Deferred[Reply]]


def compose(policies: Sequence[CallPolicy], send: Send) -> Send:
    """One function out of policies, the outermost first, around ``send``."""
    for policy in reversed(policies):
        send = _around(policy, send)
    return send


def _around(policy: CallPolicy, send: Send) -> Send:
    return lambda call: policy(call, send)
