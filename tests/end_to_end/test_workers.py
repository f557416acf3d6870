"""Several workers behind one port, as an operator runs them: killed, replaced and stopped under load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from tests.end_to_end.load import Load
from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess
from tests.end_to_end.waiting import wait_until
from txgateway.cli import main

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


@contextmanager
def stopped(pid):
    """Meanwhile whoever asks is answered by the others."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_every_worker_follows_the_idl_and_carries_out_what_is_ordered(book, tmp_path):
    text = (ROOT / "idl" / "book.thrift").read_text("utf-8")
    file, config = tmp_path / "idl" / "book.thrift", tmp_path / "tgw.toml"
    file.parent.mkdir()
    file.write_text(text)
    config.write_text('[mapping]\non_breaking = "refuse"\n')
    options = ("--workers", "2", "--static", f"book={book.address}", "--config", str(config))
    with GatewayProcess(*options, idl=file.parent) as gateway:
        admin = ("--admin", f"http://127.0.0.1:{gateway.admin_port}")
        wait_until(lambda: list(gateway.admin("/healthz")["workers"].values()) == ["ok", "ok"])
        first = gateway.admin("/routes")["mapping"]["digest"]

        def all_serve(path):
            for others in children(gateway):
                with stopped(others):
                    wait_until(lambda: gateway.get(f"{path}?num=7").status == 200)

        file.write_text(text.replace("book/query", "moved/query"))
        wait_until(lambda: list(gateway.admin("/healthz")["workers"].values()) == ["degraded", "degraded"])
        (refused,) = gateway.admin("/routes")["mapping"]["refused"]
        assert CliRunner().invoke(main, ["allow", refused["fingerprint"], *admin]).exit_code == 0
        all_serve("/moved/query")
        assert CliRunner().invoke(main, ["rollback", first, *admin]).exit_code == 0
        all_serve("/book/query")
        unknown = CliRunner().invoke(main, ["rollback", "f00d", *admin])
        assert (unknown.exit_code, "no version 'f00d' is kept" in unknown.output) == (1, True)
        file.write_text(text + "// A comment.\n")
        wait_until(lambda: gateway.admin("/routes")["mapping"]["digest"] != first)
        all_serve("/book/query")
        assert not gateway.tracebacks


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_request_has_one_line_however_often_the_access_log_is_moved_away(book, tmp_path, workers):
    log, config = tmp_path / "access.log", tmp_path / "tgw.toml"
    config.write_text(f'[log]\naccess_file = "{log}"\n')
    options = ("--workers", workers, "--static", f"book={book.address}", "--config", str(config))
    with GatewayProcess(*options) as gateway:
        wait_until(lambda: gateway.admin("/readyz")["ready"])
        with Load(gateway.port, TARGET, clients=6) as load:
            for number in range(5):
                load.wait_for(100)
                log.rename(tmp_path / f"access.log.{number}")
                gateway.process.send_signal(signal.SIGUSR1)
                wait_until(log.exists)
            load.wait_for(100)
        assert load.failed == {}
        assert gateway.end() == 0
        assert not gateway.tracebacks
    files = sorted(tmp_path.glob("access.log*"))
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    assert len(files) == 6
    assert len({line["id"] for line in lines}) == len(lines) == load.sent


def test_stopping_ends_every_process(gateway):
    pids = children(gateway)
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
