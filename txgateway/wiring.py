"""Builds the parts and joins them; the only module that knows them all."""

from __future__ import annotations

import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred, gatherResults, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Cooperator
from twisted.logger import ILogObserver, Logger
from twisted.python.failure import Failure

from . import __version__, config
from .config import (
    Complaint,
    ConfigError,
    DiscoverySettings,
    HttpSettings,
    LogSettings,
    Settings,
    Step,
    TracingSettings,
    UpstreamSettings,
    step_to,
)
from .core.annotations import Failure as FailedRule
from .core.annotations import Surroundings
from .core.baggage import Baggage, compile_baggage
from .core.balancing import balancers
from .core.codec import native
from .core.dialect import Dialect, dialect_of
from .core.enforcement import ObservedRules
from .core.errors import GatewayError
from .core.explain import Served
from .core.explain.pick import Seen
from .core.framing import framings
from .core.gate import Gate
from .core.health.breaker import Breaker
from .core.history import History
from .core.instances import Instance, Instances
from .core.loading import LoadedMapping, Loader
from .core.log_line import FORMS
from .core.mapping import MappingSettings
from .core.metrics import Sample, families
from .core.metrics.requests import RequestCounts
from .core.openapi.document import About
from .core.pages.changes import CONFIG, Changes
from .core.policy import Policies, Policy
from .core.request_id import RequestIds, check_header
from .core.skew import Skew, Verdict
from .core.trace_context import TRACE_HEADERS
from .filters import Filter, compose
from .filters.access_log import AccessLog
from .filters.deadline import deadline
from .filters.ledger import Ledger, Observer
from .filters.openapi import openapi
from .filters.tracing import Tracing
from .gateway import Gateway
from .governing import checks_of, governance_from, policies_from, sender
from .net.admin import AdminPages, admin_app
from .net.admin.gathering import Gatherer, Parts
from .net.admin.public import answering, by_path
from .net.admin.ui import Ui, View, considerately
from .net.etcd_client import Access, EtcdClient
from .net.explaining import ExplainedParts, Explanations, seen_of
from .net.http import HttpLimits, HttpRoute, PublicHandlers, http_servers
from .net.http.klein_server import web_site
from .net.listening import Roomy
from .net.log_file import LogFile
from .net.mapping.background import Background
from .net.mapping.etcd import EtcdSource
from .net.mapping.folder import FolderSource
from .net.mapping.heap import Heap
from .net.mapping.live import LiveMapping
from .net.metrics import Metrics, of_breakers, of_discoveries, of_mapping, of_process, of_rules, of_upstreams
from .net.openapi import Describe, Descriptions
from .net.pool import Limits, Pool
from .net.registry import EndWatch, Registry, registries
from .net.registry.etcd import EtcdRegistry
from .net.registry.static import StaticRegistry
from .net.signals import heed
from .net.slices import in_slices
from .net.upstream import Upstream, Upstreams
from .policies import CallPolicy
from .policies.traced import traced

if TYPE_CHECKING:
    from .net.tracing import SpanSender

log = Logger()

# What the registry and the connections to services get to close in an orderly way.
CLOSE_WITHIN = 5.0

# What upstreams are made of, with their connections and policies: where it changes, they are made anew.
_OF_UPSTREAMS = ("upstream.", "health.", "breaker.", "discovery.", "policy.retry_budget")
# ... but for these, which are looked at elsewhere.
_BESIDE_UPSTREAMS = frozenset(
    f"upstream.{name}" for name in ("deadline", "balancer", "transient", "persistent", "backward")
)


def build_gateway(settings: Settings, reactor: Any, listen_on: list[Any] | None = None) -> GatewayService:
    """The gateway as one Twisted service; nothing listens before it is started.

    Raises ConfigError for a setting that names what there is not.

    :param listen_on: the endpoints of the public port, where they are not those of the settings; there may be none.
    """
    load_extensions()
    return GatewayService(settings, reactor, listen_on)


def load_extensions() -> None:
    """Find every implementation that a setting or an annotation may name."""
    for kind in (balancers, framings, registries, http_servers):
        kind.load()


