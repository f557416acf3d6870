"""Instances that die, hang, slow down, flap, leave and come back, all under load; every request is counted."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.end_to_end.kitex import Program
from tests.end_to_end.load import Load
from tests.end_to_end.twistd import BookProcess, GatewayProcess, Twistd, request
from tests.end_to_end.waiting import wait_until
from tests.end_to_end.written_instances import WrittenInstances
from txgateway.cli import main

pytestmark = pytest.mark.slow

BOOK = "/book/query?num=7"
WITHIN = 30.0


class BookAt(Twistd):
    """A Book service on a given port, in place of one that died there."""

    def __init__(self, port: int) -> None:
        super().__init__("book", "--listen", f"tcp:{port}:interface=127.0.0.1")
        self.find(r"listens on 127\.0\.0\.1:(\d+)")


class SlowBook(Program):
    def __init__(self, seconds: float) -> None:
        super().__init__([sys.executable, "-m", "tests.end_to_end.slow_book", str(seconds)])
        self.port = int(self.line("listens on "))


@pytest.fixture
def run() -> Iterator[Callable]:
    """Starts programs that are ended in the end."""
    programs: list[Program] = []

    def start(make: Callable, *arguments: object) -> Program:
        programs.append(make(*arguments))
        return programs[-1]

    yield start
    for program in reversed(programs):
        program.process.send_signal(signal.SIGCONT)
        program.end(signal.SIGKILL)


@pytest.fixture
def gateway_before(run, tmp_path: Path) -> Callable:
    """Starts a gateway with a configuration before books at these ports."""

    def start(config: str, *ports: int) -> GatewayProcess:
        file = tmp_path / "tgw.toml"
        file.write_text(f"log.access = 'off'\n{config}")
        statics = [option for port in ports for option in ("--static", f"book=127.0.0.1:{port}")]
        return run(GatewayProcess, "--config", str(file), *statics)

    return start


def line_of(gateway: GatewayProcess, port: int) -> dict:
    return gateway.instances("book")[f"127.0.0.1:{port}"]


@pytest.mark.parametrize("safe", [True, False], ids=["safe", "unsafe"])
def test_a_killed_instance_fails_unsafe_calls_in_flight_and_no_others(run, gateway_before, safe):
    dies, lives = run(BookProcess), run(BookProcess)
    verbs = '["GET"]' if safe else "[]"
    gateway = gateway_before(f"policy.safe_verbs = {verbs}", dies.port, lives.port)
    clients = 8
    with Load(gateway.port, BOOK, clients) as load:
        load.wait_for(300)
        dies.end(signal.SIGKILL)
        load.wait_for(600)
    assert set(load.failed) <= (set() if safe else {502})
    # Those in flight, and those written to an idle connection whose end had not been heard of yet.
    assert sum(load.failed.values()) <= 2 * clients
    calls = sum(line["calls"] for line in gateway.instances("book").values())
    # Each request was one call that was handed to a connection, unless it was repeated, or nothing of it could be
    # written any more and it went to the other.
    assert load.sent <= calls <= load.sent + 2 * clients
    assert not gateway.tracebacks


HEALTH = "health = { interval = 0.2, ejection_time = 3.0 }\n"


def test_a_hanging_instance_is_ejected_by_its_fifth_timeout_and_comes_back(run, gateway_before):
    hangs, lives = run(BookProcess), run(BookProcess)
    gateway = gateway_before(f"{HEALTH}upstream.deadline = 0.6", hangs.port, lives.port)
    with Load(gateway.port, BOOK, clients=1) as load:
        assert line_of(gateway, hangs.port)["state"] == "live"
        hangs.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: line_of(gateway, hangs.port)["state"] == "ejected")
        assert load.failed == {504: 5}
        ejected = line_of(gateway, hangs.port)
        assert ejected["last_error"]["what"] == "timed out"
        load.wait_for(50)
        assert (line_of(gateway, hangs.port)["calls"], load.failed) == (ejected["calls"], {504: 5})
        hangs.process.send_signal(signal.SIGCONT)
        wait_until(lambda: line_of(gateway, hangs.port)["calls"] > ejected["calls"] + 20)
    assert load.failed == {504: 5}
    assert line_of(gateway, hangs.port)["state"] == "live"
    assert not gateway.tracebacks


def test_a_hanging_instance_fails_nobody_where_calls_may_be_repeated(run, gateway_before):
    hangs, lives = run(BookProcess), run(BookProcess)
    policy = "policy = { timeout = 0.3, retries = 2, retry_budget = 0.5 }"
    gateway = gateway_before(f"{HEALTH}{policy}", hangs.port, lives.port)
    with Load(gateway.port, BOOK, clients=4) as load:
        hangs.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: line_of(gateway, hangs.port)["state"] == "ejected")
        load.wait_for(200)
        hangs.process.send_signal(signal.SIGCONT)
        wait_until(lambda: line_of(gateway, hangs.port)["state"] == "live")
        load.wait_for(200)
    assert load.failed == {}


def test_a_backup_request_answers_for_a_hanging_instance(run, gateway_before):
    hangs, lives = run(BookProcess), run(BookProcess)
    policy = 'policy = { retry_budget = 1.0, methods = { "book.queryBook" = { backup_after = "500ms" } } }'
    gateway = gateway_before(f"health.ejection = false\n{policy}", hangs.port, lives.port)
    hangs.process.send_signal(signal.SIGSTOP)
    for _ in range(8):
        assert gateway.get(BOOK).status == 200
    calls = [line_of(gateway, port)["calls"] for port in (hangs.port, lives.port)]
    # Every other request was first sent to the one that hangs.
    assert calls == [4, 8]


@pytest.mark.parametrize("balancer", ["p2c", "ewma"])
def test_a_slow_instance_gets_less_than_a_tenth(run, gateway_before, balancer):
    slow, *quick = run(SlowBook, 1.0), run(SlowBook, 0.02), run(SlowBook, 0.02)
    gateway = gateway_before(f'upstream.balancer = "{balancer}"', slow.port, *(each.port for each in quick))
    with Load(gateway.port, BOOK, clients=12) as load:
        load.wait_for(1000)
    assert load.failed == {}
    calls = {port: line_of(gateway, port)["calls"] for port in (slow.port, *(each.port for each in quick))}
    assert sum(calls.values()) == load.sent
    assert 0 < calls[slow.port] < load.sent / 10
    # The others share the rest.
    assert min(calls[each.port] for each in quick) > load.sent * 0.3
    if balancer == "ewma":
        assert line_of(gateway, slow.port)["cost_ms"] > line_of(gateway, quick[0].port)["cost_ms"] > 0


def test_a_flapping_instance_fails_nobody_and_is_used_whenever_it_is_there(run, gateway_before):
    flaps, lives = run(BookProcess), run(BookProcess)
    port = flaps.port
    health = "health = { interval = 0.1, ejection_time = 0.1 }\n"
    gateway = gateway_before(health, flaps.port, lives.port)
    with Load(gateway.port, BOOK) as load:
        for _ in range(3):
            flaps.end(signal.SIGKILL)
            load.wait_for(100)
            before = line_of(gateway, port)["calls"]
            flaps = run(BookAt, port)
            wait_until(lambda before=before: line_of(gateway, port)["calls"] > before + 50)
    assert load.failed == {}
    assert not gateway.tracebacks


def test_a_hanging_instance_is_found_out_by_its_checks_before_anybody_calls_it(run, gateway_before):
    hangs, lives = run(SlowBook, 0.0), run(SlowBook, 0.0)
    checks = 'check_methods = { book = "queryBook" }, check_interval = 0.1, check_timeout = 0.3'
    gateway = gateway_before(f"health = {{ {checks} }}", hangs.port, lives.port)
    hangs.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: line_of(gateway, hangs.port)["state"] == "ejected")
    assert line_of(gateway, hangs.port)["last_error"]["what"] == "check failed"
    assert [gateway.get(BOOK).status for _ in range(50)] == [200] * 50
    hangs.process.send_signal(signal.SIGCONT)
    wait_until(lambda: line_of(gateway, hangs.port)["state"] == "live")
    assert [gateway.get(BOOK).status for _ in range(10)] == [200] * 10


def test_a_weight_that_is_changed_counts_from_then_on(run, etcd):
    registry, heavy, light = WrittenInstances(etcd.url), run(BookProcess), run(BookProcess)
    for book in (heavy, light):
        registry.put(book.port, 10)
    gateway = run(GatewayProcess, "--etcd", etcd.url, "--prefix", registry.prefix)
    gateway.wait_for_instances("book", 2)
    for weight, share in ((10, 40), (30, 60), (70, 70)):
        registry.put(heavy.port, weight)
        wait_until(lambda weight=weight: line_of(gateway, heavy.port)["weight"] == weight)
        before = line_of(gateway, heavy.port)["calls"]
        for _ in range(80):
            assert gateway.get(BOOK).status == 200
        assert line_of(gateway, heavy.port)["calls"] - before == share


def test_all_gone_is_503_until_one_returns(run, etcd):
    registry, books = WrittenInstances(etcd.url), [run(BookProcess), run(BookProcess)]
    for book in books:
        registry.put(book.port, 10)
    gateway = run(GatewayProcess, "--etcd", etcd.url, "--prefix", registry.prefix)
    gateway.wait_for_instances("book", 2)
    assert gateway.get(BOOK).status == 200
    for book in books:
        registry.delete(book.port)
    gateway.wait_for_instances("book", 0)
    for _ in range(20):
        answer = gateway.get(BOOK)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    registry.put(books[0].port, 10)
    gateway.wait_for_instances("book", 1)
    assert [gateway.get(BOOK).status for _ in range(20)] == [200] * 20
    assert line_of(gateway, books[0].port)["calls"] >= 20


def test_who_looks_sees_why_there_is_no_instance(run, etcd):
    """None has come under this name, but one under another."""
    registry = WrittenInstances(etcd.url)
    registry.put(1, 10, service="bok")
    gateway = run(GatewayProcess, "--etcd", etcd.url, "--prefix", registry.prefix)
    wait_until(lambda: gateway.admin("/readyz")["ready"])
    answer = gateway.get(BOOK)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json["type"] == "urn:txgateway:problem:no-instance"
    page = request(gateway.admin_port, "GET", "/ui/service?name=book").body.decode()
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "No instance of book is known, so its requests are answered with 503." in text
    sought = rf"Sought under {registry.prefix}/book/ in etcd: connected, revision \d+, 1 key of all services, heard of"
    assert re.search(rf"{sought} [^.]+ ago, changed [^.]+ ago\.", text)
    assert "There are instances of bok." in text
    admin = f"http://127.0.0.1:{gateway.admin_port}"
    told = CliRunner().invoke(main, ["services", "--admin", admin])
    assert told.exit_code == 1
    assert "book has no instance, but there are some of bok; is one of the names misspelt?" in told.output
    explained = CliRunner().invoke(main, ["explain", BOOK, "--admin", admin])
    assert explained.exit_code == 1
    assert "there are instances of 'bok'" in explained.output


def test_a_key_keeps_its_instance_until_that_leaves(run, gateway_before):
    books = [run(BookProcess) for _ in range(3)]
    policy = 'policy.methods = { "book.queryBook" = { hash_key = "query:num" } }'
    gateway = gateway_before(policy, *(book.port for book in books))
    homes = {}
    for number in range(20):
        before = {book.port: line_of(gateway, book.port)["calls"] for book in books}
        for _ in range(5):
            gateway.get(f"/book/query?num={number}")
        grown = [book.port for book in books if line_of(gateway, book.port)["calls"] > before[book.port]]
        assert len(grown) == 1
        homes[number] = grown[0]
    assert len(set(homes.values())) == 3
