"""What may be sent again: whatever the failure and the reasons named, nothing that may have run and is not safe."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.errors import Answered, CircuitOpen, Fault, GatewayError, Overloaded, VerbNotAllowed
from txgateway.core.message import MessageType, Reply
from txgateway.core.policy import REASONS, Policy
from txgateway.core.retrying import Budget, Savings, backoff, may_repeat, may_repeat_answered

REASON_SETS = st.frozensets(st.sampled_from(REASONS))
EXCEPTION = Reply(MessageType.EXCEPTION, b"get", b"")


def kinds(of: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def error(kind: type[GatewayError]) -> GatewayError:
    return kind(("GET",)) if issubclass(kind, VerbNotAllowed) else kind()


# One of them is an answer, and no failure.
ERRORS = [
    error(kind)
    for kind in dict.fromkeys(kinds())
    if kind.__module__ == GatewayError.__module__ and kind is not Answered
]


@given(error=st.sampled_from(ERRORS), reasons=REASON_SETS)
def test_what_may_have_run_is_repeated_only_where_that_is_safe(error, reasons):
    if may_repeat(Policy(retries=1, retry_on=reasons), error):
        assert error.not_sent
    assert not may_repeat_answered(Policy(retries=1, retry_on=reasons), EXCEPTION)


@given(error=st.sampled_from(ERRORS), safe=st.booleans())
def test_nothing_is_repeated_without_a_reason(error, safe):
    policy = Policy(retries=1, retry_on=frozenset(), idempotent=safe)
    assert not may_repeat(policy, error)
    assert not may_repeat_answered(policy, EXCEPTION)


@pytest.mark.parametrize(
    "error", [e for e in ERRORS if e.fault is Fault.CLIENT or isinstance(e, CircuitOpen | Overloaded)]
)
def test_what_would_only_fail_again_is_not_repeated(error):
    assert not may_repeat(Policy(retries=1, retry_on=frozenset(REASONS), idempotent=True), error)


@given(least=st.floats(0, 60), most=st.floats(0, 60), seed=st.integers())
def test_a_wait_lies_within_its_bounds(least, most, seed):
    wait = backoff(Policy(backoff=(least, most)), Random(seed))
    assert least <= wait <= max(least, most)


@given(
    share=st.floats(0.01, 1),
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, 0.02)), min_size=20, max_size=300),
)
def test_no_more_than_the_share_is_spent(share, steps):
    budget, now, first, spent = Budget(share), 0.0, 0, 0
    for is_first, pause in steps:
        now += pause
        if is_first:
            budget.first(now)
            first += 1
        elif budget.spend(now):
            spent += 1
            # Of ten calls or more in the window, the one just counted included, one too many at most.
            assert first + spent <= 10 or spent - 1 < share * (first + spent - 1)


@given(share=st.floats(0.01, 1), steps=st.lists(st.integers(0, 500) | st.none(), max_size=60))
def test_repetitions_are_paid_for_by_calls(share, steps):
    """Ten are given, and no more than a thousand can be saved."""
    savings, spent, balance = Savings(share), 0, 10.0
    for calls in steps:
        if calls is None:
            if savings.spend():
                spent += 1
        else:
            savings.calls += calls
            balance += calls * share
    assert spent <= balance + 1e-6
    savings.calls += 10**6
    assert sum(savings.spend() for _ in range(2000)) <= 1000