def public_filters(settings: Settings, ledger: Ledger, tracing: Tracing | None, describe: Describe) -> list[Filter]:
    """What stands around the gateway, outermost first."""
    return [
        # Nothing but a response may reach an HTTP server, and every outcome is to be counted and told of.
        ledger,
        # Inside, where failures are still what they were, and the request has its id.
        *([] if tracing is None else [tracing]),
        # Before anything looks for a service, since none is asked.
        *([openapi(describe)] if settings.openapi.public else []),
        # Innermost, next to the waits that it bounds.
        deadline(settings.upstream.deadline),
    ]


def check_settings(settings: Settings, reactor: Any) -> None:
    """Raises ConfigError with all that is wrong with settings each of which is of its kind; listens nowhere."""
    load_extensions()
    parts: list[Callable[[], object]] = [
        lambda: endpoints_from("http.listen", _made_here(settings.http.listen), reactor),
        lambda: endpoints_from("http.admin", _made_here(settings.http.admin), reactor),
        lambda: _id_header(settings.http),
        lambda: _compiling(settings.mapping, Policies()),
        lambda: _etcd_registry(settings.discovery, reactor),
        lambda: _pushed_access(settings),
        lambda: _static_registry(settings.discovery, reactor),
        lambda: _baggage(settings),
        lambda: policies_from(settings),
        lambda: _span_sender(settings.tracing, reactor),
    ]
    complaints: list[Complaint] = []
    for part in parts:
        try:
            part()
        except ConfigError as error:
            complaints += error.complaints
    if complaints:
        raise ConfigError(*complaints)


def check(settings: Settings, reactor: Any) -> tuple[str, bool]:
    """What the gateway would serve and say, and whether nothing is wrong; serves nothing. Reads files.

    Raises ConfigError for a setting that is wrong.
    """
    try:
        loaded = build_gateway(settings, reactor).load_only()
    except OSError as error:
        raise ConfigError(f"mapping.idl: {error.filename}: {error.strerror}") from None
    routes = [(r.verb, r.path, f"{r.plan.service} {r.plan.method.name}") for r in loaded.mapping.routes]
    widths = [max((len(row[column]) for row in routes), default=0) for column in (0, 1)]
    lines = [str(diagnostic) for diagnostic in loaded.diagnostics]
    lines += [f"{verb:{widths[0]}}  {path:{widths[1]}}  {method}" for verb, path, method in routes]
    lines.append(f"{len(loaded.mapping.services)} services, {len(routes)} routes, {len(loaded.errors)} errors")
    return "\n".join(lines), not loaded.errors


