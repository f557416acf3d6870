"""What 2,000 clients that never end their requests, and some that drip, cost the others.

    python benchmarks/slow_clients.py [--seconds 10] [--json FILE]

Latencies of other clients at a third of the maximum, before and beside them, and the gateway's
memory. Needs what ``latency.py`` needs.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import threading
from pathlib import Path

from attrs import asdict
from rig import WORKS, load, load_at, machine, need, rig

SLOW = 2_000
DRIPPERS = 50
HEAD = b"POST /bench/store/x HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"


class Crowd:
    """Half of them stop within the head, half within the body; the drippers send a byte every 20 ms."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._slow = [self._connect(HEAD if number % 2 else HEAD + b"\r\n[") for number in range(SLOW)]
        self._dripping = threading.Thread(target=self._drip, daemon=True)
        self._dripping.start()

    def _connect(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port))
        connection.sendall(data)
        return connection

    def _drip(self) -> None:
        drippers = [self._connect(HEAD + b"\r\n") for _ in range(DRIPPERS)]
        while not self._over.wait(0.02):
            for number, dripper in enumerate(drippers):
                try:
                    dripper.sendall(b" ")
                except OSError:
                    drippers[number] = self._connect(HEAD + b"\r\n")

    def leave(self) -> None:
        self._over.set()
        self._dripping.join()
        for connection in self._slow:
            connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    need("h2load")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    with rig() as town:
        program = town.ours()
        rate = load(program, WORKS["get"], 3).rate / 3
        before, memory = load_at(program.port, WORKS["get"].path, rate, options.seconds), program.memory()
        crowd = Crowd(program.port)
        beside = load_at(program.port, WORKS["get"].path, rate, options.seconds)
        grown = program.memory() - memory
        crowd.leave()
    for what, figures in (("before", before), ("beside them", beside)):
        print(f"{what:12} {figures.rate:6.0f}/s  p50 {figures.p50:.2f} ms  p99 {figures.p99:.2f} ms")
    print(f"memory       {grown:+.1f} MiB for {SLOW + DRIPPERS} connections")
    if options.json:
        found = {"machine": machine(), "before": asdict(before), "beside": asdict(beside), "grown": grown}
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
