"""The main job on real parts: an etcd, two Book services and the gateway, each a process of its own."""

from __future__ import annotations

import re
import signal
import time
import urllib.request
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.end_to_end.load import Load
from tests.end_to_end.twistd import BookProcess, GatewayProcess, request

TTL = 4
FORM = "application/x-www-form-urlencoded"

pytestmark = pytest.mark.slow


class Town:
    """A gateway, a heavy and a light Book service, and what etcd knows of them."""

    def __init__(self, etcd_url: str) -> None:
        self.etcd_url = etcd_url
        # A prefix of its own: other tests use the same etcd.
        self.prefix = f"test-{uuid.uuid4().hex}"
        discovery = ("--etcd", etcd_url, "--prefix", self.prefix)
        self.heavy = BookProcess(*discovery, "--weight", "3", "--ttl", str(TTL))
        self.light = BookProcess(*discovery, "--weight", "1", "--ttl", str(TTL))
        self.gateway = GatewayProcess(*discovery)
        self.gateway.wait_for_instances("book", 2)

    def close(self) -> None:
        for part in (self.gateway, self.light, self.heavy):
            part.end()

    def registered(self) -> list[str]:
        """The addresses under the service's prefix, as etcd has them."""
        begin = f"{self.prefix}/book/".encode()
        body = orjson.dumps(
            {"key": b64encode(begin).decode(), "range_end": b64encode(begin[:-1] + b"0").decode(), "keys_only": True}
        )
        with urllib.request.urlopen(f"{self.etcd_url}/v3/kv/range", body, timeout=10) as answer:
            found = orjson.loads(answer.read()).get("kvs", [])
        return [b64decode(kv["key"]).decode().rpartition("/")[2] for kv in found]


@pytest.fixture(scope="module")
def town(etcd) -> Iterator[Town]:
    town = Town(etcd.url)
    yield town
    town.close()


@pytest.fixture
def own_town(etcd) -> Iterator[Town]:
    """One whose parts may be killed."""
    town = Town(etcd.url)
    yield town
    town.close()


def problem(answer: Any) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["status"] == answer.status
    return document


def test_a_query_answers_with_the_book(town):
    answer = town.gateway.get("/book/query?num=7")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    book = answer.json
    assert set(book) == {"ID", "Title", "Author", "Content"}
    assert book["ID"] == "7"
    assert all(book[field] for field in ("Title", "Author"))


def test_the_rule_refuses_with_its_message(town):
    document = problem(town.gateway.get("/book/query?num=700"))
    assert document["status"] == 400
    assert document["detail"] == "num must less than 100"
    assert "Num" in document["field"]


def test_a_number_that_is_none_names_the_parameter(town):
    document = problem(town.gateway.get("/book/query?num=abc"))
    assert document["status"] == 400
    assert "num" in document["detail"] + document["field"]
    assert "abc" in document["detail"]


def test_a_missing_book_is_a_declared_exception_with_its_status(town):
    answer = town.gateway.get("/book/query?num=99")
    assert answer.status == 404
    assert "99" in answer.json["Msg"]


def test_a_book_is_inserted_once(town):
    # Whichever instance is asked first, the others know of it at once.
    for number in range(4):
        form = f"id={50 + number}&title=Emma&author=Jane+Austen"
        answers = [town.gateway.post("/book/insert", form, FORM).json for _ in range(4)]
        assert [answer["Ok"] for answer in answers] == [True, False, False, False]
        assert answers[-1]["Msg"]
        for _ in range(4):
            assert town.gateway.get(f"/book/query?num={50 + number}").json["Title"] == "Emma"


def test_json_calls_in_both_forms(town):
    plain = town.gateway.post("/gateway/book/queryBook", '{"Num": 7}')
    assert (plain.status, plain.json["ID"]) == (200, "7")
    old = town.gateway.post("/gateway/book/queryBook", '{"biz_params": "{\\"Num\\": 7}"}')
    assert (old.status, old.json["ID"], old.json["err_code"]) == (200, "7", 0)
    refused = town.gateway.post("/gateway/book/queryBook", '{"biz_params": "{\\"Num\\": 700}"}')
    assert (refused.status, refused.json["err_code"]) == (400, 400)
    assert refused.json["err_msg"] == "num must less than 100"