class GatewayService(Service):
    """Listens, serves and drains; started and stopped by ``twistd``, or by any Twisted program.

    :ivar public: the HTTP server of the public port.
    """

    name = "tgw"

    def __init__(self, settings: Settings, reactor: Any, listen_on: list[Any] | None = None) -> None:
        self._settings = settings
        self._reactor = reactor
        self._listen_on = (
            endpoints_from("http.listen", settings.http.listen, reactor) if listen_on is None else listen_on
        )
        self._admin_on = endpoints_from("http.admin", settings.http.admin, reactor)
        self._static = _static_registry(settings.discovery, reactor)
        self._etcd = _etcd_registry(settings.discovery, reactor)
        self._policies = policies_from(settings)
        self._compiling = _compiling(settings.mapping, self._policies)
        self._draining = False
        self._observed = ObservedRules()
        self._background = Background(reactor)
        self._heap = Heap(self._background.breathe)
        self._skew = Skew()
        # Services whose instances are to be judged by another version, of which one is taken a turn.
        self._unjudged: set[str] = set()
        self._turns = Cooperator(
            terminationPredicateFactory=lambda: lambda: True, scheduler=lambda step: reactor.callLater(0, step)
        )
        # As the registries have them, by service.
        self._found: dict[str, Instances] = {}
        # The addresses of those whose IDL breaks with ours, by service.
        self._breaking: dict[str, set[str]] = {}
        self._live = self._live_mapping()
        self._changes = Changes(time.time)
        self._live.told = self._changes.mapping
        self._spans = _span_sender(settings.tracing, reactor)
        self._traced: list[CallPolicy] = [] if self._spans is None else [traced(Random(), self._spans)]
        self._upstreams = Upstreams(self._open_upstream)
        self._gateway = Gateway(self._live.loaded.mapping, self._upstreams, _baggage(settings))
        self._log_file = LogFile(reactor, settings.log.access_file) if settings.log.access_file else None
        self._access_log = _access_log(settings.log, reactor, self._log_file)
        self._counts = RequestCounts() if settings.metrics.requests else None
        looked_at = ExplainedParts(self._served_by, self._seen_of, lambda request: self._tried(request))
        self._explanations = Explanations(reactor, looked_at, settings.http.explain_secret)
        self._observers: list[Observer] = []
        self._observe()
        self._id_header = _id_header(settings.http)
        # 40 bits tell the processes of one installation apart.
        ids = RequestIds(self._id_header, f"{secrets.token_hex(5)}-")
        self._ledger = Ledger(reactor.seconds, ids.next_for, self._observers)
        # What the listener refused, by the kind of failure.
        self._refused: Counter[str] = Counter()
        # Of methods, by service and name of the policy.
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._metrics = Metrics(reactor, self._collectors())
        self._drawing = Background(reactor, "pages")
        self._described = self._descriptions(lambda: self._about(self._public_address()))
        self._described_there = self._descriptions(lambda: self._about(""))
        self._compose()
        self._limits = http_limits(settings.http)
        self.public = http_servers[settings.http.server](self._handlers(), self._limits, reactor)
        self._admin_ports: list[Any] = []
        self._view = Gatherer(reactor, self._seen(), self._changes)
        self._tried = by_path(lambda request: self._route(request), lambda request: self._generic(request))
        pages = self.pages
        self._ui = Ui(
            reactor,
            pages.views,
            pages.actions,
            considerately(self._drawing.run),
            self._tried,
            self._public_address,
            settings.http.admin_names,
            self._explanations.offered.explain,
        )

    def startService(self) -> None:
        """Raises SystemExit if it cannot listen, so that ``twistd`` ends with the reason and status 1."""
        super().startService()
        self._open_log()
        if self._spans is not None:
            self._spans.start()
        self._load()
        self._view.start()
        self._drawing.start()
        self._explanations.start()
        if self._etcd is not None:
            self._etcd.start().addErrback(lambda failure: log.failure("discovery ended", failure))
        failures: list[Failure] = []
        ensureDeferred(self._listen()).addErrback(failures.append)
        if failures:
            self._live.stop()
            self._background.stop()
            self._view.stop()
            self._drawing.stop()
            self._explanations.stop()
            raise SystemExit(f"tgw: {failures[0].getErrorMessage()}")

    def load_only(self) -> LoadedMapping:
        """What would be served. Blocks; raises OSError if there is nothing at a path."""
        return self._live.load_only()

    def stopService(self) -> Deferred[None]:
        """Fires when what runs has ended, or had its time for that, and everything is closed."""
        super().stopService()
        return ensureDeferred(self._stop())

    def serve(self, loaded: LoadedMapping) -> None:
        """Serve this mapping from the next request on."""
        mapping = loaded.mapping
        policies = _policies_of(loaded)
        for place in self._policies.unmet(policies):
            log.warn("policy.methods names {place}, which no IDL serves", place=place)
        self._upstreams.serve(policies)
        self._breakers = {key: each for key, each in self._breakers.items() if key[1] in policies.get(key[0], ())}
        if self._counts is not None:
            self._counts.serve(loaded.services)
        self._gateway.mapping = mapping
        self.public.serve(self._handlers())
        self._skew.serves(loaded)
        self._found = {service: self._found.get(service, ()) for service in mapping.services}
        if not self._unjudged:
            self._turns.cooperate(self._judge_anew())
        self._unjudged |= self._skew.changed

    def _live_mapping(self) -> LiveMapping:
        settings = self._settings.mapping
        folder = FolderSource(
            self._reactor,
            settings.idl,
            self._background.run,
            lambda: self._live.changed(FolderSource.name),
            watch=settings.watch,
        )
        return LiveMapping(
            self._background,
            self._heap,
            [*self._pushed_idl(), folder],
            Loader(
                settings.include_dirs,
                self._compiling,
                self._background.breathe,
                Surroundings(now=time.time_ns, observed=self._rule_observed),
                self._heap.keep,
            ),
            Gate(settings.on_breaking, settings.allow),
            History(settings.history),
            self.serve,
            time.time,
        )

    def _pushed_idl(self) -> list[EtcdSource]:
        settings, access = self._settings.mapping, _pushed_access(self._settings)
        if access is None:
            return []
        try:
            return [
                EtcdSource(
                    self._reactor,
                    EtcdClient(self._reactor, access),
                    settings.pushed_prefix,
                    self._background.run,
                    lambda: self._live.changed(EtcdSource.name),
                    cache=_path(settings.cache),
                    include_dirs=settings.include_dirs,
                )
            ]
        except ValueError as error:
            raise ConfigError(f"mapping.pushed: {error}") from None

    def _tracing(self) -> Tracing | None:
        if self._spans is None:
            return None
        return Tracing(self._reactor.seconds, Random(), self._settings.tracing.sample, self._spans)

    def _descriptions(self, about: Callable[[], About]) -> Descriptions:
        drawing = self._drawing
        return Descriptions(lambda: self._live.loaded, about, considerately(drawing.run), drawing.breathe)

    def _about(self, address: str) -> About:
        """What a document says that no IDL does.

        :param address: of the public port, where no setting says how others reach it; empty: it is the document's.
        """
        settings = self._settings.openapi
        servers = settings.servers or ((address,) if address else ())
        version = settings.version or self._live.loaded.digest
        return About(settings.title, version, servers, self._settings.http.request_id, settings.calls)

    def _compose(self) -> None:
        filters = public_filters(self._settings, self._ledger, self._tracing(), self._described_there.text)
        self._route = compose(filters, self._gateway.handle)
        self._generic = compose(filters, self._gateway.handle_generic)

    def _observe(self) -> None:
        kept = (self._counts, self._access_log, self._explanations.live)
        self._observers[:] = [each for each in kept if each is not None]

    def _open_log(self) -> None:
        try:
            _start_log_file(self._log_file)
        except ConfigError as error:
            raise SystemExit(f"tgw: {error}") from None
        self._end_heeding = heed(self._reactor, signal.SIGUSR1, self._reopen_log)

    def _reopen_log(self) -> None:
        if self._log_file is not None:
            self._log_file.reopen()

    def _close_log(self) -> Deferred[None]:
        """Fires when every line is written."""
        if self._access_log is not None:
            self._access_log.flush()
        self._end_heeding()
        return succeed(None) if self._log_file is None else self._log_file.stop()

    def _load(self) -> None:
        self._background.start()
        try:
            self._live.start()
        except OSError as error:
            self._background.stop()
            raise SystemExit(f"tgw: mapping.idl: {error.filename}: {error.strerror}") from None
        services = self._live.loaded.mapping.services
        for service in self._static.services.keys() - set(services):
            log.warn("discovery.static names {service}, which no IDL serves", service=service)
        log.info("serving {services}", services=", ".join(services) or "no service at all")

    def _handlers(self) -> PublicHandlers:
        routes = [HttpRoute(route.verb, route.path) for route in self._gateway.mapping.routes]
        return PublicHandlers(self._route, self._generic, routes, self._count_refused, self._id_header)

    def _count_refused(self, error: GatewayError) -> None:
        self._refused[error.kind] += 1

    async def _listen(self) -> None:
        site = web_site(admin_app(self.pages, self._ui), self._limits)
        for endpoint in self._admin_on:
            self._admin_ports.append(await endpoint.listen(site))
        await self.public.listen(self._listen_on)
        for what, addresses in (("admin", self.admin_addresses), ("public", self.public.addresses)):
            for address in addresses:
                log.info("{what} port: {address}", what=what, address=describe_address(address))

    @property
    def admin_addresses(self) -> list[Any]:
        return [port.getHost() for port in self._admin_ports]

    async def _stop(self) -> None:
        self._draining = True
        await self.public.stop_listening()
        await self._within(self._settings.lifecycle.drain_timeout, self._idle())
        self.public.close()
        self._live.stop()
        self._turns.stop()
        self._background.stop()
        self._view.stop()
        self._ui.stop()
        self._drawing.stop()
        self._explanations.stop()
        await self._within(CLOSE_WITHIN, self._upstreams.close())
        if self._etcd is not None:
            await self._within(CLOSE_WITHIN, self._etcd.stop())
        for port in self._admin_ports:
            await port.stopListening()
        await self._within(CLOSE_WITHIN, self._close_log())
        if self._spans is not None:
            await self._within(CLOSE_WITHIN, self._spans.stop())
        log.info("stopped with {running} requests unfinished", running=self._ledger.running)

    def _idle(self) -> Deferred[Any]:
        """Fires once no request is running and no client is left that could send one."""
        return gatherResults([self._ledger.none(), self.public.drained()], consumeErrors=True)

    async def _within(self, seconds: float, waiting: Deferred[Any]) -> None:
        try:
            await waiting.addTimeout(seconds, self._reactor)
        except TimeoutError:
            log.warn("not done within {seconds} seconds", seconds=seconds)

    def _registry_of(self, service: str) -> Registry:
        return self._static if self._etcd is None or service in self._static.services else self._etcd

    def _open_upstream(self, service: str) -> tuple[Upstream, EndWatch]:
        registry = self._registry_of(service)
        make_pool = _pool_maker(self._settings.upstream, self._reactor)
        upstream = Upstream(
            service,
            self._reactor,
            lambda instance: make_pool(instance, upstream.policies),
            lambda instance: registry.distrust(service, instance),
            lambda upstream, policy: sender(
                upstream,
                policy,
                self._settings,
                self._reactor,
                partial(self._keep_breaker, service, policy.name),
                self._traced,
            ),
            Random(),
            governance_from(self._settings),
            lambda upstream: checks_of(upstream, self._settings, self._reactor),
        )
        self._found.setdefault(service, ())
        return upstream, registry.watch(service, lambda found: self._take_instances(upstream, found))

    def _keep_breaker(self, service: str, method: str, breaker: Breaker) -> None:
        self._breakers[service, method] = breaker

    def _judge_anew(self) -> Iterator[None]:
        """To compare two versions of a service takes some milliseconds."""
        while self._unjudged:
            service = self._unjudged.pop()
            if self._found.get(service):
                self._take_instances(self._upstreams[service], self._found[service])
                yield

    def _take_instances(self, upstream: Upstream, found: Instances) -> None:
        self._changes.instances(upstream.service, self._found[upstream.service], found)
        self._found[upstream.service] = found
        breaking = {each.address for each in found if self._skew.of(upstream.service, each) is Verdict.BREAKING}
        for address in breaking - self._breaking.get(upstream.service, set()):
            log.warn(
                "{service}: {address} runs an IDL whose wire format breaks with ours",
                service=upstream.service,
                address=address,
            )
        self._breaking[upstream.service] = breaking
        # Where it is true of all, none is preferred.
        if self._settings.mapping.skew == "prefer" and len(breaking) < len(found):
            # Picked after all others, as an instance of which nothing certain is known.
            found = tuple(evolve(each, suspect=True) if each.address in breaking else each for each in found)
        upstream.update(found)

    def _rule_observed(self, service: str, method: str, rule: FailedRule) -> None:
        self._observed.count(service, method, rule)
        log.info(
            "{service} {method}: observed: {field}: {rule}",
            service=service,
            method=method,
            field=rule.path,
            rule=rule.rule,
        )

    # Changed settings

    def reread(self, read: Callable[[], Settings]) -> None:
        """Take over what has changed in a file of settings; if something in it is wrong, the log says what.

        :param read: raises ConfigError.
        """
        try:
            self.reload(read())
        except ConfigError as error:
            tell_refused(error, self._changes)

    def reload(self, wanted: Settings) -> None:
        """Take over what can change while requests run; the rest waits for the next start, and the log says so.

        Raises ConfigError if they are wrong, and leaves everything as it was.
        """
        step = step_to(self._settings, wanted, lambda each: each.is_live)
        settings, policies, baggage = step.settings, policies_from(step.settings), _baggage(step.settings)
        compiling, static = _compiling(settings.mapping, policies), _static_registry(settings.discovery, self._reactor)
        self._log_by(settings.log)
        before, self._settings = self._settings, settings
        self._policies, self._gateway.baggage, self._static.services = policies, baggage, static.services
        self._compose()
        self.public.serve(self._handlers(), http_limits(settings.http))
        if any(each.startswith(_OF_UPSTREAMS) for each in step.taken if each not in _BESIDE_UPSTREAMS):
            self._renew_upstreams()
        if settings.mapping.skew != before.mapping.skew:
            for upstream in self._upstreams:
                self._take_instances(upstream, self._found[upstream.service])
        self._map_by(before.mapping, compiling)
        tell_step(step, self._changes)

    def _log_by(self, settings: LogSettings) -> None:
        if settings == self._settings.log:
            return
        old, file = self._log_file, self._log_file
        if settings.access_file != self._settings.log.access_file:
            file = LogFile(self._reactor, settings.access_file) if settings.access_file else None
            _start_log_file(file)
        if self._access_log is not None:
            self._access_log.flush()
        self._log_file, self._access_log = file, _access_log(settings, self._reactor, file)
        self._observe()
        if old is not None and old is not file:
            old.stop()

    def _renew_upstreams(self) -> None:
        self._breakers.clear()
        renewing = in_slices(self._reactor, self._upstreams.renew())
        renewing.addErrback(lambda failure: log.failure("not every upstream is by the new settings", failure))

    def _map_by(self, before: config.MappingSettings, compiling: MappingSettings) -> None:
        settings = self._settings.mapping
        self._live.history.limit = settings.history
        if (settings.on_breaking, settings.allow) != (before.on_breaking, before.allow):
            self._live.judge_by(settings.on_breaking, settings.allow)
        if compiling != self._compiling:
            self._compiling = compiling
            self._live.compile_by(compiling)

    # What the admin port shows

    @property
    def pages(self) -> AdminPages:
        actions = {"allow": self._allow, "rollback": self._roll_back}
        views: dict[str, View] = {
            "overview": self._view.overview,
            "service": self._view.service,
            "idl": self._view.idl,
            "log": self._view.log,
            "public": answering(self._tried),
            **self._explanations.views,
            "metrics": self._metrics.page,
            "openapi": self._described.part,
        }
        return AdminPages(
            self._health,
            self._ready,
            self._services,
            self._routes,
            actions,
            views,
            metrics=self._metrics.text,
            openapi=self._described.text,
            explaining=self._explanations.offered,
        )

    def _collectors(self) -> list[Callable[[], Iterator[Sample]]]:
        """What ``/metrics`` is gathered from."""
        return [
            self._samples,
            *([] if self._counts is None else [self._counts.samples]),
            lambda: of_rules(self._observed),
            lambda: of_upstreams(self._upstreams),
            lambda: of_breakers(self._breakers),
            lambda: of_discoveries(self._etcd.discoveries if self._etcd else (), self._reactor.seconds()),
            lambda: of_mapping(self._live),
            of_process,
        ]

    def _samples(self) -> Iterator[Sample]:
        yield families.INFO, (__version__, self._settings.http.server), 1
        yield families.IN_FLIGHT, (), self._ledger.running
        for reason, number in self._refused.items():
            yield families.HTTP_REFUSED, (reason,), number
        if self._log_file is not None:
            yield families.LINES_DROPPED, (), self._log_file.dropped
        if self._spans is not None:
            yield families.SPANS_DROPPED, (), self._spans.dropped

    def _seen(self) -> Parts:
        """What the pages for people are made of."""
        return Parts(
            self._live,
            self._upstreams,
            self._skew,
            [self._static] if self._etcd is None else [self._static, self._etcd],
            self._registry_of,
            (lambda: ()) if self._counts is None else self._counts.by_service,
            {"health": self._health, "ready": self._ready},
        )

    def _served_by(self) -> Served:
        """What requests are served by that come now, for their explanations."""
        loaded = self._live.loaded
        return Served(loaded.mapping, loaded.services)

    def _seen_of(self, service: str) -> Seen:
        return seen_of(self._upstreams[service], [self._static] if self._etcd is None else [self._static, self._etcd])

    def _public_address(self) -> str:
        return public_address(self._settings.http.listen, self.public.addresses)

    def _allow(self, fingerprint: str) -> Deferred[dict[str, Any]]:
        self._live.allow(fingerprint)
        return succeed({"allowed": fingerprint})

    def _roll_back(self, digest: str) -> Deferred[dict[str, Any]]:
        return self._live.rollback(digest).addCallback(lambda served: {"digest": served})

    def _health(self) -> dict[str, Any]:
        mapping = self._live.status()
        broken = mapping["trouble"] or mapping["errors"]
        return {
            "status": "degraded" if broken else "ok",
            "version": __version__,
            "in_flight": self._ledger.running,
            "mapping": {
                "services": len(self._live.loaded.mapping.services),
                **{name: mapping[name] for name in ("digest", "errors", "kept", "trouble")},
                "codec": native.chosen(self._settings.mapping.codec),
            },
            "discovery": {"ready": self._discovery_ready()},
        }

    def _ready(self) -> dict[str, Any]:
        missing = {
            "a mapping": bool(self._live.loaded.mapping.services),
            "the first snapshot of discovery": self._discovery_ready(),
            "the end of draining": not self._draining,
        }
        waiting_for = [what for what, there in missing.items() if not there]
        return {"ready": not waiting_for, "waiting_for": waiting_for}

    def _services(self) -> dict[str, Any]:
        registry: list[Registry] = [self._static] if self._etcd is None else [self._static, self._etcd]
        return {
            "services": {upstream.service: self._lines(upstream) for upstream in self._upstreams},
            "idl": {
                service: {instance.address: self._skew.of(service, instance).value for instance in found}
                for service, found in self._found.items()
            },
            "mapping": {"kept": sorted(self._live.loaded.kept), "errors": list(map(str, self._live.loaded.errors))},
            "observed_rules": self._observed.status(),
            "registries": [each.status() for each in registry],
        }

    def _lines(self, upstream: Upstream) -> list[dict[str, Any]]:
        """A line per instance, with the seconds that its present lease is known; None for one without."""
        ages = self._registry_of(upstream.service).lease_ages(upstream.service)
        ages = {address: round(age, 1) for address, age in ages.items()}
        return [{**line, "lease_age": ages.get(line["address"])} for line in upstream.status()]

    def _routes(self) -> dict[str, Any]:
        return {
            "routes": [
                {
                    "verb": route.verb,
                    "path": route.path,
                    "service": route.plan.service,
                    "method": route.plan.method.name,
                    "codec": route.plan.codecs.page,
                }
                for route in self._live.loaded.mapping.routes
            ],
            "mapping": self._live.status(),
        }

    def _discovery_ready(self) -> bool:
        return self._etcd is None or self._etcd.ready


