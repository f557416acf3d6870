"""The story of discovery and registration through every outage of etcd, with a steady client that must not notice.

The suite tells it with short times on few instances, ``scripts/etcd-drill`` with long ones on a thousand, on clusters,
and behind TLS and logins.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

from attrs import evolve, frozen
from twisted.internet import reactor as global_reactor
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread

from tests.end_to_end.kitex import KitexServer, Program
from tests.net.proxy import Proxy
from tests.net.test_etcd_access import ROOT as ROOT_USER
from txgateway.config import Settings, merge
from txgateway.core.discovery import RECONCILE_EVERY, Discovery, instances
from txgateway.core.etcd import EtcdError, KeyRange, WatchMessage
from txgateway.core.instances import Instance, format_instance, parse_instance
from txgateway.net.etcd_client import TIMEOUT, Access, EtcdClient
from txgateway.testing import EtcdServer
from txgateway.wiring import build_gateway

reactor: Any = global_reactor
ROOT = Path(__file__).parents[2]

# Under which an etcd that wants a login lets ``app`` write.
PREFIX = "p"
RATE = 500
# The service that real Kitex servers register as; it is followed and not called.
KITEX = "bench"
# Bounds every wait; how long it may really take stands in the limits of the figures.
WITHIN = 90.0


@frozen
class Figure:
    """What was measured; ``limit`` is what it may be at most, and 0 says that nothing is demanded."""

    what: str
    value: float
    unit: str = "s"
    limit: float = 0.0

    @property
    def is_fine(self) -> bool:
        return not self.limit or self.value <= self.limit

    def __str__(self) -> str:
        bound = f" (at most {self.limit:g})" if self.limit else ""
        return f"{self.what:74} {self.value:9.3f} {self.unit}{bound}{'' if self.is_fine else '   TOO MUCH'}"


class Books(Program):
    """Many registered instances in one process; all are registered when this returns."""

    def __init__(self, count: int, net: int, **settings: Any) -> None:
        given = {"count": count, "net": net, "prefix": PREFIX, **settings}
        super().__init__([sys.executable, "-m", "tests.end_to_end.many_books", json.dumps(given)])
        self.line("registered", WITHIN)


class Load(Program):
    def __init__(self, port: int) -> None:
        target = "/book/query?num=7"
        super().__init__([sys.executable, "-m", "tests.end_to_end.steady_load", str(port), target, str(RATE)])
        self.line("begins")

    def result(self) -> dict[str, Any]:
        assert self.end() == 0, self.output
        return self.json()


class Drill:
    """A gateway in this process behind proxies to etcd, and services and a load in processes of their own.

    :param many: instances whose leases live for a minute, unless ``ttl`` says otherwise.
    :param few: further ones whose leases live for ``ttl`` seconds.
    :param access: how to log in and what to trust: settings of a registry.
    :param kitex: the folder of the Kitex programs: three real services, TTL 5, are followed as well.
    :param say: is handed each figure.
    :ivar figures: all of them.
    """

    def __init__(
        self,
        members: Sequence[EtcdServer],
        *,
        many: int = 1000,
        few: int = 20,
        ttl: int = 5,
        long_ttl: int = 60,
        access: dict[str, str] | None = None,
        kitex: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.members = members
        self.figures: list[Figure] = []
        self.ttl = ttl
        self.reconcile_every = RECONCILE_EVERY
        self._many, self._few, self._long_ttl = many, few, long_ttl
        self._access = access or {}
        self._kitex = kitex
        self._say = say
        self._random = Random(1)
        self._programs: list[Program] = []
        self._fewest = self._fewest_kitex = 0
        self._watching = LoopingCall(self._count)

    # The stage

    async def begin(self) -> None:
        urls = [member.url for member in self.members]
        settings = {"endpoints": urls, **self._access}
        self._scheme = urls[0].partition(":")[0]
        self.direct = self._client(*urls)
        self.proxies = [Proxy(reactor, member.port) for member in self.members]
        await deferToThread(lambda: self._start(Books, self._many, 1, ttl=self._long_ttl, **settings))
        await deferToThread(lambda: self._start(Books, self._few, 2, ttl=self.ttl, **settings))
        for _ in range(3 if self._kitex else 0):
            await deferToThread(
                lambda: self._start(KitexServer, self._kitex, etcd=urls[0], prefix=PREFIX, name=KITEX, lease=5)
            )
        self.gateway = self._gateway()
        began = self.now()
        self.gateway.startService()
        total = self._many + self._few
        await self.until(lambda: self.discovery.streaming and len(self.known()) == total)
        self.figure(f"snapshot of {total} instances and stream up", self.now() - began)
        self._fewest_kitex = len(self.known(KITEX))
        self._watching.start(0.02)
        port = self.gateway.public.addresses[0].port
        self.load: Load = await deferToThread(lambda: self._start(Load, port))

    async def end(self) -> dict[str, Any]:
        """What came of the load; the state is then what stands in etcd."""
        await self.until_equal()
        result: dict[str, Any] = await deferToThread(self.load.result)
        self.figure("requests a second", result["rate"], "")
        self.figure("requests", result["sent"], "")
        self.figure("slowest request", result["slowest"])
        self.figure("failed requests", len(result["failed"]), "", 0.5)
        if self._kitex:
            self.figure("real registry-etcd instances, at the worst moment of 3", self._fewest_kitex, "")
        return result

    def kill_programs(self) -> None:
        """For a run that was broken off."""
        for program in self._programs:
            program.process.kill()

    async def clean_up(self) -> None:
        if self._watching.running:
            self._watching.stop()
        for program in self._programs:
            await deferToThread(program.__exit__, None, None, None)
        if hasattr(self, "gateway"):
            await self.gateway.stopService()
        for proxy in self.proxies:
            await proxy.cut()
        await self.direct.close()

    def _start(self, make: Callable[..., Program], *arguments: Any, **options: Any) -> Any:
        self._programs.append(make(*arguments, **options))
        return self._programs[-1]

    def _client(self, *urls: str, **credentials: str) -> EtcdClient:
        access: dict[str, Any] = {**self._access, **credentials}
        if "ca" in access:
            access["ca"] = Path(access["ca"])
        return EtcdClient(reactor, Access(urls, **access))

    def _gateway(self) -> Any:
        discovery = {"etcd": [f"{self._scheme}://127.0.0.1:{proxy.port}" for proxy in self.proxies], "prefix": [PREFIX]}
        settings = {
            "http": {"listen": ["tcp:0:interface=127.0.0.1"]},
            "log": {"access": "off"},
            "mapping": {"idl": [str(ROOT / "idl")], "watch": "off"},
            "discovery": {**discovery, **self._access},
        }
        gateway = build_gateway(merge(Settings(), settings), reactor)
        for follower in gateway._etcd._followers:
            follower._reconcile_every = self.reconcile_every
        return gateway

    # What is known, and what is true

    @property
    def discovery(self) -> Discovery:
        (found,) = self.gateway._etcd.discoveries
        return found

    def known(self, service: str = "book") -> dict[str, Instance]:
        return {instance.address: instance for instance in instances([self.discovery], service)}

    async def true(self) -> dict[str, Instance]:
        found = await self.direct.snapshot(KeyRange.under(f"{PREFIX}/book/".encode()))
        return {instance.address: instance for instance in (parse_instance(kv.value) for kv in found.keys)}

    def figure(self, what: str, value: float, unit: str = "s", limit: float = 0.0) -> None:
        self.figures.append(Figure(what, float(value), unit, limit))
        self._say(str(self.figures[-1]))

    def now(self) -> float:
        now: float = reactor.seconds()
        return now

    async def until(self, what: Callable[[], Any], seconds: float = WITHIN) -> None:
        deadline = self.now() + seconds
        while not what():
            assert self.now() < deadline, f"not within {seconds:g} s: {self.gateway._etcd.summary()}"
            await deferLater(reactor, 0.001)

    async def until_equal(self) -> None:
        deadline, true = self.now() + WITHIN, None
        while self.known() != true:
            assert self.now() < deadline
            await deferLater(reactor, 0.01)
            with suppress(EtcdError):
                true = await self.true()

    def _count(self) -> None:
        self._fewest = min(self._fewest, len(self.known()))
        self._fewest_kitex = min(self._fewest_kitex, len(self.known(KITEX)))

    @contextmanager
    def nobody_missing(self, what: str) -> Iterator[None]:
        """All the while every live instance is known."""
        before = self._fewest = len(self.known())
        yield
        self.figure(f"{what}: live instances missed at worst", before - self._fewest, "", 0.5)

    # What can be written to see whether it is seen

    async def change_weight(self, client: EtcdClient | None = None) -> tuple[str, int]:
        """Give one of the many instances another weight, under its own lease."""
        address = self._random.choice([each for each in self.known() if each.startswith("127.1.")])
        key = f"{PREFIX}/book/{address}".encode()
        (kv,) = (await self.direct.look(key)).keys
        changed = evolve(parse_instance(kv.value), weight=self._random.randint(11, 99))
        await (client or self.direct).set(key, format_instance(changed), self.direct.existing_lease(kv.lease))
        return address, changed.weight

    async def seen(self, changed: tuple[str, int]) -> None:
        address, weight = changed
        await self.until(lambda: (found := self.known().get(address)) is not None and found.weight == weight)

    async def accepted(self) -> tuple[str, int]:
        """Change a weight as soon as etcd takes a write."""
        while True:
            try:
                return await self.change_weight()
            except EtcdError:
                await deferLater(reactor, 0.01)

    # The story

    async def pieces(self, puts: int = 50) -> None:
        times = []
        for number in range(puts):
            for proxy in self.proxies:
                proxy.piece = 1 + number % 7
            changed, began = await self.change_weight(), self.now()
            await self.seen(changed)
            times.append(self.now() - began)
        for proxy in self.proxies:
            proxy.piece = 0
        times.sort()
        what = f"{puts} puts through a stream cut into pieces of 1 to 7 bytes: median until seen"
        self.figure(what, times[puts // 2])
        self.figure("    the slowest", times[-1], limit=1.0)

    async def reset(self, times: int = 3) -> None:
        for _ in range(times):
            cuts, began = self.discovery.cuts, self.now()
            for proxy in self.proxies:
                proxy.reset()
            await self.until(lambda cuts=cuts: self.discovery.cuts > cuts and self.discovery.streaming)
            self.figure("connections reset: stream back after", self.now() - began, limit=1.0)
            await self.seen(await self.change_weight())

    async def cut_behind_each_byte(self, upto: int) -> None:
        """Cut a watch of our client's behind each of its first bytes; it goes on where it was, and misses nothing."""
        proxy = Proxy(reactor, self.members[0].port)
        client = self._client(f"{self._scheme}://127.0.0.1:{proxy.port}")
        key = f"{PREFIX}/x/cut".encode()
        seen: list[int] = []
        wanted: list[int] = []

        def hear(message: WatchMessage) -> None:
            seen.extend(event.kv.mod_revision for event in message.events)

        revision, began = (await self.direct.set(key, b"")).header.revision, self.now()
        for limit in range(upto):
            wanted.append((await self.direct.set(key, b"%d" % limit)).header.revision)
            for proxy.cut_after in (limit, None):
                watching = client.watch(KeyRange(key, key + b"\0"), max(seen, default=revision) + 1, hear)
                watching.addErrback(lambda _: None)
                is_cut = proxy.cut_after is not None
                await self.until(lambda w=watching, c=is_cut: seen[-1:] == wanted[-1:] or (c and w.called))
                watching.cancel()
        self.figure(f"watches cut behind each of {upto} bytes: all of it", self.now() - began)
        self.figure("    events missed, or seen twice", float(len(seen) != len(wanted) or seen != wanted), "", 0.5)
        await self.direct.delete(key)
        await proxy.cut()

    async def cut_here_and_there(self, upto: int, step: int) -> None:
        """Cut the gateway's stream behind some of its first bytes; it waits ever longer before it comes back."""
        began, snapshots = self.now(), self.discovery.snapshots
        for limit in range(0, upto, step):
            cut = sum(proxy.aborted for proxy in self.proxies)
            for proxy in self.proxies:
                proxy.cut_after = limit
                proxy.reset()
            changed = await self.change_weight()
            await self.until(lambda cut=cut: sum(proxy.aborted for proxy in self.proxies) > cut)
            for proxy in self.proxies:
                proxy.cut_after = None
            await self.seen(changed)
        self.figure(f"streams cut behind {upto // step} bytes, every change seen: all of it", self.now() - began)
        self.figure("    snapshots for that", self.discovery.snapshots - snapshots, "")

    async def kill(self, down: float = 0.0) -> None:
        """SIGKILL of etcd, and a start after some seconds; of a cluster all members."""
        what = f"SIGKILL of etcd, {down:g} s down" if down else "SIGKILL of etcd, started again at once"
        snapshots = self.discovery.snapshots
        with self.nobody_missing(what):
            began = self.now()
            for member in self.members:
                await deferToThread(member.kill)
            await self.until(lambda: not self.discovery.streaming)
            self.figure(f"{what}: cut noticed after", self.now() - began, limit=1.0)
            await deferLater(reactor, down)
            for member in self.members:
                await deferToThread(lambda member=member: member.start(wait=False))
            changed, accepted = await self.accepted(), self.now()
            await self.seen(changed)
            self.figure("    seen after etcd has taken a write", self.now() - accepted, limit=1.0)
            if down > self.ttl:
                # Until their owners have beaten again, or their leases would have run out.
                await deferLater(reactor, self.ttl + 2)
                await self.until_equal()
        self.figure("    snapshots for that", self.discovery.snapshots - snapshots, "", 0.5)
        lost = self.known().keys() - (await self.true()).keys()
        self.figure("    registrations of ours that etcd has lost", len(lost), "", 0.5)

    async def compact(self, puts: int = 300, deletes: int = 150) -> None:
        with self.nobody_missing("compaction past our revision"):
            for proxy in self.proxies:
                await proxy.cut()
            changed, revision = await self.change_weight(), 0
            for number in range(puts):
                revision = (await self.direct.set(f"{PREFIX}/x/{number}".encode(), b"")).header.revision
            for number in range(deletes):
                revision = (await self.direct.delete(f"{PREFIX}/x/{number}".encode())).header.revision
            await self.direct.call("kv/compaction", {"revision": revision})
            began = self.now()
            for proxy in self.proxies:
                proxy.accept()
            await self.seen(changed)
            await self.until_equal()
            self.figure("compaction past our revision: state equal again after", self.now() - began)
        for number in range(deletes, puts):
            await self.direct.delete(f"{PREFIX}/x/{number}".encode())

    async def wipe(self) -> None:
        with self.nobody_missing("etcd emptied"):
            for member in self.members:
                await deferToThread(member.kill)
            for member in self.members:
                await deferToThread(lambda member=member: member.restart(wipe=True, wait=False))
            began, snapshots = self.now(), self.discovery.snapshots
            await self.until(lambda: self.discovery.snapshots > snapshots)
            self.figure("etcd emptied: read anew after", self.now() - began)
            total = self._many + self._few
            await self.until(lambda: sum(not each.suspect for each in self.known().values()) == total)
            self.figure("    everybody registered anew after", self.now() - began)
            await self.until_equal()

    async def black_hole(self) -> None:
        with self.nobody_missing("black hole"):
            began = self.now()
            for proxy in self.proxies:
                proxy.black_hole = True
            changed = await self.change_weight()
            await self.until(lambda: not self.discovery.streaming)
            limit = self.reconcile_every + TIMEOUT + 1
            self.figure("connections in a black hole: noticed after", self.now() - began, limit=limit)
            for proxy in self.proxies:
                proxy.black_hole = False
                proxy.reset()
            await self.seen(changed)

    async def process_killed(self, count: int = 97) -> None:
        urls = [member.url for member in self.members]
        settings = {"endpoints": urls, "ttl": self.ttl, **self._access}
        mortal: Books = await deferToThread(lambda: self._start(Books, count, 3, **settings))
        await self.until(lambda: sum(each.startswith("127.3.") for each in self.known()) == count)
        began, first = self.now(), 0.0
        mortal.process.kill()
        while left := sum(each.startswith("127.3.") for each in self.known()):
            assert self.now() < began + WITHIN
            first = first or (self.now() - began if left < count else 0.0)
            await deferLater(reactor, 0.01)
        what = f"SIGKILL of a process with {count} instances, TTL {self.ttl}: the first is gone after"
        self.figure(what, first or self.now() - began)
        self.figure("    the last", self.now() - began, limit=self.ttl + 2)

    async def lease_revoked(self) -> None:
        address = next(each for each in self.known() if each.startswith("127.2."))
        (kv,) = (await self.direct.look(f"{PREFIX}/book/{address}".encode())).keys
        await self.direct.existing_lease(kv.lease).revoke()
        began = self.now()
        await self.until(lambda: address not in self.known())
        await self.until(lambda: address in self.known())
        what = f"lease revoked under a live registration, TTL {self.ttl}: back after"
        self.figure(what, self.now() - began, limit=self.ttl + 2)

    async def tokens_lost(self) -> None:
        """A new password, be it the old one, makes every token of a user worthless."""
        root = self._client(self.members[0].url, **ROOT_USER)
        await root.call("auth/user/changepw", {"name": self._access["user"], "password": self._access["password"]})
        await root.close()
        began = self.now()
        for proxy in self.proxies:
            proxy.reset()
        await self.until(lambda: not self.discovery.streaming)
        await self.until(lambda: self.discovery.streaming)
        self.figure("token forgotten and stream cut: back after", self.now() - began, limit=3.0)
        await self.seen(await self.change_weight())

    async def member_killed(self) -> None:
        """SIGKILL of the member that the gateway follows; the others have a leader, or elect one."""
        client = self.gateway._etcd._client
        index = client.endpoints.index(client.endpoint)
        with self.nobody_missing("SIGKILL of our member"):
            cuts, began = self.discovery.cuts, self.now()
            await deferToThread(self.members[index].kill)
            await self.until(lambda: self.discovery.cuts > cuts)
            self.figure("SIGKILL of our member of the cluster: cut noticed after", self.now() - began, limit=1.0)
            await self.seen(await self.accepted())
            self.figure("    another member has told of a write after", self.now() - began)
            await deferToThread(self.members[index].start)

    async def quorum_lost(self) -> None:
        """All members but the one that the gateway follows are gone."""
        client = self.gateway._etcd._client
        index = client.endpoints.index(client.endpoint)
        others = [member for number, member in enumerate(self.members) if number != index]
        with self.nobody_missing("quorum lost"):
            began = self.now()
            for member in others:
                await deferToThread(member.kill)
            await self.until(lambda: not self.discovery.streaming)
            self.figure("quorum lost: noticed after", self.now() - began, limit=7.0)
            await deferLater(reactor, 12.0)
            for member in others:
                await deferToThread(lambda member=member: member.start(wait=False))
            changed, accepted = await self.accepted(), self.now()
            await self.seen(changed)
            self.figure("    back after a write was taken", self.now() - accepted, limit=1.0 + TIMEOUT)


Act = Callable[[Drill], Coroutine[Any, Any, None]]


async def tell(drill: Drill, acts: Sequence[Act]) -> dict[str, Any]:
    """The whole story; gives what came of the load."""
    try:
        await drill.begin()
        for act in acts:
            await act(drill)
        return await drill.end()
    finally:
        await drill.clean_up()
