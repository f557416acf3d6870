"""Following the instances under one prefix of etcd: which step comes next, and who is alive.

A machine without a clock or a socket. The shell runs one step at a time, tells what came of
it, and each answer names the step that takes its place, if any::

    begin ──► SNAPSHOT ──snapshot──► STREAM ──message──► STREAM (goes on)
                 ▲  │                  ▲ │
                 │  └──failed─► wait ──┘ ├──failed──► wait, STREAM from the same revision
                 │                       │
                 └── compacted, other cluster, revision went back, reconcile ──┘

What is known stays in use through all of it: a registry that is away says nothing about the
instances. Only a key that is seen to be gone takes its instance along, and not even that for
certain: see :meth:`Discovery._drop`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

from attrs import evolve, frozen

from .etcd import KeyRange, KeyValue, Snapshot, WatchMessage
from .instances import Instance, Instances, InvalidInstance, check_prefix, parse_instance, service_of

# The first wait after a failure is at most this long, each further one twice as long.
BACKOFF = 0.05
BACKOFF_LIMIT = 2.0
# To be refused costs etcd nothing, and it is what a restart looks like until the very moment
# it is over: with this limit we are back within a second of it.
BACKOFF_LIMIT_REFUSED = 1.0
# A stream that lived so long was sound; the next failure is a first one again.
SOUND = 1.0

RECONCILE_EVERY = 15.0
# What a range saw may still be on its way through the stream.
RECONCILE_GRACE = 0.5

# How long an instance whose lease ran out after an outage is kept.
HOLD = 45.0
# An outage is what lasts longer.
OUTAGE = 5.0
# For so long after an outage leases run out of which the owners may be well. When a new leader
# of etcd begins it grants each lease its whole TTL again, 60 s by default, and it begins before
# we are back; so it takes a minute and some seconds until the last of them is gone.
DOUBT = 75.0


# So many keys of a range are taken over at a time; 0.3 ms.
SLICE = 50


class Do(enum.Enum):
    """What the shell can do."""

    # Read the whole range, linearizably: `snapshot` or `failed`.
    SNAPSHOT = "snapshot"
    # Watch from the revision after `Discovery.revision`: any number of `message`, then `failed`.
    STREAM = "stream"


@frozen
class Step:
    """The next thing to do instead of what is being done.

    :ivar after: seconds to wait before.
    :ivar login: ask for a new token first, if there are credentials.
    """

    do: Do
    after: float = 0.0
    login: bool = False


@frozen
class _Held:
    """A key that stands in etcd: its instance, or why there is none; and since when its lease is known here."""

    mod_revision: int
    lease: int
    service: str
    instance: Instance | None
    since: float
    why: str = ""


@frozen
class _Suspect:
    service: str
    lease: int
    until: float


@frozen
class Dropped:
    """A key of the range that gives no instance."""

    key: str
    why: str


class Discovery:
    """What stands under one prefix, followed from revision to revision.

    :param prefix: of the keys, without outer slashes; may be empty.
    :param hold: how long a suspect is kept, in seconds; 0 drops at once.
    :ivar revision: everything up to this revision is known.
    :ivar ready: a snapshot was taken, some time.
    :ivar streaming: a watch stands; without it the state may be old.
    :ivar changed: services with a change since the shell emptied the set.
    :ivar lookups: leases that the shell is to look up, with the answers to :meth:`lease_found`.
    :ivar alive_at: the time of the last sign of life.
    """

    def __init__(self, prefix: str, *, hold: float = HOLD) -> None:
        self.prefix = check_prefix(prefix)
        self.keys = KeyRange.under(f"{prefix}/".encode())
        self.revision = 0
        self.cluster = 0
        self.ready = False
        self.streaming = False
        self.changed: set[str] = set()
        self.lookups: list[int] = []
        self.alive_at: float | None = None
        self.snapshots = 0
        self.cuts = 0
        self._hold = hold
        self._held: dict[bytes, _Held] = {}
        self._suspects: dict[bytes, _Suspect] = {}
        # Both of them by service; a service without an instance has no entry.
        self._services: dict[str, dict[bytes, Instance]] = {}
        self._next = Do.SNAPSHOT
        self._failures = 0
        self._read_at: float | None = None
        self._opened_at = 0.0
        self._cut_at: float | None = None
        self._doubt_until = 0.0

    # What the shell tells

    def begin(self) -> Step:
        return Step(Do.SNAPSHOT)

    def snapshot(self, snapshot: Snapshot, now: float) -> Step:
        """The range as it stands; only the difference to what is known has any effect."""
        for _ in self.take_over(snapshot, now):
            pass
        return Step(Do.STREAM)

    def take_over(self, snapshot: Snapshot, now: float) -> Iterator[None]:
        """As :meth:`snapshot`, in slices of a fraction of a millisecond; then the stream is due.

        What may be told in between is that suspects are gone. Left half way, it has to be begun anew.
        """
        elsewhere = self.ready and (snapshot.cluster != self.cluster or snapshot.revision < self.revision)
        if elsewhere:
            # Leases of another cluster, or of a backup, are not the ones that we saw granted:
            # a missing key says nothing about its instance.
            self._doubt(now)
        self._back(now)
        standing = {kv.key for kv in snapshot.keys}
        for number, kv in enumerate(snapshot.keys, start=1):
            held = self._held.get(kv.key)
            if elsewhere or held is None or held.mod_revision != kv.mod_revision:
                self._put(kv, now)
            if number % SLICE == 0:
                yield
        for key in [key for key in self._held if key not in standing]:
            self._drop(key, now)
        self.cluster, self.revision, self.ready = snapshot.cluster, snapshot.revision, True
        self.snapshots += 1
        self._read_at = now
        self._next = Do.STREAM

    def message(self, message: WatchMessage, now: float, chance: float) -> Step | None:
        """One message of the watch.

        :param chance: a random number from 0 to 1, for the wait if there is to be one.
        """
        self.alive_at = now
        if message.created and (message.cluster != self.cluster or message.revision < self.revision):
            # A member that lags, a restored backup or another cluster: the range tells.
            return self._read_again(now, chance)
        if message.canceled:
            # Compacted: etcd forgot what we ask for. Otherwise it has no wish to tell us, and
            # since 3.5 it names no other reason than a missing permission.
            return self._read_again(now, chance) if message.compact_revision else self.failed(now, chance, login=True)
        if message.created:
            self._open(now)
        self._apply(message, now)
        return None

    def failed(
        self, now: float, chance: float, *, refused: bool = False, login: bool = False, silent: bool = False
    ) -> Step:
        """What was being done failed: do it again after a wait.

        :param refused: nobody listened.
        :param silent: the stream did not end by itself; when it fell silent is not known.
        """
        self._cut(self.alive_at if silent and self.alive_at is not None else now, now)
        return Step(self._next, self._wait(chance, BACKOFF_LIMIT_REFUSED if refused else BACKOFF_LIMIT), login)

    def reconcile(self, snapshot: Snapshot, now: float, chance: float) -> Step | None:
        """The range as it stood a moment ago (keys without values), to be compared with what the stream told."""
        if self._agrees(snapshot):
            self.alive_at = now
            self.revision = max(self.revision, snapshot.revision)
            return None
        self._cut(self.alive_at if self.alive_at is not None else now, now)
        return self._read_again(now, chance)

    def lease_found(self, lease: int, alive: bool) -> None:
        """What became of a lease in :attr:`lookups`: alive, its key was deleted on purpose, and its suspect goes."""
        if alive:
            for key in [key for key, suspect in self._suspects.items() if suspect.lease == lease]:
                self._release(key)

    def expire(self, now: float) -> None:
        """Drop the suspects that were held long enough."""
        for key in [key for key, suspect in self._suspects.items() if suspect.until <= now]:
            self._release(key)

    def distrust(self, service: str, address: str) -> None:
        """A connect to this address failed: a suspect there is no more."""
        for key in [key for key, suspect in self._suspects.items() if suspect.service == service]:
            if self._services[service][key].address == address:
                self._release(key)

    # What the shell asks

    @property
    def next_expiry(self) -> float | None:
        """When :meth:`expire` has something to do next."""
        return min((suspect.until for suspect in self._suspects.values()), default=None)

    @property
    def services(self) -> Iterable[str]:
        """The services that have an instance."""
        return self._services.keys()

    def of(self, service: str) -> dict[bytes, Instance]:
        """The instances of a service by their keys, suspects among them."""
        return self._services.get(service, {})

    def lease_ages(self, service: str, now: float) -> dict[str, float]:
        """How long the present lease of each instance is known here, in seconds, by address; without suspects."""
        held = (self._held.get(key) for key in self.of(service))
        return {each.instance.address: now - each.since for each in held if each is not None and each.instance}

    @property
    def size(self) -> int:
        """How many keys stand there, those without an instance among them."""
        return len(self._held)

    def dropped(self, limit: int) -> list[Dropped]:
        """Up to ``limit`` keys that give no instance, and why."""
        found: list[Dropped] = []
        for key, held in self._held.items():
            if held.instance is None and len(found) < limit:
                found.append(Dropped(key.decode("utf-8", "replace"), held.why))
        return found

    # Steps

    def _read_again(self, now: float, chance: float) -> Step:
        """Take another snapshot: at once, unless the last one was taken just now and did not help."""
        if self._read_at is None or now - self._read_at >= SOUND:
            self._failures = 0
        wait = self._wait(chance, BACKOFF_LIMIT) if self._failures else 0.0
        self._failures = max(self._failures, 1)
        self.streaming = False
        self._next = Do.SNAPSHOT
        return Step(Do.SNAPSHOT, wait)

    def _wait(self, chance: float, limit: float) -> float:
        wait = chance * min(limit, BACKOFF * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return wait

    def _open(self, now: float) -> None:
        self.streaming = True
        self._opened_at = now
        self._back(now)

    def _cut(self, since: float, now: float) -> None:
        if self.streaming:
            self.cuts += 1
            if now - self._opened_at >= SOUND:
                self._failures = 0
        self.streaming = False
        if self._cut_at is None and self.ready:
            self._cut_at = since

    def _back(self, now: float) -> None:
        """etcd speaks to us again."""
        self.alive_at = now
        if self._cut_at is not None and now - self._cut_at > OUTAGE:
            self._doubt(now)
        self._cut_at = None

    def _doubt(self, now: float) -> None:
        self._doubt_until = now + DOUBT

    def _agrees(self, snapshot: Snapshot) -> bool:
        """Whether the stream has told all that the range saw; it may have told more by now."""
        if snapshot.cluster != self.cluster:
            return False
        standing = {kv.key: kv.mod_revision for kv in snapshot.keys}
        if any(self._missed(key, revision, snapshot.revision) for key, revision in standing.items()):
            return False
        return all(key in standing or held.mod_revision > snapshot.revision for key, held in self._held.items())

    def _missed(self, key: bytes, mod_revision: int, seen_at: int) -> bool:
        held = self._held.get(key)
        # A key that is not held may have been deleted after the range saw it.
        return self.revision <= seen_at if held is None else held.mod_revision < mod_revision

    # State

    def _apply(self, message: WatchMessage, now: float) -> None:
        """Take over the events that are news, then the revision up to which all is told.

        That is the last event's and not the header's, which is the store's: it is ahead of the events
        still to come when a watch catches up (1,000 revisions a message), and ahead by accident
        in messages without events (etcd issue 15220). Of a fragment's last revision there may be
        more to come. In quiet times :meth:`reconcile` moves the revision on.
        """
        for event in message.events:
            if event.kv.mod_revision <= self.revision:
                continue
            if event.deleted:
                self._drop(event.kv.key, now)
            else:
                self._put(event.kv, now)
        if message.events:
            self.revision = max(self.revision, message.events[-1].kv.mod_revision - message.fragment)

    def _put(self, kv: KeyValue, now: float) -> None:
        before = self._held.get(kv.key)
        held = self._read(kv, before.since if before is not None and before.lease == kv.lease else now)
        self._held[kv.key] = held
        self._suspects.pop(kv.key, None)
        self._set(held.service, kv.key, held.instance)

    def _read(self, kv: KeyValue, since: float) -> _Held:
        service = service_of(self.prefix, kv.key)
        if service is None:
            return _Held(kv.mod_revision, kv.lease, "", None, since, "the key is not prefix/service/address")
        try:
            instance = parse_instance(kv.value)
        except InvalidInstance as error:
            return _Held(kv.mod_revision, kv.lease, service, None, since, str(error))
        return _Held(kv.mod_revision, kv.lease, service, instance, since)

    def _drop(self, key: bytes, now: float) -> None:
        """A key is gone. Its instance goes too, unless its lease may have run out for etcd's own reasons.

        When etcd was away for longer than a lease lasts, Kitex's client has given the lease up:
        the key vanishes soon after etcd came back, and returns with the next look at it, up to
        30 s later, while the service is well all the time. Hence the suspects.
        """
        held = self._held.pop(key, None)
        if held is None:
            return
        instance = held.instance
        if instance is not None and held.lease and self._hold > 0 and now < self._doubt_until:
            self._suspects[key] = _Suspect(held.service, held.lease, now + self._hold)
            self.lookups.append(held.lease)
            instance = evolve(instance, suspect=True)
        else:
            instance = None
        self._set(held.service, key, instance)

    def _release(self, key: bytes) -> None:
        self._set(self._suspects.pop(key).service, key, None)

    def _set(self, service: str, key: bytes, instance: Instance | None) -> None:
        of = self._services.get(service, {})
        if of.get(key) == instance:
            return
        self.changed.add(service)
        if instance is not None:
            self._services.setdefault(service, {})[key] = instance
            return
        del of[key]
        if not of:
            del self._services[service]


def instances(discoveries: Iterable[Discovery], service: str) -> Instances:
    """The instances of a service under all prefixes, in the order of the bytes of their keys.

    An address that stands there twice is one instance: the first that is not a suspect.
    """
    found: dict[bytes, Instance] = {}
    for discovery in discoveries:
        found.update(discovery.of(service))
    chosen: dict[str, Instance] = {}
    for _, instance in sorted(found.items()):
        held = chosen.get(instance.address)
        if held is None or (held.suspect and not instance.suspect):
            chosen.pop(instance.address, None)
            chosen[instance.address] = instance
    return tuple(chosen.values())
