"""Keeps one instance registered in etcd: lease, key, keepalive, and a look at the key now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from txaioetcd import CompModified, Expired, Failed, OpDel, OpSet, Transaction

from ..core.etcd import NOT_FOUND, EtcdError
from ..core.registration import (
    LOOK_AGAIN,
    LOOK_EVERY,
    Verdict,
    Written,
    beat_timeout,
    first_beat,
    judge,
    next_beat,
    retry,
)
from .etcd_client import CompLease, EtcdClient, EtcdLease
from .registry import Announcement

# At a stop etcd is asked so often; then the lease is left to run out.
WITHDRAW_TRIES = 2
# Between the end of a key and that of its lease: whoever doubts looks up the lease when the key
# goes, and if that is gone too, a clean stop looks like an expiry. An answer takes 2 ms.
LOOKUP_TIME = 0.1


class Registration:
    """One key, held under a lease of its own through every outage, until it is withdrawn.

    :param ttl: of the lease, in seconds; etcd may make it longer.
    :param random: gives numbers from 0 to 1.
    :ivar registered: fires when the key stands for the first time; cancelling it gives up.
    :ivar state: in a word or two, for the admin page.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, client: EtcdClient, key: bytes, value: bytes, ttl: int, random: Callable[[], float]
    ) -> None:
        self.key = key
        self.registered: Deferred[Announcement] = Deferred(self._give_up)
        self.state = "new"
        self.lease: EtcdLease | None = None
        self._reactor = reactor
        self._client = client
        self._value = value
        self._ttl = ttl
        self._random = random
        self._written: Written | None = None
        # By these an old value of our own is known; few of them ever live together.
        self._leases: deque[int] = deque(maxlen=16)
        self._running: Deferred[None] | None = None
        self._ending = False
        self._withdrawn: Deferred[None] = succeed(None)

    def start(self) -> None:
        self._running = Deferred.fromCoroutine(self._keep())
        self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)
        self._running.addErrback(self._broken)

    def withdraw(self) -> Deferred[None]:
        """Delete the key, if it is still ours, then revoke the lease. Never fails.

        In this order: a key that goes with its lease looks like a service that died.
        """
        if not self._ending:
            self._ending = True
            self._withdrawn = Deferred.fromCoroutine(self._take_out())
            self._withdrawn.addErrback(lambda failure: self.log.failure("etcd: {key}", failure, key=self._name))
        waiting: Deferred[None] = Deferred()
        self._withdrawn.addCallback(waiting.callback)
        return waiting

    def _give_up(self, _: Deferred[Announcement]) -> None:
        if not self._ending:
            self.withdraw()

    # Holding

    async def _keep(self) -> None:
        while await self._write_until_done():
            await self._hold()
        await self._yield()

    def _broken(self, failure: Failure) -> None:
        """A fault of ours must not take a live service out of the registry: begin again."""
        self.log.failure("etcd: the registration of {key} failed by itself", failure, key=self._name)
        self._running = deferLater(self._reactor, LOOK_AGAIN, self.start)
        self._running.addErrback(lambda failure: failure.trap(CancelledError) and None)

    async def _write_until_done(self) -> bool:
        """Write the key, however long that takes; false if it is another's by now."""
        while True:
            try:
                ours = await self._write()
            except EtcdError as failure:
                self._set_state("registering", failure.text)
            except Failed:
                self._set_state("registering", "the key has changed just now")
            else:
                if ours:
                    self._stands()
                return ours
            await self._sleep(retry(self._ttl))

    async def _write(self) -> bool:
        if self.lease is None:
            self.lease = await self._client.lease(self._ttl)
            self._leases.append(self.lease.lease_id)
        try:
            if self._written is None:
                # Whoever comes last holds the key: it is the process that lives.
                return self._note((await self._client.set(self.key, self._value, self.lease)).header)
            return await self._write_again(self._written)
        except EtcdError as failure:
            if failure.code == NOT_FOUND:
                self.lease = None
            raise

    async def _write_again(self, written: Written) -> bool:
        """The key was lost: take it back, unless another has taken it since."""
        seen = await self._client.look(self.key)
        found = seen.keys[0] if seen.keys else None
        if judge(found, seen.cluster, written, self._leases) is Verdict.YIELD:
            return False
        unchanged = CompModified(self.key, "==", found.mod_revision if found else 0)
        put = OpSet(self.key, self._value, self.lease)
        return self._note((await self._client.submit(Transaction([unchanged], [put]))).header)

    def _note(self, header: Any) -> bool:
        assert self.lease is not None
        self._written = Written(header.cluster_id, header.revision, self.lease.lease_id)
        return True

    def _stands(self) -> None:
        self._set_state("registered")
        if not self.registered.called:
            self.registered.callback(self)

    async def _hold(self) -> None:
        """Return when the key has to be written again."""
        assert self.lease is not None
        ttl = self.lease.time_to_live
        beat_at = self._now() + first_beat(ttl, self._random())
        look_at = self._now() + LOOK_EVERY
        while True:
            await self._sleep(min(beat_at, look_at) - self._now())
            if self._now() >= beat_at:
                try:
                    beat_at = self._now() + await self._beat(self.lease, ttl)
                except Expired:
                    self._set_state("registering", "the lease is lost")
                    self.lease = None
                    return
            else:
                verdict = await self._look()
                if verdict is Verdict.WRITE or verdict is Verdict.YIELD:
                    return
                look_at = self._now() + (LOOK_EVERY if verdict else LOOK_AGAIN)

    async def _beat(self, lease: EtcdLease, ttl: float) -> float:
        """One keepalive; gives the seconds until the next."""
        try:
            await lease.refresh(beat_timeout(ttl))
        except EtcdError as failure:
            self._set_state("registered, keepalive fails", failure.text)
            return retry(ttl)
        self._set_state("registered")
        return next_beat(ttl)

    async def _look(self) -> Verdict | None:
        """What to do about the key; None if it could not be seen."""
        assert self._written is not None
        try:
            seen = await self._client.look(self.key)
        except EtcdError:
            return None
        found = seen.keys[0] if seen.keys else None
        return judge(found, seen.cluster, self._written, self._leases)

    # Ending

    async def _yield(self) -> None:
        self._set_state("taken over", "another process has registered this address after us")
        await self._revoke()

    async def _take_out(self) -> None:
        if self._running is not None:
            self._running.cancel()
        if not self.registered.called:
            self.registered.cancel()
        if self.lease is not None and await self._delete(self.lease):
            await self._sleep(LOOKUP_TIME)
            await self._revoke()
        self.state = "withdrawn"

    async def _delete(self, lease: EtcdLease) -> bool:
        """Whether etcd could be asked."""
        still_ours = CompLease(self.key, "==", lease.lease_id)
        for _ in range(WITHDRAW_TRIES):
            try:
                await self._client.submit(Transaction([still_ours], [OpDel(self.key)]))
            except Failed:
                return True
            except EtcdError as failure:
                self.log.warn("etcd: {key} could not be deleted: {why}", key=self._name, why=failure.text)
            else:
                return True
        return False

    async def _revoke(self) -> None:
        """Without this the lease would be a burden of etcd's for a minute; no more than that."""
        lease, self.lease = self.lease, None
        try:
            if lease is not None:
                await lease.revoke()
        except (EtcdError, Expired):
            pass

    # Small things

    def _set_state(self, state: str, why: str = "") -> None:
        """Say a change once, not each time it is found again."""
        if state == self.state:
            return
        self.state = state
        if why:
            self.log.warn("etcd: {key}: {state}: {why}", key=self._name, state=state, why=why)
        else:
            self.log.info("etcd: {key}: {state}", key=self._name, state=state)

    @property
    def _name(self) -> str:
        return self.key.decode("utf-8", "replace")

    def _sleep(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, max(0.0, seconds))

    def _now(self) -> float:
        now: float = self._reactor.seconds()
        return now
