"""Each filter lets answers, failures and cancellation through; and does its own part."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from txgateway.core.errors import NoInstance
from txgateway.core.message import Request, Response
from txgateway.filters import compose
from txgateway.filters.deadline import deadline

REQUEST = Request("GET", b"/book/query?num=7")
OK = Response(200, (), b"{}")


def result_of(deferred):
    """The result or failure that a Deferred holds already."""
    results = []
    deferred.addBoth(results.append)
    assert results, "still waiting"
    return results[0]


def test_filters_stand_in_the_order_of_the_list():
    order = []

    def named(name):
        def wrap(request, handler):
            order.append(name)
            return handler(request)

        return wrap

    result_of(compose([named("outer"), named("inner")], lambda request: succeed(OK))(REQUEST))
    assert order == ["outer", "inner"]


@pytest.mark.parametrize("outcome", [OK, NoInstance(), Deferred()])
def test_the_deadline_counts_from_the_beginning_and_lets_everything_through(outcome):
    request = Request("GET", b"/", began=100.0)
    answer = fail(outcome) if isinstance(outcome, Exception) else outcome
    seen = []
    passed = deadline(2.5)(request, lambda request: seen.append(request.deadline) or answer)
    assert (seen, passed is answer) == ([102.5], True)
    passed.addErrback(lambda _: None) if isinstance(passed, Deferred) else None
