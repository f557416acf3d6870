"""Maltreats etcd in every way we know, while a gateway with 1,000 instances serves 500 requests a second.

It prints what was measured, beside what it may be at most, and exits with 1 if anything took longer or a request
failed. A run takes about three minutes; there is one with a single etcd, one behind TLS and a login, and one with a
cluster of three, for each program.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import ensureDeferred

from tests.end_to_end import kitex
from tests.end_to_end.etcd_drill import Act, Drill, tell
from tests.net.certificates import Authority
from tests.net.test_etcd_access import APP, lock
from txgateway.testing import EtcdServer, etcd_programs

reactor: Any = global_reactor

# Longer than leases of 5 s live, so that what Kitex registered is lost.
DOWN = 12.0
PLAIN: Sequence[Act] = (
    Drill.pieces,
    Drill.reset,
    Drill.process_killed,
    Drill.lease_revoked,
    lambda drill: drill.cut_behind_each_byte(800),
    lambda drill: drill.cut_here_and_there(600, 30),
    Drill.compact,
    Drill.black_hole,
    Drill.kill,
    lambda drill: drill.kill(DOWN),
    Drill.wipe,
)
SECURED: Sequence[Act] = (
    Drill.pieces,
    Drill.reset,
    Drill.tokens_lost,
    Drill.process_killed,
    Drill.lease_revoked,
    lambda drill: drill.cut_behind_each_byte(800),
    Drill.kill,
    lambda drill: drill.kill(DOWN),
    Drill.tokens_lost,
)
CLUSTER: Sequence[Act] = (
    Drill.pieces,
    Drill.reset,
    Drill.process_killed,
    Drill.lease_revoked,
    Drill.member_killed,
    Drill.member_killed,
    Drill.member_killed,
    Drill.compact,
    Drill.quorum_lost,
    Drill.black_hole,
    lambda drill: drill.kill(DOWN),
    Drill.wipe,
)


@contextmanager
def single(program: str) -> Iterator[tuple[list[EtcdServer], dict[str, str]]]:
    with EtcdServer(program=program) as server:
        yield [server], {}


@contextmanager
def secured(program: str) -> Iterator[tuple[list[EtcdServer], dict[str, str]]]:
    """Behind TLS and a login, which has to be set up before."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        certificate, key = authority.issue("server")
        server = EtcdServer(program=program).start()
        try:
            lock(server.url)
            server.kill()
            server._scheme = "https"
            server._arguments = ("--cert-file", str(certificate), "--key-file", str(key))
            server.start()
            yield [server], {"ca": str(authority.certificate), **APP}
        finally:
            server.stop()


@contextmanager
def cluster(program: str, size: int = 3) -> Iterator[tuple[list[EtcdServer], dict[str, str]]]:
    members = [EtcdServer(program=program) for _ in range(size)]
    peers = ",".join(f"m{number}=http://127.0.0.1:{member._peer_port}" for number, member in enumerate(members))
    for number, member in enumerate(members):
        member._arguments = ("--name", f"m{number}", "--initial-cluster", peers)
    try:
        for member in members:
            member.start(wait=False)
        for member in members:
            member.wait()
        yield members, {}
    finally:
        for member in members:
            member.stop()


RUNS: dict[str, tuple[Callable[[str], Any], Sequence[Act]]] = {
    "single": (single, PLAIN),
    "secured": (secured, SECURED),
    "cluster": (cluster, CLUSTER),
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(RUNS)))
@click.option("--etcd", "programs", multiple=True, help="An etcd program; by default each one that is found.")
@click.option("--many", default=1000, show_default=True, help="How many instances.")
def main(names: tuple[str, ...], programs: tuple[str, ...], many: int) -> None:
    """Run all of it, or only: single, secured, cluster."""
    failures: list[str] = []
    drills: list[Drill] = []

    async def run() -> None:
        for program in programs or etcd_programs():
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            version = said.split()[2]
            for name in names or RUNS:
                print(f"\n{name}, etcd {version}", flush=True)
                failures.extend(f"{name}, etcd {version}: {line}" for line in await drill(program, name, many, drills))

    running = ensureDeferred(run())
    running.addErrback(lambda failure: failures.append(failure.getTraceback()))
    running.addBoth(lambda _: reactor.callLater(0, reactor.stop))
    reactor.run()
    for each in drills:
        each.kill_programs()
    print("\n".join(["", *failures]) if failures else "\nall within their limits, and no request failed")
    sys.exit(1 if failures else 0)


async def drill(program: str, name: str, many: int, drills: list[Drill]) -> list[str]:
    """One run, which it adds to the others; gives what was wrong."""
    make, acts = RUNS[name]
    with ExitStack() as stack:
        members, access = stack.enter_context(make(program))
        drill = Drill(members, many=many, access=access, kitex=_kitex(name), say=lambda line: print(line, flush=True))
        drills.append(drill)
        result = await tell(drill, acts)
    wrong = [str(figure) for figure in drill.figures if not figure.is_fine]
    return wrong + [f"failed: {each}" for each in result["failed"][:5]]


def _kitex(name: str) -> Path | None:
    """Real Kitex services stand beside ours where they can be built; they know neither TLS nor a login."""
    try:
        return None if name == "secured" else kitex.build()
    except kitex.Unavailable:
        return None


if __name__ == "__main__":
    main()
