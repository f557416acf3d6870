"""SIGHUP to a gateway with a file of settings, and SIGTERM, as an operator sends them."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.test_workers import children
from tests.end_to_end.twistd import BookProcess, GatewayProcess
from tests.end_to_end.waiting import wait_until

pytestmark = pytest.mark.slow
TARGET = "/book/query?num=7"


@pytest.fixture(scope="module")
def book():
    with BookProcess() as book:
        yield book


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tgw.toml"


def hang_up(gateway, file, toml, says):
    file.write_text(toml)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.find(f"({says})")


def statuses(gateway):
    return gateway.get(TARGET).status, gateway.get(TARGET, X_A="1", X_B="1", X_C="1", X_D="1").status


def test_one_process_takes_over_what_it_can(book, file):
    file.write_text("")
    with GatewayProcess("--config", str(file), "--static", f"book={book.address}") as gateway:
        assert statuses(gateway) == (200, 200)
        hang_up(
            gateway,
            file,
            "[http]\nmax_headers = 3\nmax_body = -1\n",
            r"settings: all stay .*tgw\.toml:3: http\.max_body",
        )
        assert statuses(gateway) == (200, 200)
        hang_up(gateway, file, "[http\n", r"tgw\.toml:1: no TOML at column 6: ")
        hang_up(gateway, file, '[http]\nmax_headers = 3\nserver = "klein"\n', r"http\.max_headers taken over")
        assert statuses(gateway) == (200, 431)
        assert "http.server has changed, which waits for the next start" in gateway.output
        os.unlink(file)
        gateway.process.send_signal(signal.SIGHUP)
        gateway.find(r"(tgw\.toml: cannot be read)")
        assert statuses(gateway) == (200, 431)
        gateway.process.send_signal(signal.SIGUSR1)
        assert gateway.get(TARGET).status == 200
        assert not gateway.tracebacks


def test_workers_are_replaced_by_good_settings_and_stay_before_bad_ones(book, file):
    file.write_text("")
    with GatewayProcess("--config", str(file), "--workers", "1", "--static", f"book={book.address}") as gateway:
        wait_until(lambda: gateway.admin("/readyz")["ready"])
        before = children(gateway)
        hang_up(gateway, file, "[http]\nmax_headers = -3\n", r"settings: all stay .*tgw\.toml:2: http\.max_headers")
        # Each setting is of its kind, and yet there is no such header.
        hang_up(gateway, file, '[upstream.persistent]\n"no header" = "x"\n', "settings: all stay .*'no header'")
        # Only a worker finds out.
        hang_up(
            gateway, file, '[log]\naccess_file = "/nowhere/at/all"\n', "a new worker does not serve, the old ones stay"
        )
        assert children(gateway) == before
        os.kill(before[0], signal.SIGHUP)
        os.kill(before[0], signal.SIGUSR1)
        assert statuses(gateway) == (200, 200)
        hang_up(gateway, file, "[http]\nmax_headers = 3\n", r"http\.max_headers taken over")
        assert statuses(gateway) == (200, 431)
        assert before != children(gateway)
        assert gateway.get(TARGET).status == 200
        assert not gateway.tracebacks


def test_while_workers_drain_the_admin_port_says_so_and_the_public_one_refuses(file):
    file.write_text("[upstream]\ndeadline = 2.0\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        service = f"book=127.0.0.1:{silent.getsockname()[1]}"
        with GatewayProcess("--config", str(file), "--workers", "1", "--static", service) as gateway:
            wait_until(lambda: gateway.admin("/readyz")["ready"])
            with ThreadPoolExecutor(1) as beside:
                running = beside.submit(gateway.get, TARGET)
                wait_until(lambda: gateway.admin("/healthz")["in_flight"] == 1)
                gateway.process.send_signal(signal.SIGTERM)
                wait_until(lambda: not gateway.admin("/readyz")["ready"])
                wait_until(lambda: is_refused(gateway.port))
                assert running.result(30).status == 504
            assert gateway.process.wait(30) == 0


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False
