"""The gateway and the Book service as an operator runs them: by ``twistd``, in processes of their own."""

from __future__ import annotations

import http.client
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.end_to_end.kitex import Program

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 30.0


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(port: int, verb: str, target: str, body: bytes | str | None = None, **headers: str) -> Answer:
    """One request on a connection of its own; ``_`` in the names of headers stands for ``-``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Twistd(Program):
    """A ``twistd`` command in the foreground; its log is kept."""

    PROGRAM: Sequence[str | Path] = (Path(sys.executable).parent / "twistd", "--nodaemon", "--pidfile=")

    def __init__(self, command: str, *options: str, reactor: str = "") -> None:
        super().__init__([*self.PROGRAM, *([f"--reactor={reactor}"] if reactor else []), command, *options])

    def find(self, pattern: str, timeout: float = START_TIMEOUT) -> str:
        """Wait until the log has this, and return its first group."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.output)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in the log:\n{self.output}")
            time.sleep(0.02)
        return found[1]

    @property
    def tracebacks(self) -> list[str]:
        """Every line that begins a traceback."""
        return [line for line in self.output.splitlines() if "Traceback" in line or "Unhandled" in line]


class GatewayProcess(Twistd):
    """``twistd tgw`` on free ports; it listens when this returns."""

    def __init__(self, *options: str, idl: Path = ROOT / "idl") -> None:
        free = "tcp:0:interface=127.0.0.1"
        super().__init__("tgw", "--idl", str(idl), "--listen", free, "--admin", free, *options)
        self.admin_port = int(self.find(r"admin port: 127\.0\.0\.1:(\d+)"))
        self.port = int(self.find(r"public port: 127\.0\.0\.1:(\d+)"))

    def get(self, target: str, **headers: str) -> Answer:
        return request(self.port, "GET", target, **headers)

    def post(self, target: str, body: bytes | str, content_type: str = "application/json") -> Answer:
        return request(self.port, "POST", target, body, content_type=content_type)

    def admin(self, page: str) -> Any:
        return request(self.admin_port, "GET", page).json

    def instances(self, service: str) -> dict[str, dict[str, Any]]:
        """What the gateway knows of a service's instances, by address."""
        return {line["address"]: line for line in self.admin("/services")["services"].get(service, [])}

    def wait_for_instances(self, service: str, count: int, timeout: float = START_TIMEOUT) -> dict[str, dict[str, Any]]:
        """Wait until it knows exactly so many."""
        deadline = time.monotonic() + timeout
        while len(known := self.instances(service)) != count:
            assert time.monotonic() < deadline, f"{service} has {known}, not {count} instances:\n{self.output[-3000:]}"
            time.sleep(0.02)
        return known


class BookProcess(Twistd):
    """``twistd book`` on a free port; it listens when this returns."""

    def __init__(self, *options: str) -> None:
        super().__init__("book", "--listen", "tcp:0:interface=127.0.0.1", *options)
        self.port = int(self.find(r"listens on 127\.0\.0\.1:(\d+)"))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"
