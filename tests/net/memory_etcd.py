"""An etcd in memory under a Clock, behind the client that discovery and registration use.

It keeps revisions, leases that expire, and watches, and can be cut off, wiped, compacted
and made silent. Real etcds tell in ``registry/test_etcd.py`` that it behaves as they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from txaioetcd import CompModified, Expired, Failed, Header, Lease, OpDel, OpSet, Revision, Success, Transaction

from txgateway.core.etcd import (
    NOT_FOUND,
    EtcdConnectionRefused,
    EtcdError,
    EtcdTimeout,
    Event,
    KeyRange,
    KeyValue,
    Snapshot,
    WatchMessage,
)
from txgateway.net.etcd_client import CompLease


@define(eq=False)
class _Lease:
    ttl: float
    expires: float


@define(eq=False)
class _Watching:
    keys: KeyRange
    received: Callable[[WatchMessage], None]
    ended: Deferred[None]


@define(eq=False)
class MemoryEtcd:
    """The server.

    :ivar away: nothing is answered.
    :ivar silent: watches stay, and say nothing.
    :ivar stillborn: leases run out as soon as they are granted.
    """

    clock: Clock
    cluster: int = 1
    revision: int = 1
    compacted: int = 0
    away: bool = False
    silent: bool = False
    stillborn: bool = False
    keys: dict[bytes, KeyValue] = field(factory=dict)
    leases: dict[int, _Lease] = field(factory=dict)
    history: list[Event] = field(factory=list)
    watching: list[_Watching] = field(factory=list)
    # What was asked for, by its name.
    calls: list[str] = field(factory=list)
    _next_lease: int = 100

    def put(self, key: bytes, value: bytes, lease: int = 0) -> None:
        self.revision += 1
        self._tell(Event(KeyValue(key, self.revision, value, lease)))

    def delete(self, key: bytes) -> None:
        if key in self.keys:
            self.revision += 1
            self._tell(Event(KeyValue(key, self.revision), deleted=True))

    def grant(self, ttl: float) -> int:
        self._next_lease += 1
        if not self.stillborn:
            self.leases[self._next_lease] = _Lease(ttl, self.clock.seconds() + ttl)
        return self._next_lease

    def revoke(self, lease: int) -> None:
        self.leases.pop(lease, None)
        for key in [key for key, kv in self.keys.items() if kv.lease == lease]:
            self.delete(key)

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time go by; leases run out only while etcd is there."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            if not self.away:
                now = self.clock.seconds()
                for lease in [number for number, each in self.leases.items() if each.expires <= now]:
                    self.revoke(lease)

    def go(self) -> None:
        """Be away, as when killed: watches end, calls are refused."""
        self.away = True
        watching, self.watching = self.watching, []
        for each in watching:
            each.ended.errback(EtcdConnectionRefused("gone"))

    def come(self, *, wiped: bool = False) -> None:
        """Be back. A new leader grants every lease its whole TTL anew."""
        self.away = False
        for lease in self.leases.values():
            lease.expires = self.clock.seconds() + lease.ttl
        if wiped:
            self.cluster, self.revision, self.compacted = self.cluster + 1, 1, 0
            self.keys, self.leases, self.history = {}, {}, []

    def compact(self) -> None:
        self.compacted = self.revision
        self.history = []

    def _tell(self, event: Event) -> None:
        if event.deleted:
            del self.keys[event.kv.key]
        else:
            self.keys[event.kv.key] = event.kv
        self.history.append(event)
        for each in [] if self.silent else list(self.watching):
            if each.keys.begin <= event.kv.key < each.keys.end:
                each.received(WatchMessage(self.cluster, self.revision, (event,)))


class MemoryLease(Lease):  # type: ignore[misc]
    def __init__(self, client: MemoryClient, lease_id: int, ttl: int) -> None:
        super().__init__(client, None, ttl, lease_id)

    def refresh(self, timeout: float | None = None) -> Deferred[Any]:
        return self._client.do("keepalive", self._refresh)

    def remaining(self) -> Deferred[int]:
        return self._client.do("timetolive", self._remaining)

    def revoke(self) -> Deferred[Any]:
        return self._client.do("revoke", lambda: self._client.etcd.revoke(self.lease_id))

    def _remaining(self) -> int:
        if self.lease_id not in self._client.etcd.leases:
            raise Expired()
        return 1

    def _refresh(self) -> None:
        self._remaining()
        lease = self._client.etcd.leases[self.lease_id]
        lease.expires = self._client.etcd.clock.seconds() + lease.ttl


class MemoryClient:
    """What discovery and registration use of an EtcdClient."""

    endpoints = ("memory:",)
    endpoint = "memory:"

    def __init__(self, etcd: MemoryEtcd) -> None:
        self.etcd = etcd
        self.closed = False
        self.logins = 0

    def do(self, name: str, work: Callable[[], Any]) -> Deferred[Any]:
        self.etcd.calls.append(name)
        if self.etcd.away:
            return fail(EtcdConnectionRefused("connection refused"))
        try:
            return succeed(work())
        except (EtcdError, Expired, Failed):
            return fail()

    def lease(self, ttl: int) -> Deferred[MemoryLease]:
        return self.do("grant", lambda: MemoryLease(self, self.etcd.grant(ttl), ttl))

    def existing_lease(self, lease_id: int) -> MemoryLease:
        return MemoryLease(self, lease_id, 0)

    def set(self, key: bytes, value: bytes, lease: MemoryLease) -> Deferred[Revision]:
        return self.do("put", lambda: Revision(self._put(key, value, lease)))

    def submit(self, transaction: Transaction) -> Deferred[Success]:
        return self.do("txn", lambda: self._submit(transaction))

    async def look(self, key: bytes) -> Snapshot:
        return await self.do("look", lambda: self._snapshot(KeyRange(key, key + b"\0")))

    async def snapshot(self, keys: KeyRange, *, keys_only: bool = False, limit: int = 0) -> Snapshot:
        return await self.do("range", lambda: self._snapshot(keys, keys_only))

    def watch(self, keys: KeyRange, revision: int, received: Callable[[WatchMessage], None]) -> Deferred[None]:
        self.etcd.calls.append("watch")
        ended: Deferred[None] = Deferred(lambda _: self._forget(ended))
        if self.etcd.away:
            ended.errback(EtcdConnectionRefused("connection refused"))
            return ended
        if self.etcd.silent:
            self.etcd.clock.callLater(3, lambda: ended.called or ended.errback(EtcdTimeout("silence")))
            return ended
        self.etcd.watching.append(_Watching(keys, received, ended))
        # As from a socket: not before the caller has the Deferred.
        self.etcd.clock.callLater(0, self._open, keys, revision, received, ended)
        return ended

    def login(self) -> Deferred[None]:
        self.logins += 1
        return succeed(None)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)

    def _open(
        self, keys: KeyRange, revision: int, received: Callable[[WatchMessage], None], ended: Deferred[None]
    ) -> None:
        if ended.called:
            return
        etcd = self.etcd
        received(WatchMessage(etcd.cluster, etcd.revision, created=True))
        if revision <= etcd.compacted:
            received(WatchMessage(etcd.cluster, 0, canceled=True, compact_revision=etcd.compacted))
            return
        for event in list(etcd.history):
            if event.kv.mod_revision >= revision and keys.begin <= event.kv.key < keys.end and not ended.called:
                received(WatchMessage(etcd.cluster, etcd.revision, (event,)))

    def _forget(self, ended: Deferred[None]) -> None:
        self.etcd.watching = [each for each in self.etcd.watching if each.ended is not ended]

    def _put(self, key: bytes, value: bytes, lease: MemoryLease) -> Header:
        if lease.lease_id not in self.etcd.leases:
            raise EtcdError(NOT_FOUND, "etcdserver: requested lease not found")
        self.etcd.put(key, value, lease.lease_id)
        return self._header()

    def _submit(self, transaction: Transaction) -> Success:
        for compare in transaction.compare:
            kv = self.etcd.keys.get(compare.key)
            if isinstance(compare, CompModified):
                holds = (kv.mod_revision if kv else 0) == compare.mod_revision
            else:
                assert isinstance(compare, CompLease)
                holds = kv is not None and kv.lease == compare.lease
            if not holds:
                raise Failed(self._header(), [])
        for operation in transaction.success:
            if isinstance(operation, OpSet):
                self._put(operation.key, operation.value, operation.lease)
            else:
                assert isinstance(operation, OpDel)
                self.etcd.delete(operation.key.key)
        return Success(self._header(), [])

    def _snapshot(self, keys: KeyRange, keys_only: bool = False) -> Snapshot:
        everything = keys.begin == keys.end == b"\0"
        found = [kv for key, kv in sorted(self.etcd.keys.items()) if everything or keys.begin <= key < keys.end]
        if keys_only:
            found = [evolve(kv, value=b"") for kv in found]
        return Snapshot(self.etcd.cluster, self.etcd.revision, tuple(found))

    def _header(self) -> Header:
        return Header(1, self.etcd.revision, self.etcd.cluster, 1)
