"""Upstreams, and their instances: found by a registry, judged by the IDL that they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from attrs import evolve
from twisted.internet.task import Cooperator
from twisted.logger import Logger

from ..config import Settings
from ..core.explain.pick import Seen
from ..core.health.breaker import Breaker
from ..core.instances import Instances
from ..core.loading import LoadedMapping
from ..core.message import Call
from ..core.pages.changes import Changes
from ..core.policy import Policy
from ..core.skew import Skew, Verdict
from ..governing import checks_of, governance_from, sender
from ..net.explaining import seen_of
from ..net.registry import EndWatch, Registry
from ..net.registry.etcd import EtcdRegistry
from ..net.registry.static import StaticRegistry
from ..net.slices import in_slices
from ..net.upstream import Upstream, Upstreams
from ..policies import CallPolicy
from .making import pool_maker

log = Logger()


class Following:
    """Has an upstream for each service that is served, and a registry that tells it of its instances.

    :ivar upstreams: by the name of the service.
    :ivar breakers: of methods, by service and name of the policy.
    :ivar skew: judges what instances run.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        reactor: Any,
        static: StaticRegistry,
        etcd: EtcdRegistry | None,
        changes: Changes,
        around: Sequence[CallPolicy],
    ) -> None:
        """
        :param settings: gives those of the moment.
        :param static: serves the services that it names, ``etcd`` all others.
        :param around: policies that stand around all others of each call.
        """
        self._settings = settings
        self._reactor = reactor
        self._static = static
        self._etcd = etcd
        self._changes = changes
        self._around = around
        self.upstreams = Upstreams(self._open)
        self.breakers: dict[tuple[str, str], Breaker] = {}
        self.skew = Skew()
        # As the registries have them, by service.
        self._found: dict[str, Instances] = {}
        # The addresses of those whose IDL breaks with ours, by service.
        self._breaking: dict[str, set[str]] = {}
        # Services whose instances are to be judged by another version, of which one is taken a turn.
        self._unjudged: set[str] = set()
        self._turns = Cooperator(
            terminationPredicateFactory=lambda: lambda: True, scheduler=lambda step: reactor.callLater(0, step)
        )

    def stop(self) -> None:
        """Judge nobody any more."""
        self._turns.stop()

    def serve(self, loaded: LoadedMapping, policies: Mapping[str, Mapping[str, Policy]]) -> None:
        """Have upstreams for exactly these services, with the policies of their methods."""
        self.upstreams.serve(policies)
        self.breakers = {key: each for key, each in self.breakers.items() if key[1] in policies.get(key[0], ())}
        self.skew.serves(loaded)
        self._found = {service: self._found.get(service, ()) for service in loaded.mapping.services}
        if not self._unjudged:
            self._turns.cooperate(self._judge_anew())
        self._unjudged |= self.skew.changed

    def renew(self) -> None:
        """Open every upstream anew, by the settings of now."""
        self.breakers.clear()
        renewing = in_slices(self._reactor, self.upstreams.renew())
        renewing.addErrback(lambda failure: log.failure("not every upstream is by the new settings", failure))

    def prefer_anew(self) -> None:
        """What instances are preferred by has changed."""
        for upstream in self.upstreams:
            self.take(upstream, self._found[upstream.service])

    def take(self, upstream: Upstream, found: Instances) -> None:
        """These are the instances of a service from now on."""
        self._changes.instances(upstream.service, self._found[upstream.service], found)
        self._found[upstream.service] = found
        breaking = {each.address for each in found if self.skew.of(upstream.service, each) is Verdict.BREAKING}
        for address in breaking - self._breaking.get(upstream.service, set()):
            log.warn(
                "{service}: {address} runs an IDL whose wire format breaks with ours",
                service=upstream.service,
                address=address,
            )
        self._breaking[upstream.service] = breaking
        # Where it is true of all, none is preferred.
        if self._settings().mapping.skew == "prefer" and len(breaking) < len(found):
            # Picked after all others, as an instance of which nothing certain is known.
            found = tuple(evolve(each, suspect=True) if each.address in breaking else each for each in found)
        upstream.update(found)

    # What is known of them

    @property
    def is_ready(self) -> bool:
        """Whether every registry has been read once."""
        return self._etcd is None or self._etcd.ready

    @property
    def registries(self) -> list[Registry]:
        return [self._static] if self._etcd is None else [self._static, self._etcd]

    def registry_of(self, service: str) -> Registry:
        return self._static if self._etcd is None or service in self._static.services else self._etcd

    def seen(self, service: str) -> Seen:
        """The instances of a service as they are now, to explain a call. Raises NoInstance if it is not served."""
        return seen_of(self.upstreams[service], self.registries)

    def next(self, call: Call) -> str:
        """The address of the instance that a call would go to now; empty: that cannot be told."""
        instance = self.upstreams[call.service].peek(call)
        return "" if instance is None else instance.address

    def lines(self, upstream: Upstream) -> list[dict[str, Any]]:
        """A line per instance, with the seconds that its present lease is known; None for one without."""
        ages = self.registry_of(upstream.service).lease_ages(upstream.service)
        ages = {address: round(age, 1) for address, age in ages.items()}
        return [{**line, "lease_age": ages.get(line["address"])} for line in upstream.status()]

    def verdicts(self, service: str) -> dict[str, str]:
        """What the instances of a service run, against what we serve, by their addresses."""
        return {each.address: self.skew.of(service, each).value for each in self._found.get(service, ())}

    def _open(self, service: str) -> tuple[Upstream, EndWatch]:
        registry, settings = self.registry_of(service), self._settings()
        make_pool = pool_maker(settings.upstream, self._reactor)
        upstream = Upstream(
            service,
            self._reactor,
            lambda instance: make_pool(instance, upstream.policies),
            lambda instance: registry.distrust(service, instance),
            lambda upstream, policy: sender(
                upstream,
                policy,
                self._settings(),
                self._reactor,
                partial(self._keep_breaker, service, policy.name),
                self._around,
            ),
            Random(),
            governance_from(settings),
            lambda upstream: checks_of(upstream, self._settings(), self._reactor),
        )
        self._found.setdefault(service, ())
        return upstream, registry.watch(service, lambda found: self.take(upstream, found))

    def _keep_breaker(self, service: str, method: str, breaker: Breaker) -> None:
        self.breakers[service, method] = breaker

    def _judge_anew(self) -> Iterator[None]:
        """To compare two versions of a service takes some milliseconds."""
        while self._unjudged:
            service = self._unjudged.pop()
            if self._found.get(service):
                self.take(self.upstreams[service], self._found[service])
                yield
