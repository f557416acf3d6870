"""The demo of the README: it serves, and Ctrl-C ends all of it."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.end_to_end.kitex import Program
from tests.end_to_end.twistd import ROOT, request
from txgateway.testing import find_etcd, free_port

pytestmark = pytest.mark.slow


@pytest.mark.skipif(find_etcd() is None, reason="the demo needs an etcd program")
def test_the_demo_serves_and_ends():
    port, admin = free_port(), free_port()
    command = [sys.executable, ROOT / "scripts" / "demo.py", "--port", str(port), "--admin-port", str(admin)]
    with Program(command) as demo:
        demo.line("Logs: ", 60)
        assert request(port, "GET", "/book/query?num=7").json["ID"] == "7"
        form = {"content_type": "application/x-www-form-urlencoded"}
        inserted = [request(port, "POST", "/book/insert", "id=77&title=Emma", **form).json["Ok"] for _ in range(4)]
        assert inserted == [True, False, False, False]
        assert request(admin, "GET", "/readyz").status == 200
        assert demo.end(signal.SIGINT) == 0
    assert demo.lines[-1] == "Everything has ended."
