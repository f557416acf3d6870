"""Trace contexts are read as OpenTelemetry reads them, and written so that it can."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from txgateway.core.message import Request
from txgateway.core.trace_context import TraceContext, begun, headers_with, info_with, of_call, received

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def got(parent: str, *states: str) -> TraceContext | None:
    headers = ((b"traceparent", parent.encode()), *((b"tracestate", state.encode()) for state in states))
    return received(Request("GET", b"/", headers))


@pytest.mark.parametrize(
    ("parent", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"cc-{TRACE}-{SPAN}-01-what the future will be", True),
    ],
)
def test_a_parent_is_read(parent, sampled):
    assert got(parent) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_broken_parent_is_none(parent):
    assert got(parent) is None
    assert received(Request("GET", b"/")) is None


def test_the_state_is_passed_on_as_long_as_it_harms_nobody():
    parent = f"00-{TRACE}-{SPAN}-01"
    assert got(parent, "a=1,b=2", "c=3").state == "a=1,b=2,c=3"
    for state in ("x" * 513, "a=ü", "a=\x01"):
        assert got(parent, state) == TraceContext(TRACE, SPAN, True)


hexadecimal = "0123456789abcdef"
parts = st.tuples(
    st.text(hexadecimal, min_size=2, max_size=2),
    st.text(hexadecimal, min_size=31, max_size=32) | st.just("0" * 32),
    st.text(hexadecimal, min_size=16, max_size=16) | st.just("0" * 16),
    st.text(hexadecimal, min_size=2, max_size=2),
)


@given(parts)
def test_opentelemetry_agrees(written):
    parent = "-".join(written)
    theirs = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": parent})).get_span_context()
    ours = got(parent)
    assert (ours is None) is (not theirs.is_valid)
    if ours is not None:
        assert (int(ours.trace_id, 16), int(ours.span_id, 16)) == (theirs.trace_id, theirs.span_id)
        assert ours.sampled == theirs.trace_flags.sampled


@given(st.integers(0, 1000))
def test_what_is_written_is_read_again(seed):
    random = Random(seed)
    context = begun(random, 0.5)._replace(state="a=1")
    child = context.child(random)
    assert (child.trace_id, child.sampled, child.state) == (context.trace_id, context.sampled, "a=1")
    assert child.span_id != context.span_id
    headers = headers_with(child, ((b"host", b"gw"), (b"traceparent", b"old"), (b"tracestate", b"old"), (b"x", b"y")))
    assert [name for name, _ in headers] == [b"host", b"x", b"traceparent", b"tracestate"]
    assert received(Request("GET", b"/", headers)) == child


def test_of_new_traces_a_share_is_recorded():
    random = Random(7)
    assert sum(begun(random, 0.25).sampled for _ in range(1000)) == pytest.approx(250, abs=40)
    assert not any(begun(random, 0.0).sampled for _ in range(10))
    assert all(begun(random, 1.0).sampled for _ in range(10))


def test_a_call_belongs_to_a_span_if_that_is_recorded():
    parent = f"00-{TRACE}-{SPAN}-01"
    info = {"RPC_TRANSIT_traceparent": parent, "RPC_TRANSIT_tracestate": "a=1", "RPC_PERSIST_REQUEST_ID": "f00d-1"}
    context = of_call(info)
    assert context == TraceContext(TRACE, SPAN, True, "a=1")
    other = context.child(Random(1))
    assert info_with(other, info) == {**info, "RPC_TRANSIT_traceparent": other.parent}
    assert of_call({"RPC_TRANSIT_traceparent": f"00-{TRACE}-{SPAN}-00"}) is None
    assert of_call({}) is None
