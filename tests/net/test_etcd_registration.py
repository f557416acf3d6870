"""One registration through outages and losses, by a Clock and an etcd in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from txgateway.net.etcd_registration import Registration

from .memory_etcd import MemoryClient, MemoryEtcd

KEY, VALUE, TTL = b"p/book/h:1", b"{}", 15


def never(failure: Any) -> None:
    raise AssertionError(failure)


@pytest.fixture
def etcd() -> MemoryEtcd:
    return MemoryEtcd(Clock())


def registration(etcd: MemoryEtcd, chance: float = 0.5) -> Registration:
    return Registration(etcd.clock, MemoryClient(etcd), KEY, VALUE, TTL, lambda: chance)  # type: ignore[arg-type]


def registered(etcd: MemoryEtcd, chance: float = 0.5) -> Registration:
    held = registration(etcd, chance)
    held.start()
    assert held.registered.called
    return held


def test_it_writes_the_key_under_a_lease(etcd: MemoryEtcd) -> None:
    held = registered(etcd)
    assert held.state == "registered"
    assert (etcd.keys[KEY].value, etcd.keys[KEY].lease) == (VALUE, 101)
    assert etcd.leases[101].ttl == TTL


def test_it_beats_each_third_of_the_ttl_the_first_time_earlier(etcd: MemoryEtcd) -> None:
    registered(etcd, chance=1.0)
    etcd.advance(3.9)
    assert etcd.calls.count("keepalive") == 0
    etcd.advance(0.2)
    assert etcd.calls.count("keepalive") == 1, "four seconds, four fifths of the interval"
    etcd.advance(10.0)
    assert etcd.calls.count("keepalive") == 3


def test_it_holds_for_ever(etcd: MemoryEtcd) -> None:
    registered(etcd)
    etcd.advance(600, step=0.5)
    assert (etcd.keys[KEY].lease, etcd.keys[KEY].mod_revision) == (101, 2)


def test_an_etcd_that_is_away_is_waited_for(etcd: MemoryEtcd) -> None:
    etcd.go()
    held = registration(etcd)
    held.start()
    etcd.advance(600, step=0.5)
    assert (held.registered.called, held.state) == (False, "registering")
    etcd.come()
    etcd.advance(1.1)
    assert held.registered.called
    assert KEY in etcd.keys


def test_a_failed_beat_is_tried_again_until_the_lease_lives(etcd: MemoryEtcd) -> None:
    held = registered(etcd)
    etcd.go()
    etcd.advance(12)
    assert held.state == "registered, keepalive fails"
    etcd.come()
    etcd.advance(1.1)
    assert held.state == "registered"
    etcd.advance(60)
    assert etcd.keys[KEY].lease == 101


def test_an_etcd_that_was_emptied_gets_the_key_again_at_once(etcd: MemoryEtcd) -> None:
    held = registered(etcd)
    etcd.go()
    etcd.advance(TTL + 10)
    etcd.come(wiped=True)
    etcd.advance(1.1)
    assert (etcd.keys[KEY].lease, held.state) == (102, "registered")


def test_a_lost_lease_is_replaced_with_the_next_beat(etcd: MemoryEtcd) -> None:
    registered(etcd)
    etcd.revoke(101)
    assert KEY not in etcd.keys
    etcd.advance(TTL / 3)
    assert etcd.keys[KEY].lease == 102


def test_a_key_that_was_deleted_by_hand_comes_back_under_the_same_lease(etcd: MemoryEtcd) -> None:
    registered(etcd)
    etcd.delete(KEY)
    etcd.advance(29.9)
    assert KEY not in etcd.keys
    etcd.advance(0.2)
    assert etcd.keys[KEY].lease == 101
    assert list(etcd.leases) == [101]


def test_a_look_that_fails_is_repeated_sooner(etcd: MemoryEtcd) -> None:
    registered(etcd)
    etcd.delete(KEY)
    etcd.advance(29.9)
    etcd.go()
    etcd.advance(0.2)
    etcd.come()
    etcd.advance(9.8)
    assert KEY not in etcd.keys
    etcd.advance(0.2)
    assert KEY in etcd.keys


def test_of_two_that_hold_one_key_the_older_stops(etcd: MemoryEtcd) -> None:
    older = registered(etcd)
    newer = registered(etcd)
    assert etcd.keys[KEY].lease == 102
    etcd.advance(31)
    assert (older.state, newer.state) == ("taken over", "registered")
    assert (etcd.keys[KEY].lease, list(etcd.leases)) == (102, [102])
    etcd.advance(120)
    assert etcd.keys[KEY].lease == 102
    assert older.withdraw().called
    assert etcd.keys[KEY].lease == 102, "what is not ours is not deleted"


def test_the_older_does_not_take_the_key_back_when_it_lost_its_lease(etcd: MemoryEtcd) -> None:
    older = registered(etcd)
    registered(etcd)
    etcd.revoke(101)
    etcd.advance(TTL / 3)
    assert older.state == "taken over"
    assert etcd.keys[KEY].lease == 102


def test_something_without_a_lease_is_nobodys(etcd: MemoryEtcd) -> None:
    registered(etcd)
    etcd.put(KEY, b"by hand")
    etcd.advance(31)
    assert (etcd.keys[KEY].value, etcd.keys[KEY].lease) == (VALUE, 101)


def test_a_clean_stop_deletes_the_key_and_then_revokes_the_lease(etcd: MemoryEtcd) -> None:
    held = registered(etcd)
    del etcd.calls[:]
    done: list[None] = []
    held.withdraw().addCallbacks(done.append, never)
    assert (etcd.calls, etcd.keys, list(etcd.leases)) == (["txn"], {}, [101])
    etcd.advance(0.15)
    assert done == [None]
    assert etcd.calls == ["txn", "revoke"]
    assert (etcd.keys, etcd.leases, held.state) == ({}, {}, "withdrawn")
    etcd.advance(120)
    assert etcd.keys == {}
    held.withdraw().addCallbacks(done.append, never)
    assert done == [None, None]


def test_a_stop_without_etcd_ends_too(etcd: MemoryEtcd) -> None:
    held = registered(etcd)
    etcd.go()
    assert held.withdraw().called
    assert held.state == "withdrawn"
    assert etcd.clock.getDelayedCalls() == []


def test_giving_up_before_it_stood(etcd: MemoryEtcd) -> None:
    etcd.go()
    held = registration(etcd)
    held.start()
    failures: list[Any] = []
    held.registered.addErrback(failures.append)
    held.registered.cancel()
    assert failures[0].check(CancelledError)
    etcd.come()
    etcd.advance(120)
    assert etcd.keys == {}
    assert etcd.clock.getDelayedCalls() == []


def test_a_stop_before_it_stood_cancels_the_wait(etcd: MemoryEtcd) -> None:
    etcd.go()
    held = registration(etcd)
    held.start()
    failures: list[Any] = []
    held.registered.addErrback(failures.append)
    assert held.withdraw().called
    assert failures[0].check(CancelledError)
    assert etcd.clock.getDelayedCalls() == []


def test_a_lease_that_ran_out_between_grant_and_put_is_replaced(etcd: MemoryEtcd) -> None:
    etcd.stillborn = True
    held = registration(etcd)
    held.start()
    assert not held.registered.called
    etcd.stillborn = False
    etcd.advance(1.1)
    assert held.registered.called
    assert etcd.keys[KEY].lease == 102
