"""Keeping a registration of ours alive in etcd: when to beat, when to look, and what to make of it."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping

from attrs import frozen

from .etcd import KeyValue

TTL_VARIABLE = "KITEX_ETCD_REGISTRY_LEASE_TTL"
DEFAULT_TTL = 60
# What etcd makes of anything less, with its usual election timeout.
MIN_TTL = 2

# How often a registration looks at its key, and how soon after a look that failed.
LOOK_EVERY = 30.0
LOOK_AGAIN = 10.0


def lease_ttl(environ: Mapping[str, str]) -> int:
    """The TTL of our leases in seconds: ``KITEX_ETCD_REGISTRY_LEASE_TTL``, or 60 if it is not a whole number."""
    text = environ.get(TTL_VARIABLE, "")
    return max(MIN_TTL, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else DEFAULT_TTL


def first_beat(ttl: float, chance: float) -> float:
    """Seconds from the grant to the first keepalive, up to a fifth early: instances that start together spread."""
    return ttl / 3 * (1 - 0.2 * chance)


def next_beat(ttl: float) -> float:
    """Seconds from one keepalive to the next."""
    return ttl / 3


def beat_timeout(ttl: float) -> float:
    """Seconds that a keepalive may take: one on a member that hangs must leave time for the next member."""
    return min(3.0, ttl / 6)


def retry(ttl: float) -> float:
    """Seconds from a keepalive, grant or put that failed to its repetition."""
    return min(1.0, ttl / 10)


class Verdict(enum.Enum):
    """What a look at our key tells us to do."""

    # It stands as we wrote it.
    KEEP = "keep"
    # It is not ours any more and nobody else's: write it again.
    WRITE = "write"
    # Another process has announced the same address after us: leave it to that one.
    YIELD = "yield"


@frozen
class Written:
    """Our last put.

    :ivar lease: the lease that it hung on.
    """

    cluster: int
    revision: int
    lease: int


def judge(found: KeyValue | None, cluster: int, written: Written, leases: Collection[int]) -> Verdict:
    """What to do about the key as it was found in ``cluster``.

    :param leases: all leases of this registration, the last one and those before.
    """
    if found is not None and found.lease == written.lease:
        return Verdict.KEEP
    # Nothing, something without a lease, or a value of our own from a restored backup; and what
    # stands in another cluster cannot be told to be newer.
    if found is None or found.lease == 0 or found.lease in leases or cluster != written.cluster:
        return Verdict.WRITE
    return Verdict.YIELD if found.mod_revision > written.revision else Verdict.WRITE
