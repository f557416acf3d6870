"""However often the IDL changes, and is asked for meanwhile, nothing piles up."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import treq
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.reloading import METHODS, idl
from tests.net.waiting import until
from txgateway.config import Settings, merge
from txgateway.net.thrift_server import ThriftService, load_interface
from txgateway.wiring import GatewayService, build_gateway

reactor: Any = global_reactor
# The IDL's wire is one of so many, each of which is remembered for the instances that may run it.
DIFFERENT = 9


class Town:
    """A gateway that follows a file, and the service behind it, in this process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "s0.thrift"
        self.file.write_text(idl(0, 0))
        interface = load_interface(str(self.file))
        answer = interface.types.P1(msg="found")
        handler = type("Handler", (), {f"m{m}": staticmethod(lambda r: answer) for m in range(METHODS)})()
        self.service = ThriftService(reactor, interface, handler, "tcp:0:interface=127.0.0.1", grace=0.0)
        self.service.startService()
        tables = {
            "http": {"listen": ["tcp:0:interface=127.0.0.1"]},
            "log": {"access": "off"},
            "mapping": {"idl": [str(folder)], "watch": "off"},
            "discovery": {"static": [f"s0=127.0.0.1:{self.service.instance.port}"]},
        }
        self.gateway: GatewayService = build_gateway(merge(Settings(), tables), reactor)
        self.gateway.startService()
        # There is nobody to be considerate of.
        self.gateway._background._hurries = True
        self.version = 0

    async def change(self) -> None:
        self.version += 1
        self.file.write_text(idl(0, self.version))
        live = self.gateway._live
        before = live.generation
        live.changed("files")
        await self.ask()
        await until(lambda: live.generation > before and not live._loading and not live._tidying)
        await self.ask()

    async def ask(self) -> None:
        url = f"http://127.0.0.1:{self.gateway.public.addresses[0].port}/s0/m1/7"
        answer = await treq.get(url, persistent=False)
        assert await answer.json() == {"items": [], "msg": "found"}

    async def stop(self) -> None:
        await self.gateway.stopService()
        await self.service.stopService()


def figures() -> dict[str, int]:
    gc.collect()
    resident = re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text("ascii"))
    return {
        "objects": len(gc.get_objects()),
        "resident": int(resident[0]) >> 10,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "timers": len(reactor.getDelayedCalls()),
        "modules": len(sys.modules),
    }


async def reload(folder: Path) -> None:
    """Print the figures before and after many reloads."""
    town = Town(folder)
    for _ in range(DIFFERENT + 3):
        await town.change()
    print(json.dumps(figures()))
    for _ in range(30):
        await town.change()
    print(json.dumps(figures()))
    await town.stop()


@pytest.mark.slow
def test_reloads_with_traffic_leave_nothing_behind(tmp_path: Path) -> None:
    """In a process of its own: what other tests have begun in this one comes and goes at times of its own."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, after = map(json.loads, done.stdout.splitlines())
    grown = {what: after[what] - count for what, count in before.items()}
    # Each version was made of 5,000.
    assert grown.pop("objects") < 5000
    assert grown.pop("resident") < 8
    # One of the gateway's own may have ended meanwhile.
    assert grown.pop("timers") <= 0
    assert grown == {"files": 0, "threads": 0, "modules": 0}


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(reload(Path(sys.argv[1]))))
