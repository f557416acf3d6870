"""Explanations as an operator has them: of a gateway of several processes, in the terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.end_to_end.twistd import START_TIMEOUT, BookProcess, GatewayProcess, request
from txgateway.cli import main

SECRET = """
[http]
explain_secret = "s3cret"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "tgw.toml"
    config.write_text(SECRET)
    with BookProcess() as book:
        options = ["--workers", "2", "--config", str(config), "--static", f"book={book.address}"]
        with GatewayProcess(*options) as gateway:
            deadline = time.monotonic() + START_TIMEOUT
            while not gateway.admin("/readyz")["ready"]:
                assert time.monotonic() < deadline, gateway.output
                time.sleep(0.05)
            yield gateway


def ask(gateway: GatewayProcess, page: str, **said: Any) -> Any:
    answer = request(gateway.admin_port, "POST", page, json.dumps(said), Content_Type="application/json")
    assert answer.status == 200, answer.body
    return answer.json


def test_a_worker_explains_and_calls(gateway):
    admin = f"http://127.0.0.1:{gateway.admin_port}"
    result = CliRunner().invoke(main, ["explain", "GET /book/query?num=7", "--admin", admin, "--call"])
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "GET /book/query is queryBook of book" in lines
    assert "query parameter 'num': 7 (text to i32)" in lines
    assert "200 answered" in lines
    assert any(line.startswith("1. 127.0.0.1:") and "a reply after" in line for line in lines)


def test_what_is_no_question_is_refused_by_the_worker_too(gateway):
    answer = request(gateway.admin_port, "POST", "/explain", "{}", Content_Type="application/json")
    assert (answer.status, answer.json) == (400, {"error": 'the question has to be an object with a "target" at least'})


def test_live_requests_of_all_workers_are_explained(gateway):
    token = ask(gateway, "/explain/token", seconds=60)["token"]
    answers = [gateway.get(f"/book/query?num={number}", Tgw_Explain=token) for number in range(12)]
    live = ask(gateway, "/explain/live", token=token)
    assert live["missed"] == 0
    assert [each["id"] for each in live["explanations"]] == [answer.headers["x-request-id"] for answer in answers]
    told = [each["explanation"]["outcome"]["status"] for each in live["explanations"]]
    assert told == [answer.status for answer in answers]


def test_live_requests_appear_in_the_terminal(gateway):
    tgw = Path(sys.executable).parent / "tgw"
    command = [tgw, "explain", "--live", "60", "--admin", f"http://127.0.0.1:{gateway.admin_port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as terminal:
        assert terminal.stdout is not None
        assert terminal.stderr is not None
        assert terminal.stderr.readline() == "requests with this header are explained here, for 60 seconds:\n"
        name, _, token = terminal.stderr.readline().strip().partition(": ")
        assert name == "Tgw-Explain"
        answer = gateway.get("/book/query?num=700", Tgw_Explain=token)
        lines = [terminal.stdout.readline() for _ in range(3)]
        assert lines == ["\n", f"{answer.headers['x-request-id']}\n", "GET /book/query?num=700\n"]
        while (line := terminal.stdout.readline()) != "  400  Validation failed: num must less than 100\n":
            assert line
        terminal.send_signal(signal.SIGINT)
        assert terminal.wait(timeout=30) == 0
        assert terminal.stderr.read() == ""
