"""The etcd registry with real etcds that are killed, emptied, compacted, cut off and silent.

Limits of time are how long a test waits at most, never how long something took.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as global_reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from txgateway.core.instances import Instance, Instances, format_instance
from txgateway.net.etcd_client import Access, EtcdClient
from txgateway.net.registry.etcd import EtcdRegistry
from txgateway.testing import EtcdServer, free_port

from ..misbehaving import Silent
from ..proxy import Proxy
from ..test_etcd_access import APP, forget_tokens_of_app, lock
from ..waiting import until

reactor: Any = global_reactor

A, B, C = (Instance("127.0.0.1", port) for port in (9001, 9002, 9003))


class Known:
    """A registry that follows, and what it tells of ``book``."""

    def __init__(self, *urls: str, prefix: str = "p", timeout: float = 3.0, **settings: Any) -> None:
        credentials = {name: settings.pop(name) for name in ("user", "password") if name in settings}
        self.client = EtcdClient(reactor, Access(urls, timeout=timeout, **credentials))
        self.registry = EtcdRegistry(reactor, self.client, prefixes=(prefix,), environ={}, **settings)
        self.told: list[Instances] = []
        self.registry.watch("book", self.told.append)
        started = self.registry.start()
        started.addErrback(lambda _: None)

    @property
    def ports(self) -> list[int]:
        return [instance.port for instance in self.told[-1]] if self.told else []

    @property
    def prefix(self) -> dict[str, Any]:
        status: dict[str, Any] = self.registry.status()["prefixes"][0]
        return status

    async def connected(self) -> None:
        await until(lambda: self.prefix["connected"])


class Opened(list[Known]):
    def __call__(self, *urls: str, **settings: Any) -> Known:
        self.append(Known(*urls, **settings))
        return self[-1]


@pytest.fixture
def follow() -> Iterator[Opened]:
    """Opens registries, which are stopped after the test."""
    opened = Opened()
    yield opened
    for known in opened:
        pytest_twisted.blockon(known.registry.stop())


@pytest.fixture
def prefix() -> str:
    """A place of one's own in the etcd that all share."""
    return f"outage-{uuid.uuid4().hex}"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


# etcd goes away and comes back


@pytest_twisted.ensureDeferred
async def test_a_kill_and_a_restart(own_etcd: EtcdServer, follow: Opened) -> None:
    known, service = follow(own_etcd.url), follow(own_etcd.url, ttl=5)
    await service.registry.announce("book", A)
    await until(lambda: known.ports == [9001])
    # What is known at the start was read before the stream begins that is to be cut.
    await known.connected()
    await deferToThread(own_etcd.kill)
    await until(lambda: not known.prefix["connected"])
    assert known.ports == [9001]
    await deferToThread(own_etcd.start)
    await known.connected()
    await service.registry.announce("book", B)
    await until(lambda: known.ports == [9001, 9002])
    assert (known.prefix["snapshots"], known.prefix["reconnects"]) == (1, 1)
    assert service.registry.status()["announced"][0]["state"] == "registered"


@pytest_twisted.ensureDeferred
async def test_an_emptied_etcd_is_read_anew_and_registered_with_again(own_etcd: EtcdServer, follow: Opened) -> None:
    known, service = follow(own_etcd.url), follow(own_etcd.url, ttl=3)
    for number in range(30):
        await known.client.set(b"p/old/%d" % number, b"")
    await service.registry.announce("book", A)
    await until(lambda: known.ports == [9001])
    old = known.prefix["revision"]
    # The same member has the same cluster id again: only the revision tells.
    await deferToThread(lambda: own_etcd.restart(wipe=True))
    await until(lambda: known.prefix["snapshots"] == 2)
    assert known.prefix["revision"] < old
    assert known.ports == [9001], "a suspect at most, until it is back"
    await until(lambda: known.told[-1] == (A,))
    await service.registry.announce("book", B)
    await until(lambda: known.told[-1] == (A, B))


