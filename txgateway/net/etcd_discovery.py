"""Runs the steps of one Discovery: reads and watches etcd, and keeps its times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.task import deferLater
from twisted.logger import Logger
from txaioetcd import Expired

from ..core.discovery import RECONCILE_EVERY, RECONCILE_GRACE, Discovery, Do, Step
from ..core.etcd import EtcdError, EtcdUnreachable, WatchMessage
from .etcd_client import EtcdClient

# After a long outage as many leases may be asked for as there are instances.
LOOKUPS_AT_ONCE = 8


class Follower:
    """Follows one prefix of etcd, for ever.

    :param updated: called when the discovery may have changed, by whatever cause.
    :param random: gives numbers from 0 to 1, for the waits.
    :ivar trouble: why there is no stream just now; empty while there is one.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        client: EtcdClient,
        discovery: Discovery,
        updated: Callable[[], None],
        random: Callable[[], float],
        reconcile_every: float = RECONCILE_EVERY,
    ) -> None:
        self.discovery = discovery
        self.trouble = ""
        self._reactor = reactor
        self._client = client
        self._updated = updated
        self._random = random
        self._reconcile_every = reconcile_every
        # What runs now, one of each at most; a new step takes their places.
        self._doing: Deferred[None] | None = None
        self._checking: Deferred[None] | None = None
        self._expiry: Any = None
        self._lookups: set[Deferred[None]] = set()
        self._free_lookups = DeferredSemaphore(LOOKUPS_AT_ONCE)

    def start(self) -> None:
        self._take(self.discovery.begin())

    def stop(self) -> None:
        self._end()
        for lookup in list(self._lookups):
            lookup.cancel()
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()

    # The step that is being done

    def _take(self, step: Step | None) -> None:
        """Do this step instead of what is being done, if it is one; then see to what changed."""
        if step is not None:
            self._end()
            self._doing = self._run(self._do(step))
        elif self.discovery.streaming and self._checking is None:
            self._set_trouble("")
            self._checking = self._run(self._reconcile())
        self._settle()

    def _run(self, work: Any) -> Deferred[None]:
        running = Deferred.fromCoroutine(work)
        running.addErrback(lambda failure: failure.trap(CancelledError) and None)
        running.addErrback(self._broken)
        return running

    def _broken(self, failure: Any) -> None:
        """A fault of ours must not end the following: say it, and go on as after any failure."""
        self.log.failure("etcd: discovery failed by itself", failure)
        self._fail(EtcdUnreachable("a fault of the gateway itself"))

    def _end(self) -> None:
        doing, self._doing = self._doing, None
        checking, self._checking = self._checking, None
        for running in (doing, checking):
            if running is not None:
                running.cancel()

    async def _do(self, step: Step) -> None:
        await deferLater(self._reactor, step.after)
        try:
            if step.login:
                await self._client.login()
            if step.do is Do.SNAPSHOT:
                found = await self._client.snapshot(self.discovery.keys)
                for _ in self.discovery.take_over(found, self._now()):
                    await deferLater(self._reactor, 0)
            else:
                await self._client.watch(self.discovery.keys, self.discovery.revision + 1, self._hear)
        except EtcdError as failure:
            self._doing = None
            self._fail(failure)
        else:
            self._doing = None
            self.log.info("etcd: read {count} keys", count=len(found.keys))
            self._take(Step(Do.STREAM))

    def _hear(self, message: WatchMessage) -> None:
        self._take(self.discovery.message(message, self._now(), self._random()))

    def _fail(self, failure: EtcdError, *, silent: bool = False) -> None:
        self._set_trouble(failure.text)
        step = self.discovery.failed(
            self._now(), self._random(), refused=failure.refused, login=failure.wants_login, silent=silent
        )
        self._take(step)

    async def _reconcile(self) -> None:
        """Find out, from time to time, whether a stream that says nothing has nothing to say."""
        while True:
            await deferLater(self._reactor, self._reconcile_every)
            try:
                found = await self._client.snapshot(self.discovery.keys, keys_only=True)
            except EtcdError as failure:
                # What follows must not end this very coroutine.
                self._checking = None
                return self._fail(failure, silent=True)
            await deferLater(self._reactor, RECONCILE_GRACE)
            step = self.discovery.reconcile(found, self._now(), self._random())
            if step is not None:
                self._checking = None
                self._set_trouble("the watch has lost events")
                return self._take(step)

    # What changed

    def _settle(self) -> None:
        leases, self.discovery.lookups = self.discovery.lookups, []
        for lease in leases:
            lookup = self._run(self._look_up(lease))
            if not lookup.called:
                self._lookups.add(lookup)
                lookup.addBoth(self._looked_up, lookup)
        self._wait_for_expiry()
        self._updated()

    async def _look_up(self, lease: int) -> None:
        """Whether a lease lives on although its key is gone. Not to know is no harm: the suspect is held."""
        async with self._free_lookups:
            try:
                await self._client.existing_lease(lease).remaining()
            except (EtcdError, Expired):
                return
        self.discovery.lease_found(lease, alive=True)
        self._settle()

    def _looked_up(self, _: Any, lookup: Deferred[None]) -> None:
        self._lookups.discard(lookup)

    def _wait_for_expiry(self) -> None:
        due = self.discovery.next_expiry
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        if due is not None:
            self._expiry = self._reactor.callLater(max(0.0, due - self._now()), self._expire)

    def _expire(self) -> None:
        self.discovery.expire(self._now())
        self._settle()

    def _set_trouble(self, trouble: str) -> None:
        """Say once that it began and once that it ended, not at each try."""
        if trouble and not self.trouble:
            self.log.warn("etcd: no watch of {prefix}, serving what is known: {why}", prefix=self._name, why=trouble)
        elif self.trouble and not trouble:
            self.log.info("etcd: watching {prefix} again", prefix=self._name)
        self.trouble = trouble

    @property
    def _name(self) -> str:
        return self.discovery.prefix or "/"

    def _now(self) -> float:
        now: float = self._reactor.seconds()
        return now
