"""Live requests that wait for their explanations: bounded in every way."""

from __future__ import annotations

from typing import Any

from tests.core.explain.told import served
from txgateway.core.explain.kept import MOST_ANSWER, MOST_BODY, MOST_OF_TOKEN, MOST_TOKENS, Ended, Kept
from txgateway.core.message import Request, Response

SERVED = served("struct R {} service S { void ask(1: R r) }")


def ended(number: int = 0, body: bytes = b"", answer: bytes = b"", at: float = 0.0) -> Ended:
    return Ended(Request("GET", b"/%d" % number, body=body), Response(200, (), answer), 0.001, SERVED, at)


def targets(taken: tuple[tuple[Ended, ...], int]) -> list[bytes]:
    return [each.request.target for each in taken[0]]


def kept(*added: tuple[bytes, int, Any]) -> Kept:
    found = Kept()
    for each in added:
        found.add(*each)
    return found


def test_the_requests_of_a_token_are_given_once():
    store = kept((b"a", 60, ended(1)), (b"b", 60, ended(2)), (b"a", 60, ended(3)))
    assert targets(store.take(b"a", 1.0)) == [b"/1", b"/3"]
    assert targets(store.take(b"a", 1.0)) == []
    assert targets(store.take(b"b", 1.0)) == [b"/2"]


def test_of_many_the_latest_are_kept_and_the_others_counted():
    store = kept(*((b"a", 60, ended(number)) for number in range(MOST_OF_TOKEN + 3)))
    found, missed = store.take(b"a", 1.0)
    assert (len(found), missed) == (MOST_OF_TOKEN, 3)
    assert found[-1].request.target == b"/%d" % (MOST_OF_TOKEN + 2)


def test_a_request_with_a_large_body_is_only_counted():
    store = kept((b"a", 60, ended(1, b"x" * MOST_BODY)), (b"a", 60, ended(2, b"x" * (MOST_BODY + 1))))
    found, missed = store.take(b"a", 1.0)
    assert ([each.request.target for each in found], missed) == ([b"/1"], 1)


def test_of_a_large_answer_the_beginning_is_kept():
    ((found,), _) = kept((b"a", 60, ended(1, answer=b"x" * 1_000_000))).take(b"a", 1.0)
    assert found.response.body == b"x" * MOST_ANSWER


def test_what_belongs_to_an_expired_token_is_gone():
    store = kept((b"a", 60, ended(1)))
    assert store.take(b"a", 60.0) == ((), 0)
    store.add(b"b", 100, ended(2, at=99.0))
    store.add(b"c", 200, ended(3, at=150.0))
    assert store.take(b"b", 99.5) == ((), 0)


def test_of_many_tokens_those_stay_that_expire_last():
    store = kept(*((b"%d" % number, 1000 - number, ended(number)) for number in range(MOST_TOKENS + 2)))
    assert targets(store.take(b"%d" % (MOST_TOKENS + 1), 1.0)) == [b"/%d" % (MOST_TOKENS + 1)]
    assert targets(store.take(b"%d" % MOST_TOKENS, 1.0)) == []
    assert targets(store.take(b"0", 1.0)) == [b"/0"]
