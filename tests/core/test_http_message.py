"""Requests out of bytes: any cut gives the same ones, and what headers say of the body's length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.errors import BadMessage
from txgateway.core.http_message import CHUNKED, MessageLimits, RequestReader, body_length, origin_form


def read_headers(lines):
    return tuple(
        (name.lower(), value.strip(b" \t"))
        for name, _, value in (line.partition(b":") for line in lines.split(b"\r\n") if line)
    )


def request(body, chunk):
    """A request with this body, in chunks of that size if it is not 0."""
    head = b"POST /%d HTTP/1.1\r\nHost: gw\r\n" % len(body)
    if not chunk:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunks = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    return head + b"Transfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % b"".join(
        b"%x\r\n%s\r\n" % (len(c), c) for c in chunks
    )


def read(pieces):
    reader, requests = RequestReader(MessageLimits(), read_headers), []
    for piece in pieces:
        reader.feed(piece)
        while (found := reader.next()) is not None or reader.interrupted:
            if found is not None:
                requests.append((found.target, found.body))
    return requests


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 9)), max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
)
def test_any_cut_gives_the_same_requests(bodies, sizes):
    data, pieces = b"".join(request(*each) for each in bodies), []
    while data:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
    assert read(pieces) == [(b"/%d" % len(body), body) for body, _ in bodies]


def test_a_body_that_looks_like_the_request_before_is_a_body():
    """Its piece is what clients send again and again: one whole request with the headers of the last."""
    reader = RequestReader(MessageLimits(), read_headers)
    whole = b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n0123456789"
    reader.feed(whole)
    assert reader.next().body == b"0123456789"
    reader.feed(whole[:-10])
    assert reader.next() is None
    reader.feed(whole)
    assert reader.next().body == whole[:10]
    with pytest.raises(BadMessage):
        reader.next()


def test_the_same_headers_in_another_version_mean_something_else():
    reader = RequestReader(MessageLimits(), read_headers)
    closes = []
    for version in (b"1.1", b"1.1", b"1.0", b"1.0", b"1.1"):
        reader.feed(b"GET / HTTP/%b\r\nhost: a\r\n\r\n" % version)
        assert reader.next().headers == ((b"host", b"a"),)
        closes.append(reader.closes)
    assert closes == [False, False, True, True, False]


def test_more_chunks_than_are_read_at_once():
    body = b"x" * 2500
    assert read([request(body, 1)]) == [(b"/2500", body)]


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], 0),
        ([(b"content-length", b"0")], 0),
        ([(b"content-length", b"12")], 12),
        ([(b"transfer-encoding", b"chunked")], CHUNKED),
        ([(b"transfer-encoding", b"CHUNKED")], CHUNKED),
    ],
)
def test_the_length_of_a_body(headers, length):
    assert body_length(tuple(headers)) == length


@pytest.mark.parametrize("length", [b"", b"+1", b"-0", b"1,1", b"0x1", b"1_0", b" 1", "１".encode(), b"1" * 17])
def test_what_is_no_length(length):
    with pytest.raises(BadMessage):
        body_length(((b"content-length", length),))


def test_a_coding_in_http_1_0_is_refused():
    with pytest.raises(BadMessage):
        body_length(((b"transfer-encoding", b"chunked"),), is_1_1=False)


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/a?b", b"/a?b"), (b"http://h/a?b", b"/a?b"), (b"HTTPS://h", b"/"), (b"http://h?b", b"/?b"), (b"*", b"*")],
)
def test_a_target_without_scheme_and_authority(target, path):
    assert origin_form(target) == path
