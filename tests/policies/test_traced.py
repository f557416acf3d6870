"""Each try of a call is recorded, under the very span that the service hears of."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.task import Clock

from tests.policies.scripted import CALL, EXCEPTION, REPLY, Behind, outcome
from txgateway.core.errors import ConnectFailed, ConnectionClosed, DeadlineExceeded, NoInstance
from txgateway.core.instances import Instance
from txgateway.core.message import Try
from txgateway.core.policy import Policy
from txgateway.core.trace_context import TraceContext, of_call
from txgateway.policies import compose
from txgateway.policies.traced import traced

PARENT = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True, "a=1")
INFO = {"RPC_TRANSIT_traceparent": PARENT.parent, "RPC_TRANSIT_tracestate": "a=1", "RPC_PERSIST_REQUEST_ID": "1"}
ONE, TWO = Instance("10.0.0.1", 1), Instance("10.0.0.2", 2)


@pytest.fixture
def behind():
    return Behind(Clock())


@pytest.fixture
def spans():
    return []


@pytest.fixture
def call():
    return CALL.replace(info=INFO, tries=[])


def send(behind, spans, call):
    return compose([traced(Random(1), spans.append)], behind)(call)


def test_a_call_is_recorded_with_the_span_that_the_service_hears_of(behind, spans, call):
    reply = send(behind, spans, call)
    (_, sent) = behind.calls[0]
    call.tries.append(Try(ONE, 1.0, 2.0))
    behind.end(REPLY)
    assert outcome(reply) is REPLY
    (span,) = spans
    assert span.context == of_call(sent.info)
    assert span.parent == PARENT
    assert (span.context.trace_id, span.context.state) == (PARENT.trace_id, "a=1")
    assert (span.name, span.is_client, span.began, span.ended) == ("book/queryBook", True, 1.0, 2.0)
    assert span.attributes == {
        "rpc.system": "thrift",
        "rpc.service": "book",
        "rpc.method": "queryBook",
        "server.address": "10.0.0.1",
        "server.port": 1,
    }
    assert sent.info["RPC_PERSIST_REQUEST_ID"] == "1"
    assert sent.tries is call.tries
    assert call.info == INFO


@pytest.mark.parametrize(
    ("tried", "came", "error"),
    [
        (Try(ONE, 1.0, 2.0), EXCEPTION, "exception"),
        (Try(ONE, 1.0, 2.0, DeadlineExceeded()), DeadlineExceeded(), "deadline-exceeded"),
        (Try(ONE, 1.0, 0.0, ConnectFailed()), ConnectFailed(), "connect-failed"),
    ],
)
def test_what_comes_of_it_is_recorded_and_passes_through(behind, spans, call, tried, came, error):
    reply = send(behind, spans, call)
    call.tries.append(tried)
    behind.end(came)
    assert outcome(reply) is came
    assert [(span.error, span.ended >= span.began) for span in spans] == [(error, True)]


def test_instances_that_were_passed_over_are_recorded_beside_the_one_that_answered(behind, spans, call):
    send(behind, spans, call)
    call.tries += [Try(ONE, 1.0, 1.5, ConnectFailed()), Try(TWO, 1.5, 2.0)]
    behind.end(REPLY)
    assert [(span.attributes["server.address"], span.error) for span in spans] == [
        ("10.0.0.1", "connect-failed"),
        ("10.0.0.2", ""),
    ]
    assert len({span.context.span_id for span in spans}) == 2
    assert {span.parent for span in spans} == {PARENT}
    assert spans[1].context == of_call(behind.calls[0][1].info)


def test_each_repetition_has_a_span_of_its_own(behind, spans, call):
    for instance, came in ((ONE, ConnectionClosed()), (TWO, REPLY)):
        send(behind, spans, call).addErrback(lambda failure: None)
        now = 1.0 + len(call.tries)
        call.tries.append(Try(instance, now, now + 0.5, came if came is not REPLY else None))
        behind.end(came)
    assert [(span.attributes["server.address"], span.error) for span in spans] == [
        ("10.0.0.1", "connection-closed"),
        ("10.0.0.2", ""),
    ]
    assert [span.context for span in spans] == [of_call(sent.info) for _, sent in behind.calls]


def test_a_backup_request_is_not_taken_for_the_call_beside_it(behind, spans, call):
    call = call.replace(policy=Policy(backup_after=0.1))
    send(behind, spans, call)
    call.tries.append(Try(ONE, 1.0))
    send(behind, spans, call)
    call.tries.append(Try(TWO, 1.1))
    first, second = (of_call(sent.info) for _, sent in behind.calls)
    call.tries[1].ended = 2.0
    behind.running.reverse()
    behind.end(REPLY)
    call.tries[0].ended, call.tries[0].error = 2.5, ConnectionClosed()
    behind.end(ConnectionClosed())
    assert [(span.attributes["server.address"], span.context) for span in spans] == [
        ("10.0.0.2", second),
        ("10.0.0.1", first),
    ]


def test_nobody_left_is_no_try(behind, spans, call):
    reply = send(behind, spans, call)
    call.tries.append(Try(ONE, 1.0, 1.5, ConnectFailed()))
    behind.end(NoInstance())
    assert isinstance(outcome(reply), NoInstance)
    assert [span.error for span in spans] == ["connect-failed"]
    spans.clear()
    call.tries.clear()
    send(behind, spans, call).addErrback(lambda failure: None)
    behind.end(NoInstance())
    assert spans == []


def test_a_call_that_is_not_recorded_goes_on_as_it_is(behind, spans, call):
    for info in ({}, {**INFO, "RPC_TRANSIT_traceparent": PARENT._replace(sampled=False).parent}):
        quiet = call.replace(info=info)
        send(behind, spans, quiet)
        assert behind.calls[-1][1] is quiet
        behind.end(REPLY)
    assert spans == []