def tell_step(step: Step, changes: Changes) -> None:
    """Say what has become of changed settings."""
    for name in step.waiting:
        log.warn("settings: {name} has changed, which waits for the next start", name=name)
    if step.taken:
        log.info("settings: {names} taken over", names=", ".join(step.taken))
        changes.note(CONFIG, f"settings are taken over: {', '.join(step.taken)}")
    elif not step.waiting:
        log.info("settings: read again, and nothing has changed")


def tell_refused(error: ConfigError, changes: Changes) -> None:
    """Say why settings stay as they were."""
    for complaint in error.complaints:
        log.error("settings: all stay as they were: {complaint}", complaint=complaint)
    changes.note(CONFIG, "changed settings are refused", details=[str(each) for each in error.complaints], is_bad=True)


def _compiling(settings: config.MappingSettings, policies: Policies) -> MappingSettings:
    if settings.codec == native.NATIVE and not native.IS_BUILT:
        raise ConfigError("mapping.codec: the native codec was not built with this installation")
    return MappingSettings(
        settings.legacy_annotations,
        settings.business_status,
        policies,
        settings.codec,
        settings.max_output,
        settings.select_fields,
    )


def _pushed_access(settings: Settings) -> Access | None:
    """How etcd is reached for what was pushed, if that is to be served."""
    discovery = settings.discovery
    if not settings.mapping.pushed:
        return None
    if not discovery.etcd:
        raise ConfigError("mapping.pushed: there is no etcd to follow; discovery.etcd names it")
    try:
        return Access(
            discovery.etcd,
            user=discovery.user,
            password=discovery.password,
            ca=_path(discovery.ca),
            certificate=_path(discovery.certificate),
            key=_path(discovery.key),
            timeout=discovery.timeout,
        )
    except ValueError as error:
        raise ConfigError(f"mapping.pushed: {error}") from None


