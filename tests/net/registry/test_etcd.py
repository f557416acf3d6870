"""The etcd registry: who is told what and when, by a Clock and an etcd in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from txgateway.core.instances import Instance, Instances, format_instance
from txgateway.net.etcd_client import Access
from txgateway.net.registry import registries
from txgateway.net.registry.etcd import EtcdRegistry, build, local_ipv4

from ..memory_etcd import MemoryClient, MemoryEtcd

PREFIX = "kitex/registry-etcd"


@pytest.fixture
def etcd() -> MemoryEtcd:
    return MemoryEtcd(Clock())


def registry_of(etcd: MemoryEtcd, **settings: Any) -> EtcdRegistry:
    settings = {"environ": {}, "random": lambda: 0.5, **settings}
    return EtcdRegistry(etcd.clock, MemoryClient(etcd), **settings)  # type: ignore[arg-type]


@pytest.fixture
def registry(etcd: MemoryEtcd) -> EtcdRegistry:
    """Follows."""
    it = registry_of(etcd)
    it.start()
    etcd.advance(0.1)
    return it


def put(etcd: MemoryEtcd, host: str, service: str = "book", prefix: str = PREFIX, weight: int = 10) -> bytes:
    instance = Instance(host, 1, weight)
    key = f"{prefix}/{service}/{instance.address}".encode()
    etcd.put(key, format_instance(instance))
    return key


class Told:
    """A watcher that remembers the hosts it was told."""

    def __init__(self) -> None:
        self.hosts: list[list[str]] = []

    def __call__(self, instances: Instances) -> None:
        self.hosts.append([instance.host for instance in instances])


# Being told


def test_the_first_snapshot_is_told_at_once(etcd: MemoryEtcd) -> None:
    put(etcd, "a")
    registry, told, other = registry_of(etcd), Told(), Told()
    registry.watch("book", told)
    registry.watch("none", other)
    started = registry.start()
    assert (registry.ready, started.called) == (False, False)
    etcd.clock.advance(0)
    assert (registry.ready, started.called) == (True, True)
    assert (told.hosts, other.hosts) == ([["a"]], [[]])


def test_a_watch_that_comes_later_is_told_before_it_returns(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    put(etcd, "a")
    told = Told()
    registry.watch("book", told)
    assert told.hosts == [["a"]]
    etcd.advance(1)
    assert told.hosts == [["a"]], "there is nothing new"


def test_a_lone_change_is_told_at_once_and_those_within_100_ms_of_it_together(
    etcd: MemoryEtcd, registry: EtcdRegistry
) -> None:
    told = Told()
    registry.watch("book", told)
    etcd.advance(1)
    put(etcd, "a")
    etcd.advance(0.01, step=0.01)
    assert told.hosts == [[], ["a"]]
    for host in "bcd":
        put(etcd, host)
        etcd.advance(0.02, step=0.01)
    assert told.hosts == [[], ["a"]]
    etcd.advance(0.04, step=0.01)
    assert told.hosts == [[], ["a"], ["a", "b", "c", "d"]]
    etcd.advance(1)
    etcd.delete(b"kitex/registry-etcd/book/a:1")
    etcd.advance(0.01, step=0.01)
    assert told.hosts[-1] == ["b", "c", "d"]


def test_a_change_that_is_taken_back_is_none(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    told = Told()
    registry.watch("book", told)
    etcd.delete(put(etcd, "a"))
    etcd.advance(1)
    assert told.hosts == [[]]


def test_others_are_not_told(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    book, longer = Told(), Told()
    registry.watch("book", book)
    registry.watch("book-2", longer)
    put(etcd, "x", "book-2")
    etcd.advance(1)
    assert (book.hosts, longer.hosts) == ([[]], [[], ["x"]])


def test_a_watch_ends(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    told = Told()
    end = registry.watch("book", told)
    end()
    end()
    put(etcd, "a")
    etcd.advance(1)
    assert told.hosts == [[]]


def test_a_watcher_that_fails_harms_nobody(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    def broken(_: Instances) -> None:
        raise RuntimeError("a fault")

    told = Told()
    registry.watch("book", broken)
    registry.watch("book", told)
    put(etcd, "a")
    etcd.advance(1)
    assert told.hosts == [[], ["a"]]


def test_a_watcher_may_end_others_and_begin_new_ones(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    told, late = Told(), Told()

    def meddle(instances: Instances) -> None:
        if instances:
            end()
            registry.watch("book", late)

    registry.watch("book", meddle)
    end = registry.watch("book", told)
    put(etcd, "a")
    etcd.advance(1)
    assert (told.hosts, late.hosts) == ([[]], [["a"]])


def test_a_suspect_that_cannot_be_reached_is_gone_at_once(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    instance = Instance("a", 1)
    etcd.put(f"{PREFIX}/book/a:1".encode(), format_instance(instance), etcd.grant(10))
    told: list[Instances] = []
    registry.watch("book", told.append)
    etcd.go()
    etcd.advance(12)
    etcd.come()
    etcd.advance(11)
    (suspect,) = told[-1]
    assert suspect.suspect
    registry.distrust("book", suspect)
    assert told[-1] == ()


def test_prefixes_are_followed_together_and_the_first_is_announced_under(etcd: MemoryEtcd) -> None:
    registry, told = registry_of(etcd, prefixes=("", "new")), Told()
    registry.watch("book", told)
    registry.start()
    put(etcd, "a", prefix="new")
    put(etcd, "b", prefix="")
    etcd.advance(1)
    assert told.hosts[-1] == ["b", "a"]
    registry.announce("book", Instance("c", 1))
    etcd.advance(1)
    assert told.hosts[-1] == ["b", "c", "a"]
    assert b"/book/c:1" in etcd.keys


def test_a_name_that_no_service_has_is_refused(registry: EtcdRegistry) -> None:
    with pytest.raises(ValueError, match="cannot name a service"):
        registry.watch("a/b", Told())


# Announcing


def test_the_environment_of_kitex_counts(etcd: MemoryEtcd) -> None:
    environ = {
        "KITEX_IP_TO_REGISTRY": "10.0.0.9",
        "KITEX_PORT_TO_REGISTRY": "99",
        "KITEX_ETCD_REGISTRY_LEASE_TTL": "7",
    }
    registry = registry_of(etcd, environ=environ)
    registry.announce("book", Instance("0.0.0.0", 80))
    assert list(etcd.keys) == [b"kitex/registry-etcd/book/10.0.0.9:99"]
    assert [lease.ttl for lease in etcd.leases.values()] == [7]


@pytest.mark.parametrize(
    ("service", "instance"), [("", Instance("h", 1)), ("a/b", Instance("h", 1)), ("book", Instance("::1", 1))]
)
def test_what_cannot_be_announced_fails_at_once(
    etcd: MemoryEtcd, registry: EtcdRegistry, service: str, instance: Instance
) -> None:
    failures: list[Any] = []
    registry.announce(service, instance).addErrback(failures.append)
    assert failures[0].check(ValueError)
    assert etcd.keys == {}


def test_the_stop_withdraws_and_lets_go_of_everything(etcd: MemoryEtcd) -> None:
    client = MemoryClient(etcd)
    registry = EtcdRegistry(etcd.clock, client, environ={})  # type: ignore[arg-type]
    registry.start()
    registry.watch("book", Told())
    registry.announce("book", Instance("h", 1))
    etcd.advance(1)
    assert etcd.keys
    stopped = registry.stop()
    etcd.advance(0.15)
    assert stopped.called
    assert (etcd.keys, etcd.leases, etcd.watching) == ({}, {}, [])
    assert client.closed
    assert etcd.clock.getDelayedCalls() == []


def test_the_stop_cancels_an_announcement_that_does_not_stand(etcd: MemoryEtcd) -> None:
    etcd.go()
    registry = registry_of(etcd)
    failures: list[Any] = []
    started = registry.start()
    registry.announce("book", Instance("h", 1)).addErrback(failures.append)
    etcd.advance(1)
    assert registry.stop().called
    assert [failure.check(CancelledError) for failure in failures] == [CancelledError]
    started.addErrback(lambda failure: failure.trap(CancelledError) and None)
    started.cancel()
    assert etcd.clock.getDelayedCalls() == []


def test_cancelling_the_start_ends_the_wait_alone(etcd: MemoryEtcd) -> None:
    registry = registry_of(etcd)
    started = registry.start()
    started.addErrback(lambda failure: failure.trap(CancelledError) and None)
    started.cancel()
    etcd.advance(1)
    assert registry.ready
    assert registry.start().called


# What is known


def test_the_status(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    put(etcd, "a", weight=3)
    etcd.put(f"{PREFIX}/book/x:1".encode(), b"{}")
    registry.announce("other", Instance("h", 1, tags={"zone": "a"}))
    etcd.advance(2)
    assert registry.status() == {
        "kind": "etcd",
        "ready": True,
        "endpoints": ["memory:"],
        "endpoint": "memory:",
        "changed": 1.95,
        "prefixes": [
            {
                "prefix": PREFIX,
                "connected": True,
                "trouble": "",
                "revision": 4,
                "cluster": 1,
                "age": 2.0,
                "keys": 3,
                "snapshots": 1,
                "reconnects": 0,
                "dropped": [{"key": f"{PREFIX}/book/x:1", "why": "address '' is not host:port"}],
            }
        ],
        "services": {
            "book": [{"address": "a:1", "weight": 3, "network": "tcp"}],
            "other": [{"address": "h:1", "weight": 10, "network": "tcp", "tags": {"zone": "a"}}],
        },
        "elsewhere": {},
        "announced": [{"key": f"{PREFIX}/other/h:1", "state": "registered"}],
    }


def test_the_status_before_anything_is_known(etcd: MemoryEtcd) -> None:
    etcd.go()
    registry = registry_of(etcd)
    registry.start()
    etcd.advance(1)
    status = registry.status()
    (prefix,) = status["prefixes"]
    assert (prefix["connected"], prefix["trouble"], prefix["age"]) == (False, "connection refused", None)
    assert (prefix["keys"], status["changed"]) == (0, None)


def test_a_service_under_another_prefix_is_pointed_at(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    put(etcd, "a", prefix="my/own")
    etcd.put(b"some/book/else", b"")
    registry.watch("book", Told())
    registry.watch("none", Told())
    assert registry.status()["elsewhere"] == {"book": ["my/own"]}


def test_who_was_withdrawn_is_forgotten(etcd: MemoryEtcd, registry: EtcdRegistry) -> None:
    for _ in range(3):
        registry.announce("book", Instance("h", 1)).addCallback(lambda announcement: announcement.withdraw())
        etcd.advance(0.15)
    assert len(registry.status()["announced"]) <= 1


# Settings


def test_it_is_built_from_settings() -> None:
    assert registries["etcd"] is build
    registry = build(
        Clock(), {"endpoints": ["http://h:1/", "https://i"], "prefix": ["a", ""], "ttl": 5, "user": "u", "hold": 0}
    )
    status = registry.status()
    assert status["endpoints"] == ["http://h:1", "https://i:2379"]
    assert [prefix["prefix"] for prefix in status["prefixes"]] == ["a", ""]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "endpoints has to be a list"),
        ({"endpoints": []}, "endpoints has to be a list"),
        ({"endpoints": "http://h:1"}, "endpoints has to be a list"),
        ({"endpoints": ["h:1"]}, "'h:1' is not an etcd endpoint"),
        ({"endpoints": ["http://h:1/v3"]}, "is not an etcd endpoint"),
        ({"endpoints": ["http://h:1"], "prefix": "/a"}, "neither begin nor end"),
        ({"endpoints": ["http://h:1"], "prefix": []}, "at least one prefix"),
        ({"endpoints": ["http://h:1"], "ttl": 0}, "ttl has to be"),
        ({"endpoints": ["http://h:1"], "ttl": True}, "ttl has to be"),
        ({"endpoints": ["http://h:1"], "timeout": 0}, "timeout has to be 0.1 seconds or more"),
        ({"endpoints": ["http://h:1"], "hold": "x"}, "hold has to be 0 seconds or more"),
        ({"endpoints": ["http://h:1"], "user": 7}, "user has to be text"),
        ({"endpoints": ["http://h:1"], "certificate": "/c"}, "certificate and key belong together"),
        ({"endpoints": ["http://h:1"], "prefixes": "a", "pass": ""}, "unknown setting pass, prefixes"),
    ],
)
def test_settings_that_are_wrong_say_so(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        build(Clock(), settings)


def test_the_password_is_in_no_text() -> None:
    assert "secret" not in repr(Access(("http://h:1",), user="u", password="secret"))


def test_the_machine_has_an_address_or_none() -> None:
    address = local_ipv4()
    assert address is None or (address.count(".") == 3 and not address.startswith("127."))