@pytest.mark.parametrize(
    ("verb", "target", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/book/query", 405),
        ("POST", "/gateway/book/none", 404),
        ("POST", "/gateway/none/x", 404),
    ],
)
def test_what_is_not_there(town, verb, target, status):
    answer = town.gateway.post(target, "{}") if verb == "POST" else town.gateway.get(target)
    assert problem(answer)["status"] == status
    if status == 405:
        assert "GET" in answer.headers["allow"]


def test_head_and_options_need_no_annotation(town):
    head = request(town.gateway.port, "HEAD", "/book/query?num=7")
    assert (head.status, head.body) == (200, b"")
    options = request(town.gateway.port, "OPTIONS", "/book/query")
    assert options.status == 204
    assert "GET" in options.headers["allow"]


def test_the_admin_port_tells_that_all_is_well(town):
    assert town.gateway.admin("/healthz")["status"] == "ok"
    assert town.gateway.admin("/readyz") == {"ready": True, "waiting_for": []}
    routes = {(route["verb"], route["path"], route["method"]) for route in town.gateway.admin("/routes")["routes"]}
    assert routes == {("GET", "/book/query", "queryBook"), ("POST", "/book/insert", "insertBook")}
    assert town.gateway.get("/healthz").status == 404


def test_three_of_four_queries_reach_the_heavier_instance(own_town):
    for _ in range(400):
        assert own_town.gateway.get("/book/query?num=7").status == 200
    instances = own_town.gateway.instances("book")
    assert abs(instances[own_town.heavy.address]["calls"] - 300) <= 2
    assert instances[own_town.heavy.address]["calls"] + instances[own_town.light.address]["calls"] == 400


def test_a_killed_instance_costs_no_query_and_is_gone_when_its_lease_is(own_town):
    with Load(own_town.gateway.port, "/book/query?num=7", 8) as load:
        own_town.heavy.end(signal.SIGKILL)
        killed = time.monotonic()
        load.wait_for(700)
    # Calls that ran when the process died went to the other instance, and so did those that could not reach it.
    assert load.failed == {}
    while own_town.heavy.address in own_town.registered():
        # Long before a lease of the usual 60 s would be over.
        assert time.monotonic() < killed + TTL + 20
        time.sleep(0.05)
    own_town.gateway.wait_for_instances("book", 1)
    assert not own_town.gateway.tracebacks


def test_a_stopped_instance_loses_no_request_at_all(own_town):
    with Load(own_town.gateway.port, "/book/query?num=7") as load:
        assert own_town.heavy.end(signal.SIGTERM) == 0
        load.wait_for(300)
    assert load.failed == {}
    assert own_town.registered() == [own_town.light.address]
    assert not own_town.heavy.tracebacks


def test_a_new_instance_is_found_and_used(own_town):
    own_town.gateway.post("/book/insert", "id=70&title=Emma", FORM)
    with BookProcess("--etcd", own_town.etcd_url, "--prefix", own_town.prefix, "--weight", "50") as third:
        own_town.gateway.wait_for_instances("book", 3)
        for _ in range(20):
            assert own_town.gateway.get("/book/query?num=7").status == 200
        assert own_town.gateway.instances("book")[third.address]["calls"] >= 15
        # The newcomer is told of what was inserted before it came.
        deadline = time.monotonic() + 10
        while not all(own_town.gateway.get("/book/query?num=70").status == 200 for _ in range(10)):
            assert time.monotonic() < deadline
        assert third.end() == 0
    own_town.gateway.wait_for_instances("book", 2)


def test_the_gateway_answers_what_it_began_when_it_is_stopped(own_town):
    with Load(own_town.gateway.port, "/book/query?num=7") as load:
        assert own_town.gateway.end(signal.SIGTERM) == 0
        # From now on nobody listens there.
        load.wait_for(8)
    assert set(load.failed) <= {0}
    assert re.search(r"stopped with 0 requests unfinished", own_town.gateway.output)
    assert not own_town.gateway.tracebacks