def _made_here(endpoints: tuple[str, ...]) -> tuple[str, ...]:
    """Without those that only whoever starts the gateway can give."""
    return tuple(each for each in endpoints if not each.startswith("systemd:"))


def _policies_of(loaded: LoadedMapping) -> dict[str, Mapping[str, Policy]]:
    return {name: each.policies for name, each in loaded.services.items()}


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def http_limits(settings: HttpSettings) -> HttpLimits:
    return HttpLimits(
        body=settings.max_body,
        idle=settings.idle_timeout,
        request_line=settings.max_request_line,
        headers=settings.max_headers,
        header_bytes=settings.max_header_bytes,
        header_time=settings.header_timeout,
        body_time=settings.body_timeout,
        send_time=settings.send_timeout,
        pipeline=settings.max_pipelined,
        connections=settings.max_connections,
    )


def _id_header(settings: HttpSettings) -> bytes:
    try:
        return check_header(settings.request_id)
    except ValueError as error:
        raise ConfigError(f"http.request_id: {error}") from None


def _start_log_file(file: LogFile | None) -> None:
    if file is not None:
        try:
            file.start()
        except OSError as error:
            raise ConfigError(f"log.access_file: {error.filename}: {error.strerror}") from None


def _access_log(settings: LogSettings, reactor: Any, file: LogFile | None) -> AccessLog | None:
    if settings.access == "off":
        return None
    # Lines in a file of their own stand nowhere else.
    to = Logger("txgateway.access", observer=cast("ILogObserver | None", file))
    return AccessLog(reactor, FORMS[settings.access], settings.access_sample, to)


