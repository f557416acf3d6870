"""Following etcd through cuts, compactions, other clusters and expiries; time and chance are given."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.discovery import (
    BACKOFF,
    BACKOFF_LIMIT,
    BACKOFF_LIMIT_REFUSED,
    DOUBT,
    HOLD,
    Discovery,
    Do,
    Step,
    instances,
)
from txgateway.core.etcd import Event, KeyValue, Snapshot, WatchMessage
from txgateway.core.instances import Instance, format_instance, instance_key

PREFIX = "p"
CLUSTER = 17


def kv(revision: int, host: str = "a", service: str = "book", weight: int = 10, lease: int = 0) -> KeyValue:
    instance = Instance(host, 1, weight)
    return KeyValue(instance_key(PREFIX, service, instance), revision, format_instance(instance), lease)


def put(*kvs: KeyValue, fragment: bool = False, header: int | None = None) -> WatchMessage:
    revision = kvs[-1].mod_revision if header is None else header
    return WatchMessage(CLUSTER, revision, tuple(map(Event, kvs)), fragment=fragment)


def delete(revision: int, host: str = "a") -> WatchMessage:
    gone = KeyValue(kv(revision, host).key, revision)
    return WatchMessage(CLUSTER, revision, (Event(gone, deleted=True),))


def created(revision: int, cluster: int = CLUSTER) -> WatchMessage:
    return WatchMessage(cluster, revision, created=True)


def following(*kvs: KeyValue, revision: int = 10, hold: float = HOLD) -> Discovery:
    """A discovery that has read these keys and watches, at time 0."""
    discovery = Discovery(PREFIX, hold=hold)
    assert discovery.begin() == Step(Do.SNAPSHOT)
    assert discovery.snapshot(Snapshot(CLUSTER, revision, kvs), 0.0) == Step(Do.STREAM)
    assert discovery.message(created(revision), 0.0, 0.5) is None
    assert discovery.streaming
    discovery.changed.clear()
    return discovery


def hosts(discovery: Discovery, service: str = "book") -> list[str]:
    return [instance.host + "?" * instance.suspect for instance in instances([discovery], service)]


def test_a_big_range_is_taken_over_in_slices() -> None:
    kvs = [kv(revision, f"10.0.0.{revision}") for revision in range(1, 121)]
    whole, sliced = following(*kvs, revision=200), following(kv(1, "gone"), revision=150)
    slices = sliced.take_over(Snapshot(CLUSTER, 200, tuple(kvs)), 1.0)
    assert [len(hosts(sliced)) for _ in slices] == [51, 101], "and the old one stays to the end"
    assert hosts(sliced) == hosts(whole)
    assert (sliced.revision, sliced.snapshots) == (200, 2)


def test_one_that_was_left_half_way_is_begun_anew() -> None:
    kvs = tuple(kv(revision, f"10.0.0.{revision}") for revision in range(1, 121))
    discovery = Discovery(PREFIX)
    next(discovery.take_over(Snapshot(CLUSTER, 200, kvs), 0.0))
    assert not discovery.ready
    assert discovery.failed(0.0, 0.5).do is Do.SNAPSHOT
    discovery.snapshot(Snapshot(CLUSTER, 201, kvs[1:]), 0.0)
    assert len(hosts(discovery)) == 119


# Events


def test_instances_stand_in_the_order_of_their_keys() -> None:
    discovery = following(kv(3, "b"), kv(2, "a"), kv(4, "10.0.0.10"), kv(5, "10.0.0.9"))
    assert hosts(discovery) == ["10.0.0.10", "10.0.0.9", "a", "b"]


def test_a_put_adds_and_changes_and_a_delete_removes() -> None:
    discovery = following(kv(3, "a"))
    discovery.message(put(kv(11, "b")), 1.0, 0.5)
    assert hosts(discovery) == ["a", "b"]
    discovery.message(put(kv(12, "b", weight=3)), 1.0, 0.5)
    assert [instance.weight for instance in instances([discovery], "book")] == [10, 3]
    discovery.message(delete(13, "a"), 1.0, 0.5)
    assert hosts(discovery) == ["b"]
    assert discovery.changed == {"book"}
    assert discovery.revision == 13


def test_services_do_not_see_each_other() -> None:
    discovery = following(kv(3, "a", "book"), kv(4, "b", "book-2"), kv(5, "c", "bookstore"))
    assert hosts(discovery, "book") == ["a"]
    discovery.message(delete(11, "a"), 1.0, 0.5)
    assert sorted(discovery.services) == ["book-2", "bookstore"]
    assert hosts(discovery) == []


def test_news_that_are_known_already_change_nothing() -> None:
    discovery = following(kv(3, "a"))
    discovery.message(put(kv(2, "a", weight=99)), 1.0, 0.5)
    discovery.message(put(kv(10, "z")), 1.0, 0.5)
    assert hosts(discovery) == ["a"]
    assert not discovery.changed


def test_a_key_without_an_instance_is_reported_and_may_recover() -> None:
    bad = KeyValue(b"p/book/x:1", 3, b'{"address":"x:1","weight":"9"}')
    discovery = following(bad, KeyValue(b"p/lonely", 4, b"{}"), kv(5, "a"))
    assert hosts(discovery) == ["a"]
    assert [(key.key, key.why) for key in discovery.dropped(10)] == [
        ("p/book/x:1", "weight is not a whole number of 64 bits"),
        ("p/lonely", "the key is not prefix/service/address"),
    ]
    assert len(discovery.dropped(1)) == 1
    discovery.message(put(kv(11, "x")), 1.0, 0.5)
    assert hosts(discovery) == ["a", "x"]
    discovery.message(put(evolve(bad, mod_revision=12)), 1.0, 0.5)
    assert hosts(discovery) == ["a"]


def test_one_address_under_two_keys_is_one_instance() -> None:
    twice = KeyValue(b"p/book/another", 3, kv(3, "a").value)
    assert hosts(following(twice, kv(4, "a"), kv(5, "b"))) == ["a", "b"]


def test_several_prefixes_give_one_set() -> None:
    first, second = Discovery("one"), Discovery("")
    for discovery, key in ((first, b"one/book/k2"), (second, b"/book/k1")):
        host = key.decode()[-2:]
        discovery.snapshot(Snapshot(CLUSTER, 9, (KeyValue(key, 3, format_instance(Instance(host, 1))),)), 0.0)
    assert [instance.host for instance in instances([first, second], "book")] == ["k1", "k2"]


# Revisions


def test_the_revision_is_the_last_events_not_the_headers() -> None:
    """etcd 3.5.1 sends a watch that catches up 1,000 revisions a message, each with the store's revision."""
    discovery = following()
    discovery.message(put(kv(11), header=2503), 1.0, 0.5)
    assert discovery.revision == 11


