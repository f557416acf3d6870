"""Orders are taken from our own pages and from those who are no browsers, and from nobody else."""

from __future__ import annotations

import pytest

from txgateway.core.pages.origin import refusal


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "anything:1"),
        (None, ""),
        ("http://127.0.0.1:8081", "127.0.0.1:8081"),
        ("https://127.0.0.1:8081", "127.0.0.1:8081"),
        ("http://[::1]:8081", "[::1]:8081"),
        ("http://localhost:8081", "LOCALHOST:8081"),
        ("http://gateway.localhost", "gateway.localhost"),
        ("http://admin.example:8081", "admin.example:8081"),
    ],
)
def test_it_is_taken(origin, host):
    assert refusal(origin, host, ["admin.example"]) == ""


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "127.0.0.1:8081"),
        ("http://127.0.0.1:8082", "127.0.0.1:8081"),
        ("http://127.0.0.1", "127.0.0.1:8081"),
        ("null", "127.0.0.1:8081"),
        ("", ""),
        ("file://127.0.0.1:8081", "127.0.0.1:8081"),
        ("http://[::1", "[::1"),
        # Its owner has pointed it at us.
        ("http://evil.example:8081", "evil.example:8081"),
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example"),
        ("http://notlocalhost", "notlocalhost"),
    ],
)
def test_it_is_not(origin, host):
    assert refusal(origin, host, ["admin.example"])


def test_an_unknown_name_is_told_what_to_do():
    assert "http.admin_names" in refusal("http://evil.example:8081", "evil.example:8081", [])