@pytest_twisted.ensureDeferred
async def test_compaction_while_cut_off(own_etcd: EtcdServer, follow: Opened) -> None:
    proxy = Proxy(reactor, own_etcd.port)
    known = follow(proxy.url)
    direct = EtcdClient(reactor, Access((own_etcd.url,)))
    for instance in (A, B):
        await direct.set(b"p/book/%d" % instance.port, format_instance(instance))
    await until(lambda: known.ports == [9001, 9002])
    await proxy.cut()
    await direct.delete(b"p/book/9001")
    await direct.set(b"p/book/9003", format_instance(C))
    revision = 0
    for _ in range(300):
        revision = (await direct.set(b"elsewhere", b"")).header.revision
    await direct.call("kv/compaction", {"revision": revision})
    assert known.ports == [9001, 9002]
    proxy.accept()
    await until(lambda: known.ports == [9002, 9003])
    assert known.prefix["snapshots"] == 2
    await direct.set(b"p/book/9001", format_instance(A))
    await until(lambda: known.ports == [9001, 9002, 9003])
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_a_thousand_missed_changes_come_in_pieces_and_are_all_seen(
    etcd: Any, follow: Opened, prefix: str
) -> None:
    """etcd tells what was missed 1,000 revisions a message, each with its newest revision."""
    proxy = Proxy(reactor, port_of(etcd.url))
    known = follow(proxy.url, prefix=prefix)
    await known.connected()
    await proxy.cut()
    direct = EtcdClient(reactor, Access((etcd.url,)))
    for number in range(1100):
        instance = Instance("127.0.0.1", 1 + number % 100, 1 + number)
        await direct.set(f"{prefix}/book/{instance.address}".encode(), format_instance(instance))
    proxy.accept()
    await until(lambda: known.told and {i.weight for i in known.told[-1]} == set(range(1001, 1101)))
    assert known.prefix["snapshots"] == 1
    await proxy.cut()


# The stream


@pytest_twisted.ensureDeferred
async def test_a_reset_is_got_over(etcd: Any, follow: Opened, prefix: str) -> None:
    proxy = Proxy(reactor, port_of(etcd.url))
    known, service = follow(proxy.url, prefix=prefix), follow(etcd.url, prefix=prefix)
    await known.connected()
    for instance in (A, B, C):
        proxy.reset()
        await service.registry.announce("book", instance)
        await until(lambda expected=instance.port: expected in known.ports)
    assert known.prefix["snapshots"] == 1
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_a_stream_in_single_bytes(etcd: Any, follow: Opened, prefix: str) -> None:
    proxy = Proxy(reactor, port_of(etcd.url))
    proxy.piece = 1
    known, service = follow(proxy.url, prefix=prefix), follow(etcd.url, prefix=prefix)
    await known.connected()
    for number in range(20):
        await service.registry.announce("book", Instance("127.0.0.1", 9100 + number))
    await until(lambda: known.ports == list(range(9100, 9120)))
    await service.registry.stop()
    await until(lambda: known.ports == [])
    assert (known.prefix["reconnects"], known.prefix["snapshots"]) == (0, 1)
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_a_black_hole_is_noticed_and_another_member_asked(etcd: Any, follow: Opened, prefix: str) -> None:
    proxy = Proxy(reactor, port_of(etcd.url))
    known = follow(proxy.url, etcd.url, prefix=prefix, reconcile_every=0.5, timeout=0.5)
    service = follow(etcd.url, prefix=prefix)
    await known.connected()
    proxy.black_hole = True
    await service.registry.announce("book", A)
    await until(lambda: known.ports == [9001])
    assert known.registry.status()["endpoint"] == etcd.url
    proxy.black_hole = False
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_one_member_refuses_one_hangs_and_the_third_serves(
    etcd: Any, follow: Opened, prefix: str, serve: Any
) -> None:
    urls = (f"http://127.0.0.1:{free_port()}", serve(Silent), etcd.url)
    known, service = follow(*urls, prefix=prefix, timeout=0.5), follow(*urls, prefix=prefix, timeout=0.5)
    await service.registry.announce("book", A)
    await until(lambda: known.ports == [9001])
    assert known.registry.status()["endpoint"] == etcd.url


