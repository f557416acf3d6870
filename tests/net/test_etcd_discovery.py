"""A follower's steps and times, by a Clock and an etcd in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from txgateway.core.discovery import HOLD, Discovery, instances
from txgateway.core.etcd import EtcdError
from txgateway.core.instances import Instance, format_instance, instance_key
from txgateway.net.etcd_discovery import Follower

from .memory_etcd import MemoryClient, MemoryEtcd


class Following:
    """A follower of the prefix ``p``, and what it was told."""

    def __init__(self) -> None:
        self.etcd = MemoryEtcd(Clock())
        self.client = MemoryClient(self.etcd)
        self.discovery = Discovery("p")
        self.updates = 0
        self.follower = Follower(
            self.etcd.clock,
            self.client,  # type: ignore[arg-type]
            self.discovery,
            self._updated,
            lambda: 0.5,
        )

    def _updated(self) -> None:
        self.updates += 1

    def put(self, host: str, lease: int = 0) -> bytes:
        instance = Instance(host, 1)
        key = instance_key("p", "book", instance)
        self.etcd.put(key, format_instance(instance), lease)
        return key

    @property
    def hosts(self) -> list[str]:
        return [i.host + "?" * i.suspect for i in instances([self.discovery], "book")]


@pytest.fixture
def following() -> Following:
    """Follows, with one instance known."""
    it = Following()
    it.put("a")
    it.follower.start()
    it.etcd.advance(0.1)
    assert (it.hosts, it.discovery.streaming) == (["a"], True)
    return it


def test_it_reads_once_and_then_listens(following: Following) -> None:
    following.put("b")
    assert following.hosts == ["a", "b"]
    assert following.etcd.calls == ["range", "watch"]


def turns_for(keys: int) -> int:
    """How many turns of the reactor it takes to follow so many keys."""
    following, turns = Following(), 0
    later = following.etcd.clock.callLater

    def count(delay: float, *call: Any) -> Any:
        nonlocal turns
        turns += delay == 0
        return later(delay, *call)

    following.etcd.clock.callLater = count  # type: ignore[method-assign]
    for number in range(keys):
        following.put(f"10.0.0.{number}")
    following.follower.start()
    following.etcd.advance(0.1)
    assert len(following.hosts) == keys
    assert following.discovery.streaming
    return turns


def test_a_big_range_takes_several_turns_of_the_reactor() -> None:
    assert [turns_for(keys) - turns_for(1) for keys in (49, 50, 120)] == [0, 1, 2]


@pytest.mark.parametrize("seconds", [12, 3600])
def test_an_outage_is_bridged_and_what_happened_meanwhile_is_seen(following: Following, seconds: float) -> None:
    following.etcd.go()
    following.etcd.advance(seconds)
    assert following.hosts == ["a"]
    assert following.follower.trouble == "connection refused"
    following.put("b")
    following.etcd.come()
    following.etcd.advance(1.0)
    assert following.hosts == ["a", "b"]
    assert following.follower.trouble == ""
    assert following.etcd.calls.count("range") == 1, "nothing was read again"


def test_an_etcd_that_is_away_at_first_is_waited_for() -> None:
    following = Following()
    following.put("a")
    following.etcd.go()
    following.follower.start()
    following.etcd.advance(60)
    assert not following.discovery.ready
    following.etcd.come()
    following.etcd.advance(1.0)
    assert following.hosts == ["a"]


def test_compaction_during_a_cut_is_read_over(following: Following) -> None:
    following.etcd.go()
    following.put("b")
    following.etcd.delete(b"p/book/a:1")
    following.etcd.compact()
    following.etcd.come()
    following.etcd.advance(1.0)
    assert following.hosts == ["b"]
    following.put("c")
    assert following.hosts == ["b", "c"]
    assert following.discovery.snapshots == 2


def test_an_emptied_etcd_is_read_anew_and_what_it_lost_is_suspect(following: Following) -> None:
    following.put("b", following.etcd.grant(60))
    following.etcd.go()
    following.etcd.come(wiped=True)
    following.put("c")
    following.etcd.advance(1.0)
    assert following.hosts == ["b?", "c"], "a had no lease, so it was deleted; b may come back"
    following.etcd.advance(HOLD)
    assert following.hosts == ["c"]


def test_silence_is_noticed_by_a_look_at_the_keys(following: Following) -> None:
    following.etcd.silent = True
    following.put("b")
    following.etcd.advance(14.8)
    assert following.hosts == ["a"]
    following.etcd.advance(0.8)
    assert following.hosts == ["a", "b"]
    assert following.discovery.cuts == 1


def test_the_look_at_the_keys_is_repeated_while_all_is_well(following: Following) -> None:
    following.etcd.advance(61)
    assert following.etcd.calls.count("range") == 1 + 3
    assert (following.discovery.cuts, following.discovery.snapshots) == (0, 1)


def test_a_look_that_fails_ends_the_stream(following: Following) -> None:
    following.etcd.away = True
    following.etcd.advance(16)
    assert (following.discovery.cuts, following.discovery.streaming) == (1, False)


def test_a_lease_that_expires_after_an_outage_leaves_a_suspect(following: Following) -> None:
    following.put("b", following.etcd.grant(10))
    following.etcd.go()
    following.etcd.advance(12)
    following.etcd.come()
    following.etcd.advance(11)
    assert following.hosts == ["a", "b?"]
    following.put("b", following.etcd.grant(10))
    assert following.hosts == ["a", "b"]


def test_an_outage_that_was_silent_is_one_too(following: Following) -> None:
    """The stream stays open, nothing is answered: it began with the last sign of life."""
    key = following.put("b", following.etcd.grant(60))
    following.etcd.advance(1)
    following.etcd.away = True
    following.etcd.advance(14.2)
    assert not following.discovery.streaming
    following.etcd.away = False
    following.etcd.advance(1)
    following.etcd.revoke(following.etcd.keys[key].lease)
    assert following.hosts == ["a", "b?"]


def test_a_key_that_is_deleted_after_an_outage_goes_at_once(following: Following) -> None:
    key = following.put("b", following.etcd.grant(100))
    following.etcd.go()
    following.etcd.advance(12)
    following.etcd.come()
    following.etcd.advance(1)
    following.etcd.delete(key)
    assert following.hosts == ["a"]
    assert following.etcd.calls[-1] == "timetolive"


def test_each_of_a_thousand_expiries_is_looked_into(following: Following) -> None:
    for number in range(1000):
        following.put(f"b{number}", following.etcd.grant(10))
    following.etcd.go()
    following.etcd.advance(12, step=0.5)
    following.etcd.come()
    following.etcd.advance(12, step=0.5)
    assert len(following.hosts) == 1001
    assert following.etcd.calls.count("timetolive") == 1000
    following.etcd.advance(HOLD, step=0.5)
    assert following.hosts == ["a"]


def test_a_fault_of_our_own_is_told_and_survived(following: Following) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    watch, following.client.watch = following.client.watch, broken  # type: ignore[method-assign, assignment]
    following.etcd.go()
    following.etcd.come()
    following.etcd.advance(1.0)
    assert following.follower.trouble == "a fault of the gateway itself"
    following.client.watch = watch  # type: ignore[method-assign]
    following.put("b")
    following.etcd.advance(2.1)
    assert following.hosts == ["a", "b"]


def test_a_refusal_asks_for_a_login_first(following: Following) -> None:
    following.etcd.watching[0].ended.errback(EtcdError(16, "etcdserver: invalid auth token"))
    following.etcd.advance(0.1)
    assert following.client.logins == 1
    assert following.discovery.streaming


def test_after_the_stop_nothing_is_left(following: Following) -> None:
    following.put("b", following.etcd.grant(10))
    following.etcd.go()
    following.etcd.advance(12)
    following.etcd.come()
    following.etcd.advance(12)
    assert following.hosts == ["a", "b?"]
    following.follower.stop()
    assert following.etcd.clock.getDelayedCalls() == []
    assert following.etcd.watching == []
