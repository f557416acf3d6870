"""Whether a request costs more where there is more of everything.

    python benchmarks/scale.py [routes] [instances] [connections] [workers] [--rounds 5] [--seconds 3] [--json FILE]

routes       10, 100, 1,000 and 10,000 of them in the mapping, one in use
instances    1, 10, 100 and 1,000 instances of the service
connections  10,000 that have sent one request and keep quiet: memory for each, and the cost of others
workers      one process on one core, and two on two
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rig import IDL, OTHERS, WORKS, Figures, Program, Rig, load, machine, median, rig

GET = WORKS["get"]
IDLE = 10_000
ASKS = b"GET /bench/get?num=6 HTTP/1.1\r\nHost: bench\r\n\r\n"


def in_turns(programs: dict[str, Program], options: argparse.Namespace) -> dict[str, list[Figures]]:
    for program in programs.values():
        load(program, GET, 1)
    figures: dict[str, list[Figures]] = {name: [] for name in programs}
    for _ in range(options.rounds):
        for name, program in programs.items():
            figures[name].append(load(program, GET, options.seconds))
    return figures


def beside_first(figures: dict[str, list[Figures]]) -> dict[str, dict[str, float]]:
    """Of each its CPU time, and the median over the rounds of that in parts of the first one's."""
    first = next(iter(figures.values()))
    return {
        name: {
            "cpu": median(each).cpu,
            "rate": median(each).rate,
            "ratio": statistics.median(mine.cpu / other.cpu for mine, other in zip(each, first, strict=True)),
        }
        for name, each in figures.items()
    }


def routes(town: Rig, options: argparse.Namespace) -> dict[str, Any]:
    programs = {}
    for count in (10, 100, 1_000, 10_000):
        folder = town.folder / f"routes{count}"
        folder.mkdir()
        (folder / "bench.thrift").write_text(IDL.read_text())
        methods = "\n".join(
            f'  R m{number}(1: Q q) (api.get="/shop{number % 100}/item{number}/:id")' for number in range(count - 3)
        )
        (folder / "shop.thrift").write_text(
            'struct Q { 1: string id (api.path="id") }\nstruct R { 1: string id }\nservice Shop {\n' + methods + "\n}\n"
        )
        programs[f"{count} routes"] = town.ours(idl=folder)
    return beside_first(in_turns(programs, options))


def instances(town: Rig, options: argparse.Namespace) -> dict[str, Any]:
    port = town.service("0.0.0.0").rpartition(":")[2]
    programs = {}
    for count in (1, 10, 100, 1_000):
        # All of 127.0.0.0/8 is this machine, so one server is as many instances as there are spellings of it.
        town.services[:] = [f"127.0.{number // 250}.{number % 250 + 1}:{port}" for number in range(count)]
        programs[f"{count} instances"] = town.ours()
    return beside_first(in_turns(programs, options))


def connections(town: Rig, options: argparse.Namespace) -> dict[str, Any]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    program = town.configured("[http]\nmax_connections = 20000\nidle_timeout = 600.0\n")
    before = in_turns({"alone": program}, options)["alone"]
    memory = program.memory()
    idle = []
    for _ in range(IDLE):
        connection = socket.create_connection(("127.0.0.1", program.port))
        connection.sendall(ASKS)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        idle.append(connection)
    each = (program.memory() - memory) * 1024 / IDLE
    beside = in_turns({"beside": program}, options)["beside"]
    for connection in idle:
        connection.close()
    return {
        "kB for each of 10,000": {"kB": each},
        "a request alone": {"cpu": median(before).cpu},
        "a request beside them": {"cpu": median(beside).cpu, "ratio": median(beside).cpu / median(before).cpu},
    }


def workers(town: Rig, options: argparse.Namespace) -> dict[str, Any]:
    one = town.ours()
    two = town.ours("--workers", "2", cores=f"0,{OTHERS}")
    time.sleep(3)
    return beside_first(in_turns({"one process": one, "two workers": two}, options))


PARTS: dict[str, Callable[[Rig, argparse.Namespace], dict[str, Any]]] = {
    "routes": routes,
    "instances": instances,
    "connections": connections,
    "workers": workers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    for name in options.parts or PARTS:
        with rig() as town:
            found[name] = PARTS[name](town, options)
        for what, figures in found[name].items():
            print(f"{name:12} {what:24}", *(f"{key} {value:.2f}" for key, value in figures.items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
