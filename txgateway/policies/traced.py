"""Record each try of a call, and let the service know which one it hears of."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from ..core.errors import GatewayError, NoInstance
from ..core.message import Call, MessageType, Reply, Try
from ..core.span import Span, of_try
from ..core.trace_context import TraceContext, info_with, of_call
from . import CallPolicy, Send


def traced(random: Random, record: Callable[[Span], None]) -> CallPolicy:
    """The innermost of all.

    :param record: is given each span; it must be quick.
    """

    def send_traced(call: Call, send: Send) -> Deferred[Reply]:
        parent = of_call(call.info)
        if parent is None:
            return send(call)
        context, before = parent.child(random), len(call.tries)
        sent = maybeDeferred(send, call.replace(info=info_with(context, call.info)))
        return sent.addBoth(ended, call, before, context, parent)

    def ended(
        outcome: Reply | Failure, call: Call, before: int, context: TraceContext, parent: TraceContext
    ) -> Reply | Failure:
        service, method, tries = call.service, call.method.decode(), call.tries[before:]
        # Of those that run beside each other, the one that has just ended is ours, unless there was nobody left.
        last = None if isinstance(outcome, Failure) and outcome.check(NoInstance) else max(tries, key=_end)
        for each in tries:
            if each is last:
                record(of_try(service, method, each, context, parent, _failure(outcome)))
            elif _is_ours(each, call):
                record(of_try(service, method, each, parent.child(random), parent))
        return outcome

    return send_traced


def _end(each: Try) -> float:
    return each.ended or each.began


def _is_ours(each: Try, call: Call) -> bool:
    """Beside a backup request, others may have been tried by that; not those that saw nothing and made us go on."""
    return not call.policy.backup_after or (isinstance(each.error, GatewayError) and each.error.not_sent)


def _failure(outcome: Reply | Failure) -> str:
    if isinstance(outcome, Failure):
        return outcome.value.kind if isinstance(outcome.value, GatewayError) else type(outcome.value).__name__
    return "exception" if outcome.type is MessageType.EXCEPTION else ""