def _pool_maker(settings: UpstreamSettings, reactor: Any) -> Callable[[Instance, Collection[Policy]], Pool]:
    limits = Limits(
        connections=settings.max_connections,
        queue=settings.max_queue,
        connect_timeout=settings.connect_timeout,
        idle_timeout=settings.connection_idle,
    )
    default = Dialect(settings.transport, settings.protocol, settings.pipeline)

    def make_pool(instance: Instance, policies: Collection[Policy]) -> Pool:
        dialect = dialect_of(instance, policies, framings, default)
        framing = framings[dialect.framing(framings)]
        depth = evolve(limits, depth=dialect.pipeline)
        return Pool(reactor, instance, depth, lambda: framing(settings.max_frame), caller=settings.caller)

    return make_pool


def _span_sender(settings: TracingSettings, reactor: Any) -> SpanSender | None:
    if not settings.endpoint:
        return None
    # Only who wants traces has what they need installed.
    try:
        from .net.tracing import sender as span_sender
    except ImportError as error:
        raise ConfigError(f"tracing.endpoint: traces need the extra otel: no {error.name}") from None
    if not settings.endpoint.startswith(("http://", "https://")):
        raise ConfigError(f"tracing.endpoint: expected a URL of http or https, got {settings.endpoint!r}")
    return span_sender(reactor, settings.endpoint, settings.service, __version__)


