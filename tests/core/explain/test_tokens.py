"""Tokens for live requests: whoever has the secret can tell a good one, and nobody can make one without."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as some

from txgateway.core.explain.tokens import LONGEST, NONCE, Tokens

NOW = 1_800_000_000
TOKENS = Tokens("secret")


def issued(expires: int = NOW + 60, nonce: bytes = b"n" * NONCE) -> bytes:
    return TOKENS.issue(expires, nonce).encode()


def test_a_token_is_good_until_it_expires_for_all_who_have_the_secret():
    assert TOKENS.expiry(issued(), NOW) == NOW + 60
    assert Tokens("secret").expiry(issued(), NOW + 59.9) == NOW + 60
    assert TOKENS.expiry(issued(), NOW + 60) == 0
    assert Tokens("another").expiry(issued(), NOW) == 0


def test_chance_tells_tokens_apart():
    assert issued() != issued(nonce=b"m" * NONCE)


def test_one_that_would_be_good_for_too_long_is_none():
    assert TOKENS.expiry(issued(NOW + LONGEST), NOW) == NOW + LONGEST
    assert TOKENS.expiry(issued(NOW + LONGEST + 1), NOW) == 0


@given(some.integers(0, 8 * 33 - 1))
def test_a_token_with_one_bit_changed_is_none(bit: int) -> None:
    data = bytearray(urlsafe_b64decode(issued()))
    data[bit // 8] ^= 1 << bit % 8
    assert TOKENS.expiry(urlsafe_b64encode(bytes(data)), NOW) == 0


@pytest.mark.parametrize("spelling", [b"%b=", b"%b\n", b" %b", b"%b!", b"%b===="])
def test_there_is_one_spelling(spelling):
    assert TOKENS.expiry(spelling % issued(), NOW) == 0


@given(some.binary(max_size=100))
def test_any_other_text_is_none(text: bytes) -> None:
    assert TOKENS.expiry(text, NOW) == 0
