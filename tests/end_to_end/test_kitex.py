"""Both ways with real Kitex: our gateway in front of its server, its client in front of our Book service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import orjson
import pytest

from tests.end_to_end.kitex import TRANSPORTS
from tests.end_to_end.load import Load
from tests.end_to_end.twistd import Answer, GatewayProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(make_place) -> Iterator[GatewayProcess]:
    """A gateway in front of one Kitex server, for the tests that leave both as they are."""
    with ExitStack() as stack:
        place = make_place(stack)
        place.server()
        gateway = place.gateway()
        gateway.wait_for_instances("bench", 1)
        yield gateway
        assert not gateway.tracebacks


def volume(i: int) -> dict[str, Any]:
    """What the Kitex server lists as book i."""
    book = {
        "id": f"v{i}",
        "title": f"Volume {i}",
        "authors": [{"name": "Zoë Sample", "aliases": ["Z.", "Zoë S."]}, {"name": "Anon", "aliases": []}],
        "price": i + 0.25,
        "sold": 2**53 + 1 + i,
        "binding": i % 3 + 1,
        "inPrint": i % 2 == 0,
        "labels": {"lang": "en", "row": f"r{i % 10}"},
    }
    if i % 3 != 0:
        book["authors"][0]["born"] = 1900 + i % 100
    if i % 2 == 0:
        book["summary"] = f"What is said in volume {i}."
    return book


def problem(answer: Answer) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["status"] == answer.status
    return document


# Our gateway, Kitex's server


def test_fetch_answers_with_every_field(gateway):
    found = gateway.get("/bench/get?num=42")
    assert found.status == 200
    assert found.json == {"exist": True, "id": "42", "title": "Volume 42", "author": "Zoë Sample"}
    missing = gateway.get("/bench/get?num=-7")
    assert missing.json == {"exist": False, "id": "", "title": "", "author": ""}


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_browse_answers_with_nested_records(gateway, count):
    answer = gateway.get(f"/bench/list?count={count}")
    assert answer.status == 200
    assert answer.json == {"books": [volume(i) for i in range(count)], "total": count}


def test_store_hands_on_every_field(gateway):
    book = volume(5) | {"summary": "Übersicht", "sold": -(2**63), "labels": {"b": "2", "a": "1"}}
    answer = gateway.post("/bench/store/top", orjson.dumps({"books": [book, volume(1)]}))
    assert answer.status == 200
    assert answer.json == {
        "stored": 2,
        "msg": "first on top: id v5, title Volume 5,"
        " authors [Zoë Sample/1905/Z.+Zoë S. Anon/-/], price 5.25, sold -9223372036854775808,"
        " binding EBOOK, inPrint false, labels [a=1 b=2], summary Übersicht",
    }


def test_store_hands_on_what_is_left_out_as_its_zero_value(gateway):
    answer = gateway.post("/bench/store/low%2Frow", '{"books": [{}]}')
    assert answer.json == {
        "stored": 1,
        "msg": "first on low/row: id , title , authors [], price 0, sold 0, binding <UNSET>, inPrint false,"
        " labels [], summary -",
    }
    assert gateway.post("/bench/store/low", '{"books": []}').json == {"stored": 0, "msg": "nothing for low"}


def test_the_generic_call_reaches_the_same_method(gateway):
    answer = gateway.post("/gateway/bench/fetch", '{"num": 42}')
    assert (answer.status, answer.json["title"]) == (200, "Volume 42")


def test_the_rule_refuses_before_the_server_is_asked(gateway):
    (before,) = gateway.instances("bench").values()
    document = problem(gateway.get("/bench/get?num=100"))
    assert (document["status"], document["detail"]) == (400, "num must be less than 100")
    assert document["field"] == "num"
    (after,) = gateway.instances("bench").values()
    assert after["calls"] == before["calls"]


FAILURES = {
    "undeclared error": "/bench/get?num=90",
    "panic": "/bench/get?num=91",
    "empty reply": "/bench/get?num=93",
    "refused count": "/bench/list?count=-1",
}
STATUS_ERROR = "/bench/get?num=94"
INSIDE = (b"catalogue", b"panic", b"goroutine", b"biz error", b"count must", b"127.0.0.1")


def fails(gateway: GatewayProcess, target: str) -> None:
    """Ask for what the server cannot answer, and then for something else."""
    answer = gateway.get(target)
    document = problem(answer)
    assert (document["status"], document["service"]) == (502, "bench")
    assert not [word for word in INSIDE if word in answer.body]
    assert gateway.get("/bench/get?num=2").json["title"] == "Volume 2"


@pytest.mark.parametrize("target", FAILURES.values(), ids=FAILURES)
def test_a_server_that_fails_is_502_and_its_words_stay_inside(gateway, target):
    fails(gateway, target)


def test_a_status_error_is_lost_over_framed_and_never_passes_for_a_success(gateway):
    fails(gateway, STATUS_ERROR)


@pytest.mark.parametrize("transport", ["buffered", "ttheader", "ttheader-unframed", "mux"])
def test_every_transport_carries_the_same_calls(place, transport):
    server = place.server(mux=transport == "mux")
    gateway = place.gateway(transport=transport)
    gateway.wait_for_instances("bench", 1)
    assert gateway.get("/bench/get?num=42").json["title"] == "Volume 42"
    assert gateway.get("/bench/list?count=100").json == {"books": [volume(i) for i in range(100)], "total": 100}
    assert gateway.post("/bench/store/top", orjson.dumps({"books": [volume(0)] * 200})).json["stored"] == 200
    for target in FAILURES.values():
        fails(gateway, target)
    assert server.stop() == {"fetch": 8, "browse": 2, "store": 1}
    assert not gateway.tracebacks


@pytest.mark.parametrize("transport", ["ttheader", "ttheader-unframed", "mux"])
def test_a_status_error_arrives_with_code_message_and_extra(place, transport):
    place.server(mux=transport == "mux")
    gateway = place.gateway(transport=transport)
    gateway.wait_for_instances("bench", 1)
    document = problem(gateway.get(STATUS_ERROR))
    assert document["status"] == 500
    assert (document["code"], document["message"]) == (40404, "the shelf is closed")
    assert document["extra"] == {"hint": "until monday"}


def test_a_server_that_sleeps_is_504_and_its_late_reply_reaches_nobody(place):
    server = place.server()
    gateway = place.gateway(deadline=1.5)
    gateway.wait_for_instances("bench", 1)
    document = problem(gateway.get("/bench/get?num=92"))
    assert (document["status"], document["retryable"]) == (504, True)
    for num in range(0, 20, 2):
        assert gateway.get(f"/bench/get?num={num}").json["title"] == f"Volume {num}"
    assert server.stop()["fetch"] == 11


def test_calls_are_shared_by_the_weights_that_kitex_registered(place):
    heavy, light = place.server(weight=30), place.server(weight=10)
    gateway = place.gateway()
    assert {a: i["weight"] for a, i in gateway.wait_for_instances("bench", 2).items()} == {
        heavy.address: 30,
        light.address: 10,
    }
    for _ in range(40):
        assert gateway.get("/bench/get?num=2").status == 200
    assert (heavy.stop()["fetch"], light.stop()["fetch"]) == (30, 10)


@pytest.mark.parametrize("transport", ["framed", "ttheader", "mux"])
def test_a_kitex_server_comes_and_goes_under_load(place, transport):
    first = place.server(mux=transport == "mux")
    gateway = place.gateway(transport=transport)
    gateway.wait_for_instances("bench", 1)
    with Load(gateway.port, "/bench/get?num=2", clients=4) as load:
        second = place.server(mux=transport == "mux")
        gateway.wait_for_instances("bench", 2)
        load.wait_for(200)
        served_by_first = first.stop()["fetch"]
        gateway.wait_for_instances("bench", 1)
        load.wait_for(200)
    assert load.failed == {}
    served_by_second = second.stop()["fetch"]
    assert min(served_by_first, served_by_second) > 50
    # A Kitex server closes its connections 150 ms after it left etcd, whoever uses them: the gateway is away by then,
    # unless the machine is busy. A multiplexing one runs the calls that cross its farewell and keeps the replies to
    # itself. Such a call may have run; since it is safe it is sent again, and each caller can meet that once.
    assert load.sent <= served_by_first + served_by_second <= load.sent + 4
    assert not gateway.tracebacks


# Kitex's client, our Book service


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_kitex_client_finds_and_calls_the_book_service(place, transport):
    place.book()
    *calls, end = place.call_book(transport, "-calls=2", "-present=7", "-absent=98", "-insert=71")
    assert end == {"errors": 0}
    present, absent, inserted, _, _, again = calls
    assert present["result"] == {
        "ID": "7",
        "Title": "Anna Karenina",
        "Author": "Leo Tolstoy",
        "Content": "All happy families are alike ...",
    }
    assert absent["thrown"] == {"Status": 404, "Msg": "There is no book 98"}
    assert inserted["result"] == {"Ok": True, "Msg": "Book 71 is on the shelf"}
    assert again["result"] == {"Ok": False, "Msg": "There is a book with this ID"}
    (found,) = place.call_book("framed", "-present=71")[:1]
    assert found["result"] == {"ID": "71", "Title": "Título", "Author": "Zoë", "Content": ""}


def test_a_kitex_client_shares_its_calls_by_our_weights(place):
    heavy, light = place.book("--weight", "3"), place.book("--weight", "1")
    counts = place.loop(concurrency=1, seconds=1).finish()
    assert counts["failed"] == 0
    shares = counts["instances"]
    assert sum(shares.values()) == counts["ok"] > 40
    assert abs(shares[heavy.address] - 3 * shares[light.address]) <= 4


@pytest.mark.parametrize(
    ("transport", "refresh", "grace"),
    [
        pytest.param("framed", 5.0, 8, id="Kitex's own pace"),
        pytest.param("buffered", 0.1, 1, id="a client that looks often"),
    ],
)
def test_a_book_service_that_is_replaced_costs_a_kitex_client_no_call(place, transport, refresh, grace):
    # A Kitex client calls the one that left until it looks into etcd again, so that long the service goes on.
    leaving, staying = place.book("--grace", str(grace)), place.book()
    loop = place.loop(transport=transport, refresh=refresh)
    loop.reach(leaving.address)
    loop.reach(staying.address)
    assert leaving.end() == 0
    loop.reach(place.book().address)
    counts = loop.stop()
    assert counts["failed"] == 0, counts["errors"]
    assert not leaving.tracebacks
