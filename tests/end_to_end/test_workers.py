"""Several workers behind one port, as an operator runs them: killed, replaced and stopped under load."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.end_to_end.load import Load
from tests.end_to_end.twistd import BookProcess, GatewayProcess

pytestmark = pytest.mark.slow
TARGET = "/book/query?num=7"


@pytest.fixture(scope="module")
def book():
    with BookProcess() as book:
        yield book


@pytest.fixture
def gateway(book):
    with GatewayProcess("--workers", "2", "--static", f"book={book.address}") as gateway:
        wait_until(lambda: gateway.admin("/readyz")["ready"])
        yield gateway
        assert not gateway.tracebacks


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(gateway):
    found = subprocess.run(["pgrep", "-P", str(gateway.process.pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def test_the_admin_port_answers_for_all(gateway):
    wait_until(lambda: list(gateway.admin("/healthz")["workers"].values()) == ["ok", "ok"])
    for _ in range(20):
        assert gateway.get(TARGET).status == 200
    assert sum(line["calls"] for line in gateway.instances("book").values()) == 20
    assert gateway.admin("/routes")["routes"]


def test_one_that_is_killed_costs_no_more_than_its_own_requests(gateway):
    wait_until(lambda: len(gateway.admin("/healthz")["workers"]) == 2)
    victim = children(gateway)[0]
    with Load(gateway.port, TARGET, clients=6) as load:
        os.kill(victim, signal.SIGKILL)
        load.wait_for(200)
        wait_until(lambda: len(gateway.admin("/healthz")["workers"]) == 2)
        load.wait_for(200)
    assert load.failed.keys() <= {0}
    assert load.failed.get(0, 0) <= 6
    assert victim not in children(gateway)


def test_replacing_all_fails_no_request(gateway):
    wait_until(lambda: len(gateway.admin("/healthz")["workers"]) == 2)
    before = set(children(gateway))
    with Load(gateway.port, TARGET, clients=6) as load:
        gateway.process.send_signal(signal.SIGHUP)
        gateway.find(r"(every worker is replaced)", timeout=60)
        load.wait_for(200)
    assert load.failed == {}
    assert len(children(gateway)) == 2
    assert not before & set(children(gateway))


def test_stopping_ends_every_process(gateway):
    pids = children(gateway)
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
