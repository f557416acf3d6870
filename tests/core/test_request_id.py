"""Whose id a request has."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.request_id import RequestIds, check_header

HOST = (b"host", b"gw")


def test_ids_are_made_one_after_the_other_behind_the_prefix():
    ids = RequestIds(b"x-request-id", "f00d-")
    assert [ids.next_for([HOST]) for _ in range(17)][-3:] == ["f00d-f", "f00d-10", "f00d-11"]


@pytest.mark.parametrize("good", ["7", "a" * 128, "Root=1-67891233-abcdef01;Self=x", "b64+/=", "{}<>'`~!"])
def test_a_good_one_is_taken_over_from_the_header_of_that_name_alone(good):
    headers = [HOST, (b"x-other-id", b"other"), (b"x-request-id", good.encode()), (b"x-request-id", b"second")]
    assert RequestIds(b"x-request-id", "p-").next_for(headers) == good


@pytest.mark.parametrize(
    "bad", [b"", b"a" * 129, b"a b", b'a"b', b"a\\b", b"a\nb", b"a\0", b"\x7f", "é".encode(), b"\xff"]
)
def test_a_bad_one_is_replaced(bad):
    assert RequestIds(b"x-request-id", "p-").next_for([(b"x-request-id", bad)]) == "p-1"


def test_without_a_header_every_id_is_made():
    assert RequestIds(b"", "p-").next_for([HOST, (b"x-request-id", b"mine")]) == "p-1"


@given(st.binary(max_size=200))
def test_whatever_comes_an_id_is_short_and_can_be_quoted(value):
    found = RequestIds(b"id", "p-").next_for([(b"id", value)])
    assert 1 <= len(found) <= 128
    assert found.isascii()
    assert found.isprintable()
    assert json.dumps(found) == f'"{found}"'
    assert found in ("p-1", value.decode("latin-1"))


def test_the_name_of_the_header_is_checked():
    assert check_header("X-Request-Id") == b"x-request-id"
    assert check_header("") == b""
    with pytest.raises(ValueError, match="'X Y' is no name of a header"):
        check_header("X Y")