def test_a_fragment_leaves_its_last_revision_open() -> None:
    """A revision may be split: what is left of it must come again after a cut."""
    discovery = following()
    discovery.message(put(kv(11, "a"), kv(12, "b"), fragment=True), 1.0, 0.5)
    assert discovery.revision == 11
    discovery.message(put(kv(12, "c")), 1.0, 0.5)
    assert discovery.revision == 12
    assert hosts(discovery) == ["a", "b", "c"]


def test_progress_is_a_sign_of_life_only() -> None:
    discovery = following()
    assert discovery.message(WatchMessage(CLUSTER, 99), 5.0, 0.5) is None
    assert (discovery.revision, discovery.alive_at) == (10, 5.0)


# Steps


def test_a_cut_resumes_from_where_it_was_and_keeps_the_state() -> None:
    discovery = following(kv(3, "a"))
    discovery.message(put(kv(11, "b")), 1.0, 0.5)
    step = discovery.failed(2.0, 0.5)
    assert step == Step(Do.STREAM, 0.5 * BACKOFF)
    assert (discovery.revision, discovery.streaming, discovery.cuts) == (11, False, 1)
    assert hosts(discovery) == ["a", "b"]


def test_the_waits_double_up_to_a_limit() -> None:
    discovery = following()
    waits = [discovery.failed(2.0, 1.0).after for _ in range(8)]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, BACKOFF_LIMIT, BACKOFF_LIMIT]
    assert discovery.failed(3.0, 1.0, refused=True).after == BACKOFF_LIMIT_REFUSED
    assert discovery.failed(3.0, 0.25).after == BACKOFF_LIMIT / 4


def test_a_stream_that_lived_forgives_what_was_before() -> None:
    discovery = following()
    for _ in range(5):
        discovery.failed(2.0, 1.0)
    discovery.message(created(10), 3.0, 0.5)
    assert discovery.failed(3.5, 1.0).after == 1.6, "half a second proves nothing"
    discovery.message(created(10), 4.0, 0.5)
    assert discovery.failed(5.0, 1.0).after == BACKOFF


def test_without_a_snapshot_it_is_tried_again() -> None:
    discovery = Discovery(PREFIX)
    discovery.begin()
    assert discovery.failed(1.0, 1.0) == Step(Do.SNAPSHOT, 0.05)
    assert not discovery.ready
    assert discovery.cuts == 0, "there was nothing to cut"


