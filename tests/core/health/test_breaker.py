"""The circuit breaker's window and its promise: at most one probe each 200 ms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.health.breaker import COOLING, PROBE_EVERY, Breaker, BreakerSettings, State
from txgateway.core.health.window import Window

EVENTS = st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["ask", "fail", "succeed"])), max_size=200)


@given(EVENTS)
def test_an_open_breaker_lets_one_probe_through_at_a_time(events):
    breaker, now, let_through, opened = Breaker(BreakerSettings(0.5, 5)), 1.0, -1.0, -COOLING
    for pause, event in events:
        now += pause
        before = breaker.state
        if event == "ask":
            allowed = breaker.allows(now)
            if before is State.CLOSED:
                assert allowed
            elif allowed:
                assert now >= let_through + PROBE_EVERY
                assert before is State.HALF_OPEN or now >= opened + COOLING
                let_through = now
        else:
            breaker.record(now, failed=event == "fail")
            if before is not State.OPEN and breaker.state is State.OPEN:
                opened = now
                assert event == "fail"


@given(st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=100))
def test_the_window_holds_what_is_younger_than_ten_seconds(events):
    window, now, seen = Window(), 0.0, []
    for pause, failed in events:
        now += pause
        window.add(now, failed=failed)
        seen.append((int(now * 10), failed))
        young = [failed for bucket, failed in seen if bucket > int(now * 10) - 100]
        assert (window.total, window.failures) == (len(young), sum(young))


def test_errors_of_long_ago_do_not_open_it():
    breaker = Breaker(BreakerSettings(0.5, 10))
    for _ in range(9):
        breaker.record(1.0, failed=True)
    breaker.record(11.1, failed=True)
    assert breaker.state is State.CLOSED
    for _ in range(9):
        breaker.record(11.2, failed=True)
    assert breaker.state is State.OPEN
