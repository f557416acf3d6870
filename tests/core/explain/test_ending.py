"""What came of a request: as the gateway answered it."""

from __future__ import annotations

import pytest

from tests.core.explain.told import CLOCKS, explained, served
from tests.mapped import request
from txgateway.core.errors import ConnectFailed, ServiceFailed
from txgateway.core.explain import explain_ended, with_answer, with_pick
from txgateway.core.explain.kept import Ended
from txgateway.core.explain.pick import Seen
from txgateway.core.explain.story import HIDDEN
from txgateway.core.instances import Instance
from txgateway.core.message import Response, Try
from txgateway.core.rendering import render_failure

IDL = 'struct R {} service S { void ask(1: R r) (api.get = "/ask") }'
PROBLEM = (b"content-type", b"application/problem+json")
HERE, AWAY = Instance("10.0.0.1", 9000), Instance("10.0.0.2", 9000)


def test_a_foretold_pick_gives_way_to_the_one_that_was_made():
    foretold = with_pick(explained(IDL, "GET", "/ask"), Seen([HERE, AWAY]))
    assert foretold.pick is not None
    assert foretold.pick.chosen == ""
    asked = request("GET", "/ask")
    asked.call = explained(IDL, "GET", "/ask").call
    assert asked.call is not None
    asked.call.tries += [Try(AWAY, 1.0, 1.5, ConnectFailed()), Try(HERE, 1.5, 1.502)]
    ended = Ended(asked, Response(200, (), b"{}"), 0.6, served(IDL), 0.0, Seen([HERE, AWAY]))
    told = explain_ended(ended, CLOCKS)
    assert [(each.address, each.milliseconds, each.failure) for each in told.tries] == [
        ("10.0.0.2:9000", 500.0, "connect-failed: Service unavailable"),
        ("10.0.0.1:9000", 2.0, ""),
    ]
    assert told.pick is not None
    assert told.pick.chosen == "10.0.0.1:9000"
    assert (told.outcome.status, told.outcome.body) == (200, "{}")
    assert told.steps[-1].microseconds == 600_000


def test_a_try_that_was_given_up_has_no_end():
    asked = request("GET", "/ask")
    asked.call = explained(IDL, "GET", "/ask").call
    assert asked.call is not None
    asked.call.tries.append(Try(HERE, 1.0, 0.0, RuntimeError("secret")))
    (told,) = with_answer(explained(IDL, "GET", "/ask"), asked, Response(499), 0.1).tries
    assert (told.milliseconds, told.failure) == (0.0, "it was given up")


def test_a_failure_is_told_by_its_problem_document():
    response = render_failure(ServiceFailed("The service answered with an error", peer="oops"), "id-1")
    outcome = with_answer(explained(IDL, "GET", "/ask"), request("GET", "/ask"), response, 0.1).outcome
    assert (outcome.status, outcome.kind) == (502, "service-failed")
    assert outcome.says.endswith(": The service answered with an error")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"type": '])
def test_what_only_seems_to_be_a_problem_document_is_an_answer(body):
    outcome = with_answer(
        explained(IDL, "GET", "/ask"), request("GET", "/ask"), Response(400, (PROBLEM,), body), 0.1
    ).outcome
    assert (outcome.status, outcome.says, outcome.body) == (400, "answered", body.decode())


def test_a_refused_request_ends_as_it_was_told():
    told = explained(IDL, "PUT", "/ask")
    assert with_pick(told, Seen([HERE])).pick is None
    answered = with_answer(told, request("PUT", "/ask"), Response(405, (), b""), 0.1)
    assert (answered.outcome.status, answered.tries) == (405, ())
    assert HIDDEN not in answered.outcome.body
