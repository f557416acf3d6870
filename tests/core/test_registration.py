"""When a registration beats and looks, and what it makes of the key."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from txgateway.core.etcd import KeyValue
from txgateway.core.registration import Verdict, Written, beat_timeout, first_beat, judge, lease_ttl, next_beat, retry

CLUSTER, OTHER_CLUSTER = 17, 18
OURS, OURS_BEFORE, THEIRS = 5, 4, 6
WRITTEN = Written(CLUSTER, 100, OURS)


@pytest.mark.parametrize(
    ("environ", "ttl"),
    [
        ({}, 60),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "5"}, 5),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "0"}, 2),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "1"}, 2),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": ""}, 60),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "-3"}, 60),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "1m"}, 60),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "1_0"}, 60),
        ({"KITEX_ETCD_REGISTRY_LEASE_TTL": "99999999999"}, 60),
    ],
)
def test_the_ttl_of_the_environment(environ: dict[str, str], ttl: int) -> None:
    assert lease_ttl(environ) == ttl


def found(lease: int, revision: int) -> KeyValue:
    return KeyValue(b"k", revision, b"", lease)


@pytest.mark.parametrize(
    ("key", "cluster", "verdict"),
    [
        (found(OURS, 100), CLUSTER, Verdict.KEEP),
        (None, CLUSTER, Verdict.WRITE),
        (None, OTHER_CLUSTER, Verdict.WRITE),
        (found(THEIRS, 101), CLUSTER, Verdict.YIELD),
        (found(THEIRS, 99), CLUSTER, Verdict.WRITE),  # from a restored backup
        (found(THEIRS, 2), OTHER_CLUSTER, Verdict.WRITE),  # whose revisions tell nothing
        (found(OURS_BEFORE, 101), CLUSTER, Verdict.WRITE),  # a put of our own that came late
        (found(0, 101), CLUSTER, Verdict.WRITE),  # written by hand
    ],
)
def test_what_becomes_of_a_key(key: KeyValue | None, cluster: int, verdict: Verdict) -> None:
    assert judge(key, cluster, WRITTEN, [OURS_BEFORE, OURS]) is verdict


@given(st.floats(2, 3600), st.floats(0, 1))
@example(3.0, 1.0)  # A third of 0.8 * 3 is more than 0.8 of a third of 3, by the last bit.
def test_a_lease_survives_a_member_that_hangs(ttl: float, chance: float) -> None:
    """A beat, one that is waited for in vain, and the next try fit into a lease."""
    assert first_beat(ttl, chance) <= next_beat(ttl)
    assert first_beat(ttl, chance) >= 0.8 * next_beat(ttl)
    assert next_beat(ttl) + 2 * (beat_timeout(ttl) + retry(ttl)) <= ttl
    assert retry(ttl) <= 1.0
