"""Every dialect with peers of other makes: what is said beside calls, loads, restarts, and Python's servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest
from thrift.Thrift import TType

from tests.end_to_end.kitex import SOURCES, TRANSPORTS
from tests.end_to_end.python_peers import ApacheBookClient, apache_books, their_bench, their_book_client
from tests.end_to_end.test_kitex import volume
from tests.end_to_end.twistd import BookProcess, GatewayProcess

pytestmark = pytest.mark.slow

WITH_HEADER = ("ttheader", "ttheader-framed", "mux")
EVERY_DIALECT = [(transport, protocol) for transport in ("framed", "buffered") for protocol in ("binary", "compact")]
BAGGAGE = """
caller = "front.door"
transient = {"X-Trace" = "TRACE"}
persistent = {"X-User" = "USER"}
backward = {"spent" = "X-Spent"}
"""


# Kitex's client, our service


@pytest.mark.parametrize("transport", WITH_HEADER)
def test_a_kitex_client_is_heard_and_answered_beside_its_calls(place, transport):
    place.telling_book()
    told, refused, broken, _ = place.call_book(transport, "-present=7", "-absent=98", "-timeout=7s")
    assert told["result"] == {"ID": "7", "Title": "t-7", "Author": "Zoë", "Content": "7.0"}
    assert told["heard"] == {"spent": "3 ms"}
    extra = {"hint": "until monday"}
    assert refused["status"] == {"code": 40404, "message": "the shelf is closed", "extra": extra}
    assert refused["heard"]["spent"] == "3 ms"
    assert broken["error"] == "remote or network error[remote]: insertBook failed"


@pytest.mark.parametrize("transport", ["framed", "buffered"])
def test_without_room_beside_calls_a_status_error_is_an_error(place, transport):
    place.telling_book()
    told, refused, *_ = place.call_book(transport, "-present=7", "-absent=98")
    assert told["result"] == {"ID": "7", "Title": "", "Author": "", "Content": "None"}
    assert refused["error"] == "remote or network error[remote]: the shelf is closed"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ten_thousand_calls_by_fifty_callers(place, transport):
    place.book()
    counts = place.loop(transport=transport, concurrency=50, total=10_000, pause=0).finish(90)
    assert (counts["ok"], counts["errors"]) == (10_000, {})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_book_service_is_restarted_under_load(place, transport):
    leaving, staying = place.book(), place.book()
    loop = place.loop(transport=transport, refresh=0.1)
    loop.reach(leaving.address)
    loop.reach(staying.address)
    assert leaving.end() == 0
    again = place.book("--listen", f"tcp:{leaving.port}:interface=127.0.0.1")
    loop.reach(again.address)
    assert staying.end() == 0
    counts = loop.stop()
    if transport == "mux":
        # Kitex's client itself closes a multiplexed connection as soon as its instance has left etcd, whatever runs on
        # it: MuxPool.Clean. Each of its callers can meet that once for each of the two that leave.
        assert counts["failed"] <= 8
        assert set(counts["errors"]) <= {"remote or network error: conn closed"}
    else:
        assert counts["failed"] == 0, counts["errors"]
    assert counts["ok"] > 100


# Our gateway, Kitex's server


@pytest.mark.parametrize("transport", ["ttheader", "ttheader-unframed", "mux"])
def test_headers_travel_beside_a_call_and_back(place, transport):
    place.server(mux=transport == "mux")
    gateway = place.gateway(transport=transport, upstream=BAGGAGE)
    gateway.wait_for_instances("bench", 1)
    answer = gateway.get("/bench/get?num=95", X_Trace="t-7", X_User="ann", X_Other="nobody's")
    assert answer.json == {"exist": True, "id": "t-7", "title": "ann", "author": "front.door"}
    assert answer.headers["x-spent"] == "3 ms"
    assert gateway.get("/bench/get?num=95").json["title"] == ""
    assert "x-spent" not in gateway.get("/bench/get?num=2").headers


def test_the_idl_says_how_a_service_is_spoken_to(place, tmp_path):
    """Over the settings' framed a status error would be lost, and a server that multiplexes would close."""
    place.server(mux=True)
    idl = (SOURCES / "idl" / "bench.thrift").read_text()
    (tmp_path / "bench.thrift").write_text(idl.rstrip() + ' (tgw.transport="mux", tgw.pipeline="4")')
    gateway = place.gateway(idl=tmp_path)
    gateway.wait_for_instances("bench", 1)
    assert gateway.get("/bench/get?num=94").json["code"] == 40404


