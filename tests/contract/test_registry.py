"""The same story told to each registry: instances are found in order, come, change and go."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet import reactor

from tests.net.waiting import until
from txgateway.core.instances import Instance, Instances
from txgateway.net.registry import Registry, registries
from txgateway.testing import MemoryRegistry

registries.load()

A = Instance("127.0.0.1", 9001, 3, {"zone": "a"})
B = Instance("127.0.0.1", 9002)


def static(request: pytest.FixtureRequest) -> Registry:
    return registries["static"](reactor, {"instances": ["book=127.0.0.1:9001*3", "book=127.0.0.1:9002"]})


def memory(request: pytest.FixtureRequest) -> Registry:
    return MemoryRegistry()


def etcd(request: pytest.FixtureRequest) -> Registry:
    server = request.getfixturevalue("etcd")
    return registries["etcd"](reactor, {"endpoints": [server.url], "prefix": f"contract-{uuid.uuid4().hex}"})


@pytest.fixture(params=[static, memory, etcd])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """Each registry; the static one knows two instances of ``book``."""
    it: Registry = request.param(request)
    yield it
    pytest_twisted.blockon(it.stop())


@pytest.fixture(params=[memory, etcd])
def changing(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """Each registry that can be announced to."""
    it: Registry = request.param(request)
    yield it
    pytest_twisted.blockon(it.stop())


class Told(list[Instances]):
    """What a watcher was told, from first to last."""

    def __call__(self, instances: Instances) -> None:
        self.append(instances)


# Finding


@pytest_twisted.ensureDeferred
async def test_it_becomes_ready_and_says_so(registry: Registry) -> None:
    await registry.start()
    assert registry.ready
    await registry.start()


@pytest_twisted.ensureDeferred
async def test_a_service_that_nobody_knows_has_no_instance(registry: Registry) -> None:
    told = Told()
    await registry.start()
    registry.watch("nobody", told)
    assert told == [()]


@pytest_twisted.ensureDeferred
async def test_it_names_the_services_that_have_an_instance(changing: Registry) -> None:
    await changing.start()
    assert changing.names() == []
    told = Told()
    changing.watch("book", told)
    for service in ("shop", "book"):
        announcement = await changing.announce(service, A)
    await until(lambda: changing.names() == ["book", "shop"])
    await announcement.withdraw()
    await until(lambda: changing.names() == ["shop"])


@pytest_twisted.ensureDeferred
async def test_a_watch_before_the_start_is_told_once_it_is_ready(registry: Registry) -> None:
    told = Told()
    registry.watch("nobody", told)
    await registry.start()
    assert told == [()]


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_name_that_no_service_has_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a service"):
        registry.watch(name, Told())


@pytest_twisted.ensureDeferred
async def test_the_end_of_a_watch_may_be_said_twice(registry: Registry) -> None:
    await registry.start()
    end = registry.watch("book", Told())
    end()
    end()


@pytest_twisted.ensureDeferred
async def test_to_distrust_who_is_no_suspect_changes_nothing(registry: Registry) -> None:
    await registry.start()
    told = Told()
    registry.watch("book", told)
    before = told[-1]
    for instance in (*before, A):
        registry.distrust("book", instance)
    again = Told()
    registry.watch("book", again)
    assert again == [before]


@pytest_twisted.ensureDeferred
async def test_the_status_is_plain_and_names_the_services(registry: Registry) -> None:
    await registry.start()
    status = registry.status()
    assert status["ready"] is True
    assert isinstance(status["kind"], str)
    for instances in status["services"].values():
        for instance in instances:
            assert {"address", "weight", "network"} <= instance.keys()


@pytest_twisted.ensureDeferred
async def test_the_stop_never_fails(registry: Registry) -> None:
    await registry.stop()
    await registry.stop()


# What static registries tell without an announcement, and the others with one


@pytest_twisted.ensureDeferred
async def test_all_tell_the_same_two_instances(registry: Registry) -> None:
    told = Told()
    await registry.start()
    if registry.status()["kind"] != "static":
        for instance in (B, evolve(A, tags={})):
            await registry.announce("book", instance)
    registry.watch("book", told)
    await until(lambda: told[-1:] == [(evolve(A, tags={}), B)])


# Announcing


@pytest_twisted.ensureDeferred
async def test_instances_come_and_go(changing: Registry) -> None:
    told = Told()
    await changing.start()
    changing.watch("book", told)
    second = await changing.announce("book", B)
    await until(lambda: told[-1] == (B,))
    first = await changing.announce("book", A)
    await until(lambda: told[-1] == (A, B))
    assert changing.status()["services"]["book"] == [
        {"address": "127.0.0.1:9001", "weight": 3, "network": "tcp", "tags": {"zone": "a"}},
        {"address": "127.0.0.1:9002", "weight": 10, "network": "tcp"},
    ]
    await second.withdraw()
    await until(lambda: told[-1] == (A,))
    await first.withdraw()
    await first.withdraw()
    await until(lambda: told[-1] == ())


@pytest_twisted.ensureDeferred
async def test_an_announcement_needs_no_start(changing: Registry) -> None:
    told = Told()
    await changing.announce("book", A)
    changing.watch("book", told)
    await changing.start()
    await until(lambda: told[-1:] == [(A,)])


@pytest_twisted.ensureDeferred
async def test_a_second_announcement_of_one_address_replaces_the_first(changing: Registry) -> None:
    told = Told()
    await changing.start()
    changing.watch("book", told)
    older = await changing.announce("book", A)
    heavier = evolve(A, weight=9)
    await changing.announce("book", heavier)
    await until(lambda: told[-1] == (heavier,))
    await older.withdraw()
    await changing.announce("book", B)
    await until(lambda: told[-1] == (heavier, B))


@pytest_twisted.ensureDeferred
async def test_services_with_like_names_stay_apart(changing: Registry) -> None:
    names = ("book", "book-2", "bookstore", "boo")
    told = {name: Told() for name in names}
    await changing.start()
    for number, name in enumerate(names):
        changing.watch(name, told[name])
        await changing.announce(name, evolve(B, port=9100 + number))
    await until(lambda: all(told[name][-1] for name in names))
    assert [[i.port for i in told[name][-1]] for name in names] == [[9100], [9101], [9102], [9103]]


@pytest_twisted.ensureDeferred
async def test_a_watch_that_ended_is_told_no_more(changing: Registry) -> None:
    ended, other = Told(), Told()
    await changing.start()
    end = changing.watch("book", ended)
    changing.watch("book", other)
    end()
    await changing.announce("book", A)
    await until(lambda: other[-1] == (A,))
    assert ended == [()]


@pytest.mark.parametrize(
    ("service", "instance"),
    [("a/b", A), ("", A), ("book", Instance("::1", 1)), ("book", Instance("/run/x", 0, network="unix"))],
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_announced_is_refused(changing: Registry, service: str, instance: Instance) -> None:
    refused = changing.announce(service, instance)
    with pytest.raises(ValueError, match="cannot"):
        await refused


@pytest_twisted.ensureDeferred
async def test_the_stop_withdraws_and_tells_nobody_any_more(changing: Registry) -> None:
    told = Told()
    await changing.start()
    changing.watch("book", told)
    await changing.announce("book", A)
    await until(lambda: told[-1] == (A,))
    await changing.stop()
    assert told[-1] == (A,)


def test_a_static_registry_refuses_announcements() -> None:
    failures: list[Any] = []
    registry = registries["static"](reactor, {})
    registry.announce("book", A).addErrback(failures.append)
    assert failures[0].check(ValueError)
