"""Headers become metainfo and metainfo becomes headers, and neither breaks what it is put into."""

from __future__ import annotations

import pytest

from txgateway.core.baggage import Baggage, compile_baggage
from txgateway.core.message import Request

BAGGAGE = compile_baggage({"X-Trace": "TRACE"}, {"X-User": "USER", "X-Tenant": "tenant"}, {"spent": "X-Spent"})


def test_the_headers_that_are_named_travel_under_their_names() -> None:
    headers = (
        (b"x-user", "Zoë".encode()),
        (b"x-trace", b"7"),
        (b"x-trace", b"8"),
        (b"x-tenant", b""),
        (b"cookie", b"c"),
    )
    assert BAGGAGE.pack(Request("GET", b"/", headers)) == {"RPC_TRANSIT_TRACE": "7", "RPC_PERSIST_USER": "Zoë"}
    assert BAGGAGE.pack(Request("GET", b"/")) == {}
    assert Baggage().pack(Request("GET", b"/", headers)) == {}


def test_the_id_of_the_request_travels_all_the_way() -> None:
    assert Baggage().pack(Request("GET", b"/", id="f00d-1")) == {"RPC_PERSIST_REQUEST_ID": "f00d-1"}
    assert BAGGAGE.pack(Request("GET", b"/", ((b"x-user", b"Ann"),), id="f00d-1")) == {
        "RPC_PERSIST_REQUEST_ID": "f00d-1",
        "RPC_PERSIST_USER": "Ann",
    }


def test_bytes_that_are_no_text_travel_unchanged() -> None:
    packed = BAGGAGE.pack(Request("GET", b"/", ((b"x-user", b"\xff\xfe"),)))
    assert packed["RPC_PERSIST_USER"].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_what_comes_back_becomes_headers() -> None:
    assert BAGGAGE.unpack({"spent": "3 ms", "other": "x"}) == ((b"x-spent", b"3 ms"),)
    assert BAGGAGE.unpack({"other": "x"}) == BAGGAGE.unpack({"spent": ""}) == ()


@pytest.mark.parametrize("value", ["a\r\nset-cookie: x", "a\nb", "\0", "\x7f"])
def test_what_would_break_the_head_stays_out(value: str) -> None:
    assert BAGGAGE.unpack({"spent": value}) == ()


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (({"X User": "u"}, {}, {}), "'X User' is no name of a header"),
        (({}, {"": "u"}, {}), "'' is no name of a header"),
        (({}, {}, {"n": "x:"}), "'x:' is no name of a header"),
        (({}, {}, {"n": "Content-Length"}), "the HTTP server's own"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tables: tuple[dict[str, str], ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compile_baggage(*tables)