# Python's clients, our service


@pytest.fixture(scope="module")
def book() -> Iterator[BookProcess]:
    with BookProcess() as book:
        yield book


@pytest.mark.parametrize(("transport", "protocol"), EVERY_DIALECT)
def test_a_client_of_thriftpy2(book, transport, protocol):
    with their_book_client(book.port, transport, protocol) as (client, types):
        found = client.queryBook(types.QueryBookReq(Num=7))
        assert (found.ID, found.Title) == ("7", "Anna Karenina")
        with pytest.raises(types.BookNotFound) as missing:
            client.queryBook(types.QueryBookReq(Num=98))
        assert (missing.value.Status, missing.value.Msg) == (404, "There is no book 98")
        number = str(60 + EVERY_DIALECT.index((transport, protocol)))
        request = types.InsertBookReq(ID=number, Title="Título" * 100, Author="Zoë")
        assert [client.insertBook(request).Ok for _ in range(2)] == [True, False]


@pytest.mark.parametrize(("transport", "protocol"), EVERY_DIALECT)
def test_a_client_of_apache(book, transport, protocol):
    client = ApacheBookClient(book.port, transport, protocol)
    assert client.call("queryBook", [(1, TType.I32, 7)])[0][2] == "Anna Karenina"
    assert client.call("queryBook", [(1, TType.I32, 98)]) == {1: {1: 404, 2: "There is no book 98"}}
    unknown = client.call("eatBook", [])
    assert (unknown.type, unknown.message) == (1, "unknown method eatBook")
    assert client.call("queryBook", [(1, TType.I32, 7)])[0][1] == "7"
    client.close()


# Our gateway, Python's servers


@pytest.fixture
def front(tmp_path: Path) -> Iterator[object]:
    """Starts a gateway before one instance of a service, which is spoken to as the settings say."""
    with ExitStack() as stack:

        def front(service: str, port: int, transport: str, protocol: str, pipeline: int) -> GatewayProcess:
            spoken = f'transport = "{transport}", protocol = "{protocol}", pipeline = {pipeline}'
            (tmp_path / "tgw.toml").write_text(f"upstream = {{{spoken}, deadline = 20}}")
            idl = SOURCES / "idl" if service == "bench" else SOURCES.parents[1] / "idl"
            options = ("--static", f"{service}=127.0.0.1:{port}", "--config", str(tmp_path / "tgw.toml"))
            return stack.enter_context(GatewayProcess(*options, idl=idl))

        yield front


@pytest.mark.parametrize("pipeline", [1, 8])
@pytest.mark.parametrize(("transport", "protocol"), EVERY_DIALECT)
def test_a_server_of_thriftpy2(front, transport, protocol, pipeline):
    books = [volume(i) for i in range(40)]
    with their_bench(transport, protocol, books) as port:
        gateway = front("bench", port, transport, protocol, pipeline)
        assert gateway.get("/bench/get?num=-42").json == {"exist": False, "id": "-42", "title": "t", "author": "a"}
        assert gateway.get("/bench/list?count=40").json == {"books": books, "total": -40}
        stored = gateway.post("/bench/store/top", orjson.dumps({"books": books}))
        assert stored.json == {"stored": 40, "msg": "top"}


@pytest.mark.parametrize("pipeline", [1, 8])
@pytest.mark.parametrize(("transport", "protocol"), EVERY_DIALECT)
def test_a_server_of_apache(front, transport, protocol, pipeline):
    with apache_books(transport, protocol) as port:
        gateway = front("book", port, transport, protocol, pipeline)
        book = {"ID": "-7", "Title": "Título " * 40, "Author": "Zoë", "Content": ""}
        assert gateway.get("/book/query?num=-7").json == book
        missing = gateway.get("/book/query?num=98")
        assert (missing.status, missing.json) == (404, {"Msg": "no such book"})
        assert gateway.get("/book/query?num=97").status == 502
        for number, known in (("0", False), ("71", True)):
            form = f"id={number}&title=T%C3%ADtulo&author=Zo%C3%AB"
            answer = gateway.post("/book/insert", form, "application/x-www-form-urlencoded")
            assert answer.json == {"Ok": known, "Msg": f"{number}: Título by Zoë"}