def _baggage(settings: Settings) -> Baggage:
    upstream, transient = settings.upstream, settings.upstream.transient
    if settings.tracing.endpoint:
        transient = {**transient, **TRACE_HEADERS}
    none: Mapping[str, str] = {}
    tables = {
        "transient": (transient, none, none),
        "persistent": (none, upstream.persistent, none),
        "backward": (none, none, upstream.backward),
    }
    complaints = []
    for name, alone in tables.items():
        try:
            compile_baggage(*alone)
        except ValueError as error:
            complaints.append(f"upstream.{name}: {error}")
    if complaints:
        raise ConfigError(*complaints)
    return compile_baggage(transient, upstream.persistent, upstream.backward)


def _static_registry(settings: DiscoverySettings, reactor: Any) -> StaticRegistry:
    try:
        return registries["static"](reactor, {"instances": settings.static})  # type: ignore[return-value]
    except ValueError as error:
        raise ConfigError(f"discovery.static: {error}") from None


def _etcd_registry(settings: DiscoverySettings, reactor: Any) -> EtcdRegistry | None:
    if not settings.etcd:
        return None
    try:
        return registries["etcd"](  # type: ignore[return-value]
            reactor,
            {
                "endpoints": settings.etcd,
                "prefix": settings.prefix,
                "user": settings.user,
                "password": settings.password,
                "ca": settings.ca,
                "certificate": settings.certificate,
                "key": settings.key,
                "timeout": settings.timeout,
                "hold": settings.hold,
            },
        )
    except ValueError as error:
        raise ConfigError(f"discovery: {error}") from None


def endpoints_from(setting: str, texts: tuple[str, ...], reactor: Any) -> list[Any]:
    try:
        return [serverFromString(Roomy(reactor), text) for text in texts]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ConfigError(f"{setting}: {', '.join(texts)}: not a Twisted endpoint string ({error})") from None


def public_address(texts: Sequence[str], addresses: Sequence[IAddress]) -> str:
    """The first address that has a host and a port, as a URL without a path; empty: there is none."""
    for text, address in zip(texts, addresses, strict=False):
        if isinstance(address, IPv4Address | IPv6Address):
            host = f"[{address.host}]" if isinstance(address, IPv6Address) else address.host
            return f"{'https' if text.startswith(('ssl:', 'https:')) else 'http'}://{host}:{address.port}"
    return ""


def describe_address(address: IAddress) -> str:
    if isinstance(address, IPv4Address | IPv6Address):
        return f"{address.host}:{address.port}"
    return str(address)