def test_compaction_reads_again_and_hands_on_the_difference_only() -> None:
    discovery = following(kv(3, "a"), kv(4, "b"))
    discovery.failed(60.0, 0.0)
    discovery.message(created(900), 60.1, 0.5)
    compacted = WatchMessage(CLUSTER, 0, canceled=True, compact_revision=800)
    assert discovery.message(compacted, 60.1, 0.5) == Step(Do.SNAPSHOT)
    assert discovery.snapshot(Snapshot(CLUSTER, 900, (kv(3, "a"), kv(4, "b"))), 60.2) == Step(Do.STREAM)
    assert not discovery.changed
    assert discovery.revision == 900


def test_compaction_again_and_again_is_not_hot() -> None:
    discovery = following()
    waits = []
    for _ in range(8):
        step = discovery.message(WatchMessage(CLUSTER, 0, canceled=True, compact_revision=800), 60.0, 1.0)
        assert step is not None
        waits.append(step.after)
        discovery.snapshot(Snapshot(CLUSTER, 900), 60.0)
        discovery.message(created(900), 60.0, 1.0)
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, BACKOFF_LIMIT, BACKOFF_LIMIT]


@pytest.mark.parametrize("message", [created(10, cluster=18), created(9)])
def test_another_cluster_or_an_older_revision_is_read_again(message: WatchMessage) -> None:
    discovery = following(kv(3, "a"))
    discovery.failed(60.0, 0.5, refused=True)
    assert discovery.message(message, 61.0, 0.5) == Step(Do.SNAPSHOT)
    assert not discovery.streaming
    assert discovery.failed(62.0, 0.0) == Step(Do.SNAPSHOT), "until it was read, nothing else will do"


def test_a_wiped_etcd_is_believed_and_its_low_revisions_too() -> None:
    discovery = following(kv(3, "a"), kv(4, "b"), revision=400, hold=0.0)
    discovery.snapshot(Snapshot(18, 5, (kv(4, "b", weight=2), kv(5, "c"))), 61.0)
    assert [(i.host, i.weight) for i in instances([discovery], "book")] == [("b", 2), ("c", 10)]
    discovery.message(WatchMessage(18, 5, created=True), 61.0, 0.5)
    discovery.message(evolve(put(kv(6, "d")), cluster=18), 61.0, 0.5)
    assert hosts(discovery) == ["b", "c", "d"]


def test_a_refused_watch_asks_for_a_login() -> None:
    """3.4 names the reason, 3.5 says "permission denied" for any."""
    discovery = following()
    step = discovery.message(WatchMessage(CLUSTER, 0, created=False, canceled=True, reason="x"), 1.0, 1.0)
    assert step == Step(Do.STREAM, BACKOFF, login=True)


# Reconcile


def test_a_range_that_agrees_moves_the_revision_on() -> None:
    discovery = following(kv(3, "a"))
    assert discovery.reconcile(Snapshot(CLUSTER, 5000, (kv(3, "a"),)), 15.0, 0.5) is None
    assert (discovery.revision, discovery.alive_at) == (5000, 15.0)
    discovery.message(put(kv(4999, "late")), 16.0, 0.5)
    assert hosts(discovery) == ["a"], "the range has told what this event tells"


@pytest.mark.parametrize(
    "seen",
    [
        Snapshot(CLUSTER, 20, (kv(3, "a"), kv(12, "b"))),  # a put was lost
        Snapshot(CLUSTER, 20, (kv(13, "a"),)),  # a change was lost
        Snapshot(CLUSTER, 20, ()),  # a delete was lost
        Snapshot(18, 20, (kv(3, "a"),)),  # another cluster
    ],
)
def test_a_range_that_knows_more_ends_the_stream(seen: Snapshot) -> None:
    discovery = following(kv(3, "a"))
    assert discovery.reconcile(seen, 15.0, 0.5) == Step(Do.SNAPSHOT)
    assert (discovery.streaming, discovery.cuts) == (False, 1)


def test_a_range_that_is_older_than_the_stream_proves_nothing() -> None:
    discovery = following(kv(3, "a"), kv(4, "b"))
    seen = Snapshot(CLUSTER, 10, (kv(3, "a"), kv(4, "b")))
    discovery.message(put(kv(11, "c"), kv(12, "a", weight=2)), 1.0, 0.5)
    discovery.message(delete(13, "b"), 1.0, 0.5)
    assert discovery.reconcile(seen, 15.0, 0.5) is None
    assert discovery.revision == 13


# Suspects


