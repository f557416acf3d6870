"""Whom a text is sent, and who has it already."""

from __future__ import annotations

import pytest

from txgateway.core.message import Response
from txgateway.core.tagged import Tagged, answer, tagged

TEXT = Tagged(b"{}", "abc")


def asked_with(*values: bytes) -> Response:
    return answer(TEXT, b"application/json", [(b"accept", b'"abc"'), *((b"if-none-match", each) for each in values)])


@pytest.mark.parametrize(
    "values",
    [
        (b'"abc"',),
        # A proxy that compresses makes it weak.
        (b'W/"abc"',),
        (b'"x", W/"abc" ,"y"',),
        (b'"x"', b'"abc"'),
        (b'"with, comma","abc"',),
        (b" * ",),
    ],
)
def test_who_has_it_gets_no_body(values):
    assert asked_with(*values) == Response(304, ((b"etag", b'"abc"'), (b"cache-control", b"no-cache")))


@pytest.mark.parametrize("values", [(), (b"",), (b'"x"',), (b"abc",), (b'"ab", "c"',), (b'"abc',), (b'"*"',)])
def test_all_others_get_it(values):
    response = asked_with(*values)
    assert (response.status, response.body) == (200, b"{}")
    assert dict(response.headers) == {
        b"content-type": b"application/json",
        b"etag": b'"abc"',
        b"cache-control": b"no-cache",
    }


def test_another_text_has_another_tag():
    assert tagged(b"one") == tagged(b"one")
    assert tagged(b"one").tag != tagged(b"two").tag
