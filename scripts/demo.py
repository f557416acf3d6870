"""Starts an etcd, two Book services with weights 3 and 1, and the gateway; ends all of it on Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from txgateway.testing import EtcdServer, free_port

ROOT = Path(__file__).resolve().parent.parent
TWISTD = [str(Path(sys.executable).parent / "twistd"), "--nodaemon", "--pidfile="]
# The seconds that every part together may take to come up, and one to go down.
START_WITHIN = 60
STOP_WITHIN = 20


class Part:
    """One process of the demo, with its log in a file of its own."""

    def __init__(self, name: str, command: list[str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches this script alone, which then ends the parts in order.
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def check(self) -> None:
        if self.process.poll() is not None:
            tail = self.log.read_text("utf-8", "replace").splitlines()[-15:]
            raise SystemExit("\n".join([f"{self.name} ended with {self.process.returncode}:", *tail]))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def refuse_taken(port: int, option: str) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            raise SystemExit(f"Port {port} is taken; name another one with {option}.") from None


def book(port: int, weight: int, etcd: str) -> list[str]:
    listen = f"tcp:{port}:interface=127.0.0.1"
    return [*TWISTD, "book", "--etcd", etcd, "--listen", listen, "--weight", str(weight), "--ttl", "10"]


def gateway(port: int, admin_port: int, etcd: str) -> list[str]:
    listen, admin = (f"tcp:{p}:interface=127.0.0.1" for p in (port, admin_port))
    return [*TWISTD, "tgw", "--idl", str(ROOT / "idl"), "--etcd", etcd, "--listen", listen, "--admin", admin]


def books_found(admin_port: int) -> int:
    """How many Book services the gateway knows; none while nobody answers at its admin port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/services", timeout=5) as answer:
            return len(json.load(answer)["services"].get("book", []))
    except OSError:
        return 0


def wait_until_ready(parts: list[Part], admin_port: int) -> None:
    """Ready means: the mapping is loaded and both Books are found."""
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        for part in parts:
            part.check()
        if books_found(admin_port) == 2:
            return
        time.sleep(0.1)
    raise SystemExit(f"not ready within {START_WITHIN} seconds; the logs are in {parts[0].log.parent}")


@contextlib.contextmanager
def running(port: int, admin_port: int, logs: Path) -> Iterator[list[Part]]:
    parts: list[Part] = []
    etcd = EtcdServer()
    etcd.start()
    commands = {
        "book-3": book(free_port(), 3, etcd.url),
        "book-1": book(free_port(), 1, etcd.url),
        "gateway": gateway(port, admin_port, etcd.url),
    }
    try:
        parts.extend(Part(name, command, logs) for name, command in commands.items())
        wait_until_ready(parts, admin_port)
        yield parts
    finally:
        for part in reversed(parts):
            part.stop()
        etcd.stop()


def what_to_try(port: int, admin_port: int, logs: Path) -> str:
    public, admin = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}"
    return f"""
The gateway serves idl/book.thrift at {public}. See it at work in a browser: {admin}/
In another terminal, try:

  curl '{public}/book/query?num=7'
  curl -i '{public}/book/query?num=700'
  curl -d 'id=77&title=Emma&author=Jane+Austen' {public}/book/insert
  curl -d '{{"Num": 7}}' -H 'content-type: application/json' {public}/gateway/book/queryBook
  curl {admin}/services

Logs: {logs}. Ctrl-C ends all of it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="the gateway's public port (8080)")
    parser.add_argument("--admin-port", type=int, default=8081, help="its admin port (8081)")
    options = parser.parse_args()
    refuse_taken(options.port, "--port")
    refuse_taken(options.admin_port, "--admin-port")
    # Also where a shell started this in the background, and so lets it ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    logs = Path(tempfile.mkdtemp(prefix="txgateway-demo-"))
    with contextlib.suppress(KeyboardInterrupt), running(options.port, options.admin_port, logs) as parts:
        print(what_to_try(options.port, options.admin_port, logs), flush=True)
        while True:
            time.sleep(0.5)
            for part in parts:
                part.check()
    print("\nEverything has ended.")


if __name__ == "__main__":
    main()