def after_an_outage(seconds: float = 12.0, *, lease: int = 5, hold: float = HOLD) -> Discovery:
    """Back at time 100 after a cut, with two instances that hang on leases."""
    discovery = following(kv(3, "a", lease=lease), kv(4, "b", lease=6), hold=hold)
    discovery.failed(100.0 - seconds, 0.5)
    assert discovery.message(created(10), 100.0, 0.5) is None
    return discovery


def test_an_expiry_after_an_outage_makes_a_suspect_until_the_hold_ends() -> None:
    discovery = after_an_outage()
    discovery.message(delete(11, "a"), 107.0, 0.5)
    assert hosts(discovery) == ["a?", "b"]
    assert discovery.lookups == [5]
    assert discovery.next_expiry == 107.0 + HOLD
    discovery.lease_found(5, alive=False)
    discovery.expire(107.0 + HOLD - 0.1)
    assert hosts(discovery) == ["a?", "b"]
    discovery.expire(107.0 + HOLD)
    assert hosts(discovery) == ["b"]
    assert discovery.next_expiry is None


def test_a_lease_that_lives_means_the_key_was_deleted_on_purpose() -> None:
    discovery = after_an_outage()
    discovery.message(delete(11, "a"), 107.0, 0.5)
    discovery.lease_found(5, alive=True)
    assert hosts(discovery) == ["b"]


def test_a_fresh_key_clears_the_suspicion() -> None:
    discovery = after_an_outage()
    discovery.message(delete(11, "a"), 107.0, 0.5)
    discovery.message(put(kv(12, "a", lease=9)), 120.0, 0.5)
    assert hosts(discovery) == ["a", "b"]
    discovery.expire(1000.0)
    assert hosts(discovery) == ["a", "b"]


def test_a_fresh_key_of_another_name_clears_it_too() -> None:
    discovery = after_an_outage()
    discovery.message(delete(11, "a"), 107.0, 0.5)
    discovery.message(put(KeyValue(b"p/book/zz", 12, kv(12, "a").value, 9)), 120.0, 0.5)
    assert hosts(discovery) == ["b", "a"]


def test_a_failed_connect_drops_a_suspect_and_nothing_else() -> None:
    discovery = after_an_outage()
    discovery.message(delete(11, "a"), 107.0, 0.5)
    discovery.distrust("book", "b:1")
    discovery.distrust("other", "a:1")
    assert hosts(discovery) == ["a?", "b"]
    discovery.distrust("book", "a:1")
    assert hosts(discovery) == ["b"]


@pytest.mark.parametrize("outage", [0.1, 4.9])
def test_a_short_cut_casts_no_doubt(outage: float) -> None:
    discovery = after_an_outage(outage)
    discovery.message(delete(11, "a"), 107.0, 0.5)
    assert hosts(discovery) == ["b"]


def test_an_outage_is_as_long_as_all_its_failures() -> None:
    discovery = following(kv(3, "a", lease=5))
    for now in (94.0, 97.0, 99.9):
        discovery.failed(now, 0.5)
    discovery.message(created(10), 100.0, 0.5)
    discovery.message(delete(11, "a"), 107.0, 0.5)
    assert hosts(discovery) == ["a?"]


def test_two_short_cuts_are_no_outage() -> None:
    discovery = following(kv(3, "a", lease=5))
    for now in (90.0, 99.0):
        discovery.failed(now, 0.5)
        discovery.message(created(10), now + 1.0, 0.5)
    discovery.message(delete(11, "a"), 107.0, 0.5)
    assert hosts(discovery) == []


def test_doubt_ends() -> None:
    discovery = after_an_outage()
    discovery.message(delete(11, "a"), 100.0 + DOUBT, 0.5)
    assert hosts(discovery) == ["b"]


def test_a_key_without_a_lease_does_not_expire_so_it_is_deleted() -> None:
    discovery = after_an_outage(lease=0)
    discovery.message(delete(11, "a"), 107.0, 0.5)
    assert hosts(discovery) == ["b"]


def test_a_hold_of_zero_holds_nothing() -> None:
    discovery = after_an_outage(hold=0.0)
    discovery.message(delete(11, "a"), 107.0, 0.5)
    assert hosts(discovery) == ["b"]


def test_what_is_missing_in_a_snapshot_after_an_outage_is_a_suspect() -> None:
    discovery = following(kv(3, "a", lease=5), kv(4, "b", lease=6))
    discovery.failed(50.0, 0.5)
    discovery.snapshot(Snapshot(CLUSTER, 900, (kv(4, "b", lease=6),)), 100.0)
    assert hosts(discovery) == ["a?", "b"]


