"""The registry in etcd, as Kitex's registry-etcd keeps it."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults, succeed
from twisted.logger import Logger

from ...core.discovery import HOLD, RECONCILE_EVERY, Discovery, instances
from ...core.etcd import EtcdError, KeyRange
from ...core.instances import (
    DEFAULT_PREFIX,
    Instance,
    Instances,
    announced,
    check_prefix,
    check_service,
    difference,
    foreign_prefix,
    format_instance,
    instance_key,
)
from ...core.registration import lease_ttl
from ..etcd_client import TIMEOUT, Access, EtcdClient
from ..etcd_discovery import Follower
from ..etcd_registration import Registration
from . import Announcement, Changed, EndWatch, describe, registries

# Changes that come so soon after another are one change: when a big service restarts, its
# balancer would begin anew at each instance. A lone change is told at once: a Kitex server
# that leaves closes its idle connections 150 ms later.
GATHER = 0.1
# As many keys without an instance are shown.
DROPPED_SHOWN = 50
# Where a service is sought that is not under our prefixes, and among how many keys.
EVERYTHING = KeyRange(b"\0", b"\0")
KEYS_SOUGHT = 1000


@define(eq=False)
class _Watch:
    service: str
    changed: Changed
    told: Instances | None = field(default=None)


class EtcdRegistry:
    """Follows every service under its prefixes by one watch for each prefix, and announces under the first.

    :param prefixes: of the keys, without outer slashes; one may be empty.
    :param hold: how long an instance is kept whose lease ran out after an outage of etcd, in seconds.
    :param environ: where Kitex's variables may stand; see :func:`announced` and :func:`lease_ttl`.
    :param random: gives numbers from 0 to 1, for waits.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        client: EtcdClient,
        *,
        prefixes: Sequence[str] = (DEFAULT_PREFIX,),
        ttl: int | None = None,
        hold: float = HOLD,
        reconcile_every: float = RECONCILE_EVERY,
        environ: Mapping[str, str] = os.environ,
        random: Callable[[], float] | None = None,
    ) -> None:
        if not prefixes:
            raise ValueError("etcd: at least one prefix is needed, which may be empty")
        self._client = client
        self._reactor = reactor
        self._prefix = prefixes[0]
        self._ttl = ttl or lease_ttl(environ)
        self._environ = environ
        self._random = random or Random().random
        self._discoveries = [Discovery(prefix, hold=hold) for prefix in dict.fromkeys(prefixes)]
        self._followers = [
            Follower(reactor, client, discovery, self._updated, self._random, reconcile_every)
            for discovery in self._discoveries
        ]
        self._registrations: list[Registration] = []
        self._watches: list[_Watch] = []
        self._waiting: list[Deferred[None]] = []
        self._started = False
        self._was_ready = False
        self._telling: Any = None
        self._told_at = -GATHER
        self._changed_at: float | None = None
        # Prefixes under which a service was found that has no instance under ours.
        self._elsewhere: dict[str, list[str]] = {}
        self._seeking: Deferred[None] = succeed(None)

    # Finding

    @property
    def discoveries(self) -> Sequence[Discovery]:
        """What is known of each prefix."""
        return self._discoveries

    @property
    def ready(self) -> bool:
        return all(discovery.ready for discovery in self._discoveries)

    def start(self) -> Deferred[None]:
        if self.ready:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append(waiting)
        if not self._started:
            self._started = True
            for follower in self._followers:
                follower.start()
        return waiting

    def _forget(self, waiting: Deferred[None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def watch(self, service: str, changed: Changed) -> EndWatch:
        watch = _Watch(check_service(service), changed)
        self._watches.append(watch)
        if self.ready:
            self._tell(watch)

        def end() -> None:
            if watch in self._watches:
                self._watches.remove(watch)

        return end

    def distrust(self, service: str, instance: Instance) -> None:
        for discovery in self._discoveries:
            discovery.distrust(service, instance.address)
        if self._telling is not None:
            self._telling.cancel()
        self._tell_all()

    def _updated(self) -> None:
        if not self.ready:
            return
        if not self._was_ready:
            self._was_ready = True
            self._tell_all()
            while self._waiting:
                self._waiting.pop(0).callback(None)
        elif self._telling is None and any(discovery.changed for discovery in self._discoveries):
            wait = self._told_at + GATHER - self._reactor.seconds()
            self._telling = self._reactor.callLater(max(0.0, wait), self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        if not self.ready:
            return
        self._told_at = self._reactor.seconds()
        changed: set[str] = set()
        for discovery in self._discoveries:
            changed |= discovery.changed
            discovery.changed.clear()
        if changed:
            self._changed_at = self._told_at
        for watch in list(self._watches):
            if watch.told is None or watch.service in changed:
                self._tell(watch)

    def _tell(self, watch: _Watch) -> None:
        """Hand on the set of a service, if it is not the one that was handed on last."""
        now, before = instances(self._discoveries, watch.service), watch.told
        if now == before or watch not in self._watches:
            return
        watch.told = now
        if before is not None:
            self._log_change(watch.service, before, now)
        elif not now:
            self._seek(watch.service)
        try:
            watch.changed(now)
        except Exception:
            # Whoever watches has a fault; the others go on.
            self.log.failure("the watcher of {service} failed", service=watch.service)

    def _log_change(self, service: str, before: Instances, now: Instances) -> None:
        what = difference(before, now)
        self.log.info(
            "{service}: {count} instances ({added} joined, {removed} left, {changed} changed)",
            service=service,
            count=len(now),
            added=len(what.added),
            removed=len(what.removed),
            changed=len(what.changed),
        )

    def _seek(self, service: str) -> None:
        """A service that is not there may have another prefix: say so, before somebody has to find out."""
        if service not in self._elsewhere:
            self._elsewhere[service] = []
            self._seeking.addCallback(lambda _: Deferred.fromCoroutine(self._seek_elsewhere(service)))
            self._seeking.addErrback(lambda failure: failure.trap(CancelledError) and None)

    async def _seek_elsewhere(self, service: str) -> None:
        try:
            found = await self._client.snapshot(EVERYTHING, keys_only=True, limit=KEYS_SOUGHT)
        except EtcdError:
            # Most likely we may not read all of it; then there is no hint.
            return
        ours = {discovery.prefix for discovery in self._discoveries}
        prefixes = {foreign_prefix(kv.key, service) for kv in found.keys} - ours - {None}
        self._elsewhere[service] = sorted(prefix for prefix in prefixes if prefix is not None)
        for prefix in self._elsewhere[service]:
            self.log.warn(
                "{service} has no instance, but some under the prefix {prefix!r}", service=service, prefix=prefix
            )

    # Announcing

    def announce(self, service: str, instance: Instance) -> Deferred[Announcement]:
        try:
            written = announced(instance, self._environ, local_ipv4)
            key = instance_key(self._prefix, check_service(service), written)
        except ValueError:
            return fail()
        registration = Registration(self._reactor, self._client, key, format_instance(written), self._ttl, self._random)
        self._registrations = [each for each in self._registrations if each.state != "withdrawn"]
        self._registrations.append(registration)
        registration.start()
        return registration.registered

    # The end, and what is known

    def stop(self) -> Deferred[None]:
        for follower in self._followers:
            follower.stop()
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._watches.clear()
        self._waiting.clear()
        self._seeking.cancel()
        leaving = gatherResults([registration.withdraw() for registration in self._registrations])
        return leaving.addCallback(lambda _: self._client.close())

    def lease_ages(self, service: str) -> dict[str, float]:
        now = self._reactor.seconds()
        return {address: age for each in self._discoveries for address, age in each.lease_ages(service, now).items()}

    def names(self) -> Sequence[str]:
        return sorted({name for discovery in self._discoveries for name in discovery.services})

    def status(self) -> dict[str, Any]:
        return {
            **self.summary(),
            "services": {name: [describe(i) for i in instances(self._discoveries, name)] for name in self.names()},
        }

    def summary(self) -> dict[str, Any]:
        return {
            "kind": "etcd",
            "ready": self.ready,
            "endpoints": list(self._client.endpoints),
            "endpoint": self._client.endpoint,
            "prefixes": [self._prefix_status(follower) for follower in self._followers],
            # Seconds since the instances of some service last changed.
            "changed": None if self._changed_at is None else round(self._reactor.seconds() - self._changed_at, 3),
            "elsewhere": {service: prefixes for service, prefixes in self._elsewhere.items() if prefixes},
            "announced": [
                {"key": registration.key.decode(), "state": registration.state} for registration in self._registrations
            ],
        }

    def _prefix_status(self, follower: Follower) -> dict[str, Any]:
        discovery = follower.discovery
        alive_at = discovery.alive_at
        return {
            "prefix": discovery.prefix,
            "connected": discovery.streaming,
            "trouble": follower.trouble,
            "revision": discovery.revision,
            "cluster": discovery.cluster,
            # Seconds since etcd was last heard of.
            "age": None if alive_at is None else round(self._reactor.seconds() - alive_at, 3),
            "keys": discovery.size,
            "snapshots": discovery.snapshots,
            "reconnects": discovery.cuts,
            "dropped": [{"key": key.key, "why": key.why} for key in discovery.dropped(DROPPED_SHOWN)],
        }


# What asks the Linux kernel for the IPv4 address of an interface, and where it stands in the answer.
_SIOCGIFADDR = 0x8915
_ADDRESS = slice(20, 24)


def local_ipv4() -> str | None:
    """The machine's first IPv4 address that is not a loopback one, in the order of its interfaces."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
            except OSError:
                continue
            address = socket.inet_ntoa(answer[_ADDRESS])
            if not address.startswith("127."):
                return address
        return _address_of_the_route_out(asking)


def _address_of_the_route_out(asking: socket.socket) -> str | None:
    """For systems where the kernel is asked in another way; a datagram socket that connects sends nothing."""
    try:
        asking.connect(("192.0.2.1", 9))
    except OSError:
        return None
    address: str = asking.getsockname()[0]
    return None if address.startswith("127.") else address


_SETTINGS = {"endpoints", "prefix", "user", "password", "ca", "certificate", "key", "timeout", "ttl", "hold"}


@registries.register("etcd")
def build(reactor: Any, settings: Mapping[str, Any]) -> EtcdRegistry:
    """Build from settings.

    ``endpoints`` (list of URLs, needed), ``prefix`` (one or a list), ``user`` and ``password``, ``ca``,
    ``certificate`` and ``key`` (files), ``timeout`` and ``hold`` (seconds), ``ttl`` (whole seconds).
    """
    if unknown := sorted(settings.keys() - _SETTINGS):
        raise ValueError(f"etcd: unknown setting {', '.join(unknown)}")
    access = Access(
        settings.get("endpoints", ()),
        user=_text(settings, "user"),
        password=_text(settings, "password"),
        ca=_file(settings, "ca"),
        certificate=_file(settings, "certificate"),
        key=_file(settings, "key"),
        timeout=_seconds(settings, "timeout", TIMEOUT),
    )
    prefix = settings.get("prefix", DEFAULT_PREFIX)
    prefixes = (prefix,) if isinstance(prefix, str) else tuple(prefix)
    ttl = settings.get("ttl")
    if ttl is not None and (type(ttl) is not int or ttl < 1):
        raise ValueError("etcd: ttl has to be whole seconds above zero")
    return EtcdRegistry(
        reactor,
        EtcdClient(reactor, access),
        prefixes=tuple(map(check_prefix, prefixes)),
        ttl=ttl,
        hold=_seconds(settings, "hold", HOLD, least=0.0),
    )


def _text(settings: Mapping[str, Any], name: str) -> str:
    text = settings.get(name, "")
    if not isinstance(text, str):
        raise ValueError(f"etcd: {name} has to be text")
    return text


def _file(settings: Mapping[str, Any], name: str) -> Path | None:
    path = _text(settings, name)
    return Path(path) if path else None


def _seconds(settings: Mapping[str, Any], name: str, default: float, least: float = 0.1) -> float:
    seconds = settings.get(name, default)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= least:
        raise ValueError(f"etcd: {name} has to be {least:g} seconds or more")
    return float(seconds)
