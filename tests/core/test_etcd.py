"""etcd's requests, answers and streams as values, as real releases write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.errors import WireError
from txgateway.core.etcd import (
    EtcdError,
    EtcdUnreachable,
    Event,
    JsonStream,
    KeyRange,
    KeyValue,
    Snapshot,
    WatchMessage,
    prefix_end,
    read_answer,
    read_snapshot,
    read_watch,
    split_watch,
    watch_request,
)

# Recorded from etcd 3.5.1: a watch from revision 2 on; one of what is compacted away.
HEADER = b'{"result":{"header":{"cluster_id":"2049666562556607815","member_id":"11236157617740104533",'
CREATED = HEADER + b'"revision":"1","raft_term":"2"},"created":true}}\n'
PUT = HEADER + (
    b'"revision":"2","raft_term":"2"},"events":[{"kv":{"key":"cC9hL2g6MQ==","create_revision":"2",'
    b'"mod_revision":"2","version":"1","value":"e30=","lease":"4851962364511439878"}}]}}\n'
)
DELETE = HEADER + (
    b'"revision":"3","raft_term":"2"},"events":[{"type":"DELETE","kv":{"key":"cC9hL2g6MQ==","mod_revision":"3"}}]}}\n'
)
COMPACTED = HEADER + b'"raft_term":"2"},"canceled":true,"compact_revision":"3"}}\n'
CLUSTER = 2049666562556607815

# As gRPC's gateway ends a stream when the member has lost its leader.
NO_LEADER = b'{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"x"}}\n'


# Requests


def test_a_watch_request() -> None:
    request = json.loads(watch_request(KeyRange.under(b"p/"), 8))
    assert request == {
        "create_request": {
            "key": "cC8=",
            "range_end": "cDA=",
            "start_revision": "8",
            "progress_notify": True,
            "fragment": True,
        }
    }


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"a/", b"a0"), (b"a\xff", b"b"), (b"a\xff\xff", b"b"), (b"\xff", b"\0"), (b"", b"\0")]
)
def test_the_end_of_a_prefix(prefix: bytes, end: bytes) -> None:
    assert prefix_end(prefix) == end


@given(st.binary(min_size=1, max_size=4), st.binary(max_size=6))
def test_a_range_holds_what_begins_with_its_prefix(prefix: bytes, key: bytes) -> None:
    keys = KeyRange.under(prefix)
    inside = keys.begin <= key and (keys.end == b"\0" or key < keys.end)
    assert inside == key.startswith(prefix)


# Plain answers


def test_an_answer() -> None:
    assert read_answer(200, b'{"header":{},"ID":"77"}') == {"header": {}, "ID": "77"}
    assert read_answer(200, b'{"result":{"header":{}}}\n') == {"result": {"header": {}}}


@pytest.mark.parametrize(
    ("status", "body", "code", "text"),
    [
        # As 3.5.1, 3.6 and 3.7 write them.
        (
            404,
            b'{"error":"etcdserver: requested lease not found","code":5,"message":"etcdserver: so it is"}',
            5,
            "requested lease not found",
        ),
        (401, b'{"code":16,"message":"etcdserver: invalid auth token"}', 16, "invalid auth token"),
        (400, b'{"error":{"code":3, "message":"etcdserver: user name is empty"}}', 3, "user name is empty"),
        (200, b'{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}', 14, "no leader"),
        (503, b'{"code":"x"}', 14, "HTTP 503"),
        (500, b"{}", 2, "HTTP 500"),
        (200, b'{"error":"odd"}', 2, "odd"),
    ],
)
def test_an_error_is_an_error(status: int, body: bytes, code: int, text: str) -> None:
    with pytest.raises(EtcdError, match=text) as caught:
        read_answer(status, body)
    assert caught.value.code == code
    assert not isinstance(caught.value, EtcdUnreachable)


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"404 page not found\n"), (200, b"<html>hello"), (200, b"[]"), (502, b"\xff")]
)
def test_what_is_no_answer_of_etcd_at_all(status: int, body: bytes) -> None:
    with pytest.raises(EtcdUnreachable, match=f"no answer of etcd's: HTTP {status}"):
        read_answer(status, body)


@pytest.mark.parametrize("body", [b"{}", b'{"status":"ok"}', b'{"header":null}', b'{"result":7}'])
def test_json_that_is_no_answer_of_etcd(body: bytes) -> None:
    with pytest.raises(EtcdUnreachable, match="it has no header"):
        read_answer(200, body)


@pytest.mark.parametrize(
    ("code", "text", "login", "elsewhere"),
    [
        (16, "etcdserver: invalid auth token", True, False),
        (3, "etcdserver: revision of auth store is old", True, False),
        (3, "etcdserver: user name is empty", True, False),
        (3, "etcdserver: authentication failed, invalid user ID or password", False, False),
        (7, "etcdserver: permission denied", False, False),
        (14, "etcdserver: no leader", False, True),
    ],
)
def test_what_an_error_asks_for(code: int, text: str, login: bool, elsewhere: bool) -> None:
    error = EtcdError(code, text)
    assert (error.wants_login, error.wants_other_member) == (login, elsewhere)


def test_a_snapshot() -> None:
    answer = {
        "header": {"cluster_id": "17", "revision": "9"},
        "kvs": [
            {"key": "cC9hL2g6MQ==", "create_revision": "3", "mod_revision": "4", "version": "2", "value": "e30="},
            {"key": "cC9i", "mod_revision": "5", "lease": "7587862094990012421"},
        ],
        "count": "2",
    }
    keys = (KeyValue(b"p/a/h:1", 4, b"{}"), KeyValue(b"p/b", 5, b"", 7587862094990012421))
    assert read_snapshot(answer) == Snapshot(17, 9, keys)
    assert read_snapshot({"header": {"cluster_id": "17", "revision": "9"}}) == Snapshot(17, 9)


@pytest.mark.parametrize(
    "answer",
    [{}, {"header": None}, {"header": {"cluster_id": "x", "revision": "1"}}]
    + [
        {"header": {"cluster_id": "1", "revision": "1"}, "kvs": kvs}
        for kvs in (7, [7], [{}], [{"key": "a", "mod_revision": "1"}], [{"key": "YQ==", "mod_revision": None}])
    ],
)
def test_a_snapshot_that_is_none(answer: dict[str, object]) -> None:
    with pytest.raises(WireError, match="not of the known form"):
        read_snapshot(answer)


# Watches


def test_a_watch_as_recorded() -> None:
    messages = list(map(read_watch, JsonStream().feed(CREATED + PUT + DELETE + COMPACTED)))
    assert messages == [
        WatchMessage(CLUSTER, 1, created=True),
        WatchMessage(CLUSTER, 2, (Event(KeyValue(b"p/a/h:1", 2, b"{}", 4851962364511439878)),)),
        WatchMessage(CLUSTER, 3, (Event(KeyValue(b"p/a/h:1", 3), deleted=True),)),
        WatchMessage(CLUSTER, 0, canceled=True, compact_revision=3),
    ]


def test_an_error_ends_a_watch() -> None:
    (message,) = JsonStream().feed(NO_LEADER)
    with pytest.raises(EtcdError, match="no leader") as caught:
        read_watch(message)
    assert caught.value.code == 14


@pytest.mark.parametrize("message", [{}, {"result": 1}, {"result": {}}, {"result": {"header": {"cluster_id": []}}}])
def test_a_watch_message_that_is_none(message: dict[str, object]) -> None:
    with pytest.raises(WireError, match="not of the known form"):
        read_watch(message)


# The stream

odd = st.text(st.sampled_from('{}"\\\n\r\t ,:é[]u0022'), max_size=12)
# etcd's numbers have 64 bits; what is longer JSON has as a float.
numbers = st.integers(-(2**63), 2**64 - 1)
objects = st.dictionaries(odd, odd | numbers | st.dictionaries(odd, odd, max_size=2), max_size=3)
gaps = st.sampled_from([b"\n", b"", b"\r\n", b" \n\t", b"\n\n"])


@given(st.lists(st.tuples(objects, gaps, st.booleans()), max_size=5), st.data())
def test_any_cut_and_any_gap_give_the_same_objects(
    sent: list[tuple[dict[str, object], bytes, bool]], data: st.DataObject
) -> None:
    text = b"".join(json.dumps(each, indent=2 if wide else None).encode() + gap for each, gap, wide in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    stream, got = JsonStream(), []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        got += list(stream.feed(text[begin:end]))
    assert got == [each for each, _, _ in sent]


def test_a_stream_byte_by_byte() -> None:
    text = (CREATED + PUT + DELETE).replace(b"\n", b"") * 3
    stream = JsonStream()
    got = [message for i in range(len(text)) for message in stream.feed(text[i : i + 1])]
    assert len(got) == 9
    assert got[:3] == list(JsonStream().feed(CREATED + PUT + DELETE))


@pytest.mark.parametrize("text", [b"x", b"<html>", b"}", b'"a"', b"{} x", b"7", b"{}[]", b"\0"])
def test_what_is_no_object_ends_the_stream(text: bytes) -> None:
    with pytest.raises(WireError, match="not a JSON object"):
        list(JsonStream().feed(text))


@pytest.mark.parametrize("text", [b"{,}", b'{"a":\xff}', b'{"a":"\xff"}', b"{[}"])
def test_what_is_no_json_ends_the_stream(text: bytes) -> None:
    with pytest.raises(WireError, match="not JSON"):
        list(JsonStream().feed(text))


@given(st.integers(1, 40))
def test_a_message_is_bounded(step: int) -> None:
    fits, too_large = b'{"a":"' + b"x" * 92 + b'"}', b'{"a":"' + b"x" * 93 + b'"}'
    assert len(fits) == 100
    for text in (fits, too_large):
        stream = JsonStream(limit=100)
        pieces = [text[i : i + step] for i in range(0, len(text), step)]
        if text is fits:
            assert len([message for piece in pieces for message in stream.feed(piece)]) == 1
        else:
            with pytest.raises(WireError, match="more than 100 bytes"):
                [message for piece in pieces for message in stream.feed(piece)]


def test_a_message_that_never_ends_is_not_kept() -> None:
    stream = JsonStream(limit=100)
    for _ in range(20):
        assert list(stream.feed(b'{"a":')) == []
    with pytest.raises(WireError, match="more than 100 bytes"):
        list(stream.feed(b'{"a":'))


@given(
    revisions=st.lists(st.integers(1, 5), max_size=350),
    flags=st.dictionaries(st.sampled_from(["fragment", "created"]), st.just(True)),
)
def test_a_message_says_the_same_in_pieces(revisions: list[int], flags: dict[str, bool]) -> None:
    events = [{"kv": {"key": "cC8=", "mod_revision": str(revision)}} for revision in sorted(revisions)]
    message = {"result": {"header": {"cluster_id": "1", "revision": "9"}, "events": events, **flags}}
    pieces = [read_watch(piece) for piece in split_watch(message)]
    whole = read_watch(message)
    assert tuple(event for piece in pieces for event in piece.events) == whole.events
    assert max(len(piece.events) for piece in pieces) <= 100
    assert [piece.fragment for piece in pieces] == [True] * (len(pieces) - 1) + [whole.fragment]
    assert {(piece.cluster, piece.revision, piece.created) for piece in pieces} == {(1, 9, whole.created)}


@pytest.mark.parametrize("message", [{"error": {"grpc_code": 14}}, {"result": []}, {"result": {"events": {}}}, {}])
def test_what_is_no_message_of_events_stays_in_one_piece(message: dict[str, Any]) -> None:
    assert list(split_watch(message)) == [message]