def test_the_leases_of_a_wiped_etcd_prove_nothing_however_short_the_outage() -> None:
    discovery = following(kv(3, "a", lease=5), kv(4, "b", lease=6))
    discovery.failed(99.0, 0.5)
    discovery.snapshot(Snapshot(18, 2, (kv(2, "c", lease=7),)), 99.5)
    assert hosts(discovery) == ["a?", "b?", "c"]


def test_an_outage_that_was_silent_began_with_the_last_sign_of_life() -> None:
    discovery = following(kv(3, "a", lease=5))
    discovery.failed(18.0, 0.5, silent=True)
    discovery.message(created(10), 18.1, 0.5)
    discovery.message(delete(11, "a"), 19.0, 0.5)
    assert hosts(discovery) == ["a?"]


# All of it together, against a store that behaves as etcd does


@define
class Store:
    """etcd's history, and what a watch of it tells."""

    history: list[Event] = field(factory=list)
    revision: int = 1
    compacted: int = 0

    def change(self, changes: list[tuple[str, int | None]]) -> None:
        """One transaction: weights to put, None to delete."""
        self.revision += 1
        for host, weight in changes:
            if weight is not None:
                self.history.append(Event(kv(self.revision, host, weight=weight)))
            elif host in self.standing():
                self.history.append(Event(KeyValue(kv(1, host).key, self.revision), deleted=True))

    def standing(self) -> dict[str, KeyValue]:
        found: dict[str, KeyValue] = {}
        for event in self.history:
            host = event.kv.key.decode().split("/")[-1].removesuffix(":1")
            found.pop(host, None)
            if not event.deleted:
                found[host] = event.kv
        return found

    def snapshot(self) -> Snapshot:
        return Snapshot(CLUSTER, self.revision, tuple(sorted(self.standing().values(), key=lambda each: each.key)))

    def watch(self, start: int, size: int) -> Iterator[WatchMessage]:
        """``size``: after as many events a message is cut, in the middle of a revision or between two."""
        yield created(self.revision)
        if start <= self.compacted:
            yield WatchMessage(CLUSTER, 0, canceled=True, compact_revision=self.compacted)
            return
        events = [event for event in self.history if event.kv.mod_revision >= start]
        for at in range(0, len(events), size):
            batch, following = tuple(events[at : at + size]), events[at + size : at + size + 1]
            inside = bool(following) and following[0].kv.mod_revision == batch[-1].kv.mod_revision
            yield WatchMessage(CLUSTER, self.revision, batch, fragment=inside)


changes = st.lists(
    st.tuples(st.sampled_from("abcd"), st.none() | st.integers(1, 3)), min_size=1, max_size=3, unique_by=lambda c: c[0]
)


@given(
    st.lists(st.tuples(st.lists(changes, max_size=4), st.integers(1, 3), st.integers(0, 4), st.booleans()), max_size=8)
)
def test_whatever_happens_the_state_is_the_stores_in_the_end(
    rounds: list[tuple[list[list[tuple[str, int | None]]], int, int, bool]],
) -> None:
    """Each round: transactions, then a stream in messages of some size that is cut after some of them."""
    store, discovery, clock = Store(), Discovery(PREFIX, hold=0.0), itertools.count()

    def do(step: Step, size: int, cut: int | None) -> Step:
        if step.do is Do.SNAPSHOT:
            return discovery.snapshot(store.snapshot(), float(next(clock)))
        for message in itertools.islice(store.watch(discovery.revision + 1, size), cut):
            found = discovery.message(message, float(next(clock)), 0.5)
            if found is not None:
                return found
        return discovery.failed(float(next(clock)), 0.5)

    step = discovery.begin()
    for transactions, size, cut, compact in rounds:
        for transaction in transactions:
            store.change(transaction)
        if compact:
            store.compacted = store.revision - 1
        step = do(step, size, cut)
    for _ in range(3):
        step = do(step, 2, None)
    expected = [(host, each.value) for host, each in sorted(store.standing().items())]
    assert [(i.host, format_instance(i)) for i in instances([discovery], "book")] == expected
    assert discovery.reconcile(store.snapshot(), float(next(clock)), 0.5) is None


def test_a_lease_grows_old_until_another_takes_its_place() -> None:
    discovery = following(kv(3, "a", lease=1), kv(4, "b", lease=2))
    assert discovery.lease_ages("book", 5.0) == {"a:1": 5.0, "b:1": 5.0}
    # Another weight under the same lease, then another lease.
    discovery.message(put(kv(11, "a", weight=3, lease=1), kv(12, "b", lease=7)), 6.0, 0.5)
    assert discovery.lease_ages("book", 8.0) == {"a:1": 8.0, "b:1": 2.0}
    assert discovery.lease_ages("unheard-of", 8.0) == {}