# Leases


@pytest_twisted.ensureDeferred
async def test_a_clean_stop_after_an_outage_leaves_no_suspect(own_etcd: EtcdServer, follow: Opened) -> None:
    """The watcher looks up the lease of each key that goes, and finds it alive."""
    known, service = follow(own_etcd.url), follow(own_etcd.url)
    for number in range(10):
        await service.registry.announce("book", Instance("127.0.0.1", 9100 + number))
    await until(lambda: len(known.ports) == 10)
    await deferToThread(lambda: own_etcd.restart(wipe=True))
    await until(lambda: known.told[-1] and all(instance.suspect for instance in known.told[-1]))
    again = follow(own_etcd.url)
    for number in range(10):
        await again.registry.announce("book", Instance("127.0.0.1", 9100 + number))
    await until(lambda: not any(instance.suspect for instance in known.told[-1]))
    await again.registry.stop()
    await until(lambda: known.told[-1] == ())


@pytest_twisted.ensureDeferred
async def test_a_lease_that_is_revoked_under_a_live_registration_comes_back(
    etcd: Any, follow: Opened, prefix: str
) -> None:
    known = follow(etcd.url, prefix=prefix, ttl=2)
    await known.registry.announce("book", A)
    await until(lambda: known.ports == [9001])
    (key,) = (await known.client.look(f"{prefix}/book/127.0.0.1:9001".encode())).keys
    await known.client.existing_lease(key.lease).revoke()
    await until(lambda: known.ports == [])
    await until(lambda: known.ports == [9001])


ANNOUNCES = """
import sys
from twisted.internet import reactor
from txgateway.core.instances import Instance
from txgateway.net.registry.etcd import build
registry = build(reactor, {"endpoints": [sys.argv[1]], "prefix": sys.argv[2], "ttl": 2})
registry.announce("book", Instance("127.0.0.1", 9001))
reactor.run()
"""


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_process_that_is_killed_is_gone_when_its_lease_is(etcd: Any, follow: Opened, prefix: str) -> None:
    known = follow(etcd.url, prefix=prefix)
    process = subprocess.Popen([sys.executable, "-c", ANNOUNCES, etcd.url, prefix], stderr=subprocess.DEVNULL)
    try:
        await until(lambda: known.ports == [9001], 20)
        os.kill(process.pid, signal.SIGKILL)
        # Long before a lease of the usual 60 s would be over.
        await until(lambda: known.ports == [], 2 + 20)
    finally:
        process.kill()
        process.wait(10)


# Logins


@pytest.mark.slow
@pytest.mark.parametrize("own_etcd", [("--auth-token-ttl", "1")], indirect=True)
@pytest_twisted.ensureDeferred
async def test_tokens_that_end_quickly(own_etcd: EtcdServer, follow: Opened) -> None:
    lock(own_etcd.url)
    known = follow(own_etcd.url, reconcile_every=600, **APP)
    service = follow(own_etcd.url, ttl=60, **APP)
    await service.registry.announce("book", A)
    await until(lambda: known.ports == [9001])
    # Nobody can look whether a token is still good without making it last longer.
    await deferLater(reactor, 3.0)
    await service.registry.announce("book", B)
    await until(lambda: known.ports == [9001, 9002])
    await forget_tokens_of_app(own_etcd)
    await deferToThread(own_etcd.restart)
    await service.registry.announce("book", C)
    await until(lambda: known.ports == [9001, 9002, 9003])
    logins = service.client.stats()["posts"]["auth/authenticate"]
    assert 2 <= logins <= 4


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_is_told_and_not_hammered(own_etcd: EtcdServer, follow: Opened) -> None:
    lock(own_etcd.url)
    known = follow(own_etcd.url, user="app", password="wrong")
    await until(lambda: "authentication failed" in known.prefix["trouble"])
    await deferLater(reactor, 0.5)
    assert known.client.stats()["posts"]["auth/authenticate"] == 1
    assert not known.registry.ready
