"""``tgw watch``: a table that lives in a terminal, and one picture elsewhere."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.cli.test_services import DRAINING, EJECTED, LIVE
from txgateway.cli import main
from txgateway.cli.watch import Look, Room, _picture
from txgateway.testing import free_port

HEALTH = {"status": "ok", "in_flight": 3, "reasons": [], "mapping": {"services": 2}}
READY = {"ready": True, "waiting_for": []}
SERVICES = {"book": [LIVE, EJECTED, DRAINING], "shop": []}


def seen(look, before=None, room=None, trouble=""):
    room = room or Room()
    console = Console(width=room.width or 200, file=io.StringIO())
    console.print(_picture("http://gw:1", look, before, room, trouble))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines() if line.strip()]


def test_a_line_for_each_instance_and_what_it_does_just_now():
    before = Look(10.0, HEALTH, READY, {"book": [LIVE, EJECTED]})
    after = Look(12.0, HEALTH, READY, {"book": [{**LIVE, "calls": 16}, {**EJECTED, "calls": 8}], "shop": []})
    assert seen(after, before) == [
        "http://gw:1 ready 2 services, 3 in flight",
        "Service Instance Weight State Calls/s Share In flight Cost Last error",
        "book 10.0.0.1:9000 10 live 4.5 90% 1 12.3 ms",
        "10.0.0.2:9000 10 ejected 0.5 10% 1 timed out, 3 s ago",
        "shop none",
    ]


def test_counts_that_begin_anew_are_no_negative_rate():
    before = Look(10.0, HEALTH, READY, {"book": [{**LIVE, "calls": 100}]})
    assert "0.0 1 12.3 ms" in seen(Look(11.0, HEALTH, READY, {"book": [LIVE]}), before)[2]


def test_what_is_wrong_stands_in_the_head():
    health = {**HEALTH, "workers": {"7": "ok", "8": "no answer"}, "mapping": {"services": 1}}
    health["reasons"] = ["the IDL has 1 error", "worker 8 does not answer"]
    lines = seen(Look(1.0, health, {"ready": False, "waiting_for": ["a mapping"]}, {}))
    assert lines[:3] == [
        "http://gw:1 waits for a mapping 1 service, 3 in flight 1 of 2 workers well",
        *health["reasons"],
    ]


def test_what_has_no_room_is_counted():
    lines = seen(Look(1.0, HEALTH, READY, SERVICES), room=Room(height=2), trouble="no answer in time")
    assert lines[-2:] == [
        "and 2 more; name services to see those alone",
        "no answer in time; this is what was seen last",
    ]
    assert len(lines) == 6


def test_on_a_narrow_terminal_who_it_is_and_how_it_is_can_be_read():
    before = Look(10.0, HEALTH, READY, {"book": [LIVE, EJECTED]})
    after = Look(12.0, HEALTH, READY, {"book": [{**LIVE, "calls": 16}, {**EJECTED, "calls": 8}]})
    assert seen(after, before, Room(20, 40))[2:] == [
        "Service Instance State Calls/s",
        "book 10.0.0.1:9000 live 4.5",
        "10.0.0.2:9000 ejected 0.5",
        "no room for: Cost, Weight, Share, In",
        "flight, Last error",
    ]
    assert seen(after, before, Room(20, 80))[1] == "Service Instance State Calls/s Share In flight Last error"


@pytest.fixture
def gateway(admin_pages):
    return admin_pages({"/healthz": HEALTH, "/readyz": READY, "/services": {"services": SERVICES}})


def test_elsewhere_it_is_one_picture(gateway):
    result = CliRunner().invoke(main, ["watch", "--admin", gateway, "book"])
    assert result.exit_code == 0
    assert "10.0.0.2:9000" in result.output
    assert "\x1b" not in result.output
    assert "shop" not in result.output
    result = CliRunner().invoke(main, ["watch", "--admin", gateway, "--format", "json"])
    assert json.loads(result.output) == {"health": HEALTH, "ready": READY, "services": SERVICES}


def test_without_a_gateway_there_is_nothing_to_watch():
    result = CliRunner().invoke(main, ["watch", "--admin", f"127.0.0.1:{free_port()}"])
    assert result.exit_code == 2
    assert "nobody listens there" in result.output


class Terminal:
    """A process in a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
        command = [sys.executable, "-c", "from txgateway.cli import main; main()", *arguments]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self.output = ""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in self.output:
            ready, _, _ = select.select([self._ours], [], [], deadline - time.monotonic())
            assert ready, f"no {text!r} in time, but {self.output[-200:]!r}"
            self.output += os.read(self._ours, 65536).decode()

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


# What brings back the screen that was there before, and its cursor.
RESTORED = "\x1b[?1049l", "\x1b[?25h"


@pytest.mark.parametrize("how", [b"q", signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_and_leaves_the_terminal_as_it_was(gateway, how):
    terminal = Terminal("watch", "--admin", gateway, "--every", "0.1")
    try:
        terminal.read_until("10.0.0.2:9000")
        if how == b"q":
            terminal.press(how)
        else:
            terminal.process.send_signal(how)
        for sequence in RESTORED:
            terminal.read_until(sequence)
        assert terminal.process.wait(30) == 0
        assert "Traceback" not in terminal.output
    finally:
        terminal.close()
