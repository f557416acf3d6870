"""The gateway as a Twisted service: its parts joined, started, told of changes, and stopped in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import config
from ..config import ConfigError, Settings, step_to
from ..core.explain import Served
from ..core.loading import LoadedMapping
from ..core.mapping import MappingSettings
from ..core.pages.changes import Changes
from ..filters import compose
from ..filters.tracing import Tracing
from ..gateway import Gateway
from ..governing import policies_from
from ..net.admin import AdminPages, admin_app
from ..net.admin.gathering import Parts
from ..net.admin.public import by_path
from ..net.background import Background
from ..net.explaining import ExplainedParts, Explanations
from ..net.http import HttpRoute, PublicHandlers, http_servers
from ..net.http.klein_server import web_site
from ..net.mapping.heap import Heap
from ..net.metrics import Metrics
from ..policies import CallPolicy
from ..policies.traced import traced
from .addresses import describe_address, endpoints_from, public_address
from .admin import Admin
from .describing import Describing
from .filters import public_filters
from .following import Following
from .making import baggage, compiling, etcd_registry, http_limits, span_sender, static_registry
from .mapping import live_mapping
from .metering import collectors
from .observing import Observing
from .status import Status
from .telling import tell_refused, tell_step

log = Logger()

# What the registry and the connections to services get to close in an orderly way.
CLOSE_WITHIN = 5.0

# What upstreams are made of, with their connections and policies: where it changes, they are made anew.
_OF_UPSTREAMS = ("upstream.", "health.", "breaker.", "discovery.", "policy.retry_budget")
# ... but for these, which are looked at elsewhere.
_BESIDE_UPSTREAMS = frozenset(
    f"upstream.{name}" for name in ("deadline", "balancer", "transient", "persistent", "backward")
)


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
        self._admin_ports: list[Any] = []
        self._limits = http_limits(settings.http)
        self._changes = Changes(time.time)
        self._observing = Observing(settings, reactor)
        # What is served, and by whom.
        self._policies = policies_from(settings)
        self._compiling = compiling(settings.mapping, self._policies)
        self._background = Background(reactor)
        self._heap = Heap(self._background.breathe)
        self._live = live_mapping(
            settings,
            reactor,
            self._compiling,
            self._background,
            self._heap,
            self.serve,
            self._observing.rule_observed,
        )
        self._live.told = self._changes.mapping
        self._spans = span_sender(settings.tracing, reactor)
        around: list[CallPolicy] = [] if self._spans is None else [traced(Random(), self._spans)]
        self._static = static_registry(settings.discovery, reactor)
        self._etcd = etcd_registry(settings.discovery, reactor)
        self._following = Following(lambda: self._settings, reactor, self._static, self._etcd, self._changes, around)
        self._upstreams = self._following.upstreams
        # A request's way.
        self._gateway = Gateway(self._live.loaded.mapping, self._upstreams, baggage(settings))
        self._tried = by_path(lambda request: self._route(request), lambda request: self._generic(request))
        explained = ExplainedParts(self._served, self._following.seen, self._following.next, self._tried)
        self._explanations = Explanations(reactor, explained, settings.http.explain_secret)
        if self._explanations.live is not None:
            self._observing.tell(self._explanations.live)
        self._drawing = Background(reactor, "pages")
        self._describing = Describing(lambda: self._settings, self._live, self._drawing, self._public_address)
        self._compose()
        self.public = http_servers[settings.http.server](self._handlers(), self._limits, reactor)
        # What is seen of it.
        measured = collectors(
            reactor, settings.http.server, self._live, self._following, self._etcd, self._observing, self._spans
        )
        self._status = Status(lambda: self._settings, reactor, self._live, self._following, self._observing)
        self._admin = Admin(
            settings.http,
            reactor,
            self._live,
            self._status,
            self._seen(),
            self._changes,
            self._explanations,
            Metrics(reactor, measured),
            self._describing.admin,
            self._drawing,
            self._tried,
            self._public_address,
        )

    @property
    def pages(self) -> AdminPages:
        return self._admin.pages

    @property
    def admin_addresses(self) -> list[Any]:
        return [port.getHost() for port in self._admin_ports]

    # Start

    def startService(self) -> None:
        """Raises SystemExit if it cannot listen, so that ``twistd`` ends with the reason and status 1."""
        super().startService()
        self._observing.open()
        if self._spans is not None:
            self._spans.start()
        self._load()
        self._admin.start()
        self._drawing.start()
        self._explanations.start()
        if self._etcd is not None:
            self._etcd.start().addErrback(lambda failure: log.failure("discovery ended", failure))
        failures: list[Failure] = []
        ensureDeferred(self._listen()).addErrback(failures.append)
        if failures:
            self._live.stop()
            self._background.stop()
            self._admin.stop()
            self._drawing.stop()
            self._explanations.stop()
            raise SystemExit(f"tgw: {failures[0].getErrorMessage()}")

    def load_only(self) -> LoadedMapping:
        """What would be served. Blocks; raises OSError if there is nothing at a path."""
        return self._live.load_only()

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

    async def _listen(self) -> None:
        site = web_site(admin_app(self._reactor, self._admin.pages, self._admin.ui), self._limits)
        for endpoint in self._admin_on:
            self._admin_ports.append(await endpoint.listen(site))
        await self.public.listen(self._listen_on)
        for what, addresses in (("admin", self.admin_addresses), ("public", self.public.addresses)):
            for address in addresses:
                log.info("{what} port: {address}", what=what, address=describe_address(address))

    # Serve

    def serve(self, loaded: LoadedMapping) -> None:
        """Serve this mapping from the next request on."""
        policies = {name: each.policies for name, each in loaded.services.items()}
        for place in self._policies.unmet(policies):
            log.warn("policy.methods names {place}, which no IDL serves", place=place)
        self._following.serve(loaded, policies)
        if self._observing.counts is not None:
            self._observing.counts.serve(loaded.services)
        self._gateway.mapping = loaded.mapping
        self.public.serve(self._handlers())

    def _compose(self) -> None:
        settings, spans = self._settings, self._spans
        tracing = None if spans is None else Tracing(self._reactor.seconds, Random(), settings.tracing.sample, spans)
        filters = public_filters(settings, self._observing.ledger, tracing, self._describing.public.document)
        self._route = compose(filters, self._gateway.handle)
        self._generic = compose(filters, self._gateway.handle_generic)

    def _handlers(self) -> PublicHandlers:
        routes = [HttpRoute(route.verb, route.path) for route in self._gateway.mapping.routes]
        observing = self._observing
        return PublicHandlers(self._route, self._generic, routes, observing.count_refused, observing.id_header)

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
        settings, policies = step.settings, policies_from(step.settings)
        carried, compiled_by = baggage(settings), compiling(settings.mapping, policies)
        static = static_registry(settings.discovery, self._reactor)
        self._observing.log_by(settings.log)
        before, self._settings = self._settings, settings
        self._policies, self._gateway.baggage, self._static.services = policies, carried, static.services
        self._compose()
        self.public.serve(self._handlers(), http_limits(settings.http))
        if any(each.startswith(_OF_UPSTREAMS) for each in step.taken if each not in _BESIDE_UPSTREAMS):
            self._following.renew()
        if settings.mapping.skew != before.mapping.skew:
            self._following.prefer_anew()
        self._map_by(before.mapping, compiled_by)
        tell_step(step, self._changes)

    def _map_by(self, before: config.MappingSettings, compiled_by: MappingSettings) -> None:
        settings = self._settings.mapping
        self._live.history.limit = settings.history
        if (settings.on_breaking, settings.allow) != (before.on_breaking, before.allow):
            self._live.judge_by(settings.on_breaking, settings.allow)
        if compiled_by != self._compiling:
            self._compiling = compiled_by
            self._live.compile_by(compiled_by)

    # What others are shown of it

    def _seen(self) -> Parts:
        """What the pages for people are made of."""
        following, counts, status = self._following, self._observing.counts, self._status
        return Parts(
            self._live,
            following.upstreams,
            following.skew,
            following.registries,
            following.registry_of,
            (lambda: ()) if counts is None else counts.by_service,
            {"health": status.health, "ready": status.ready},
        )

    def _served(self) -> Served:
        """What requests are served by that come now, for their explanations."""
        return Served(self._live.loaded.mapping, self._live.loaded.services)

    def _public_address(self) -> str:
        return public_address(self._settings.http.listen, self.public.addresses)

    # Stop

    def stopService(self) -> Deferred[None]:
        """Fires when what runs has ended, or had its time for that, and everything is closed."""
        super().stopService()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        self._status.is_draining = True
        await self.public.stop_listening()
        await self._within(self._settings.lifecycle.drain_timeout, self._idle())
        self.public.close()
        self._live.stop()
        self._following.stop()
        self._background.stop()
        self._admin.stop()
        self._drawing.stop()
        self._explanations.stop()
        await self._within(CLOSE_WITHIN, self._upstreams.close())
        if self._etcd is not None:
            await self._within(CLOSE_WITHIN, self._etcd.stop())
        for port in self._admin_ports:
            await port.stopListening()
        await self._within(CLOSE_WITHIN, self._observing.close())
        if self._spans is not None:
            await self._within(CLOSE_WITHIN, self._spans.stop())
        log.info("stopped with {running} requests unfinished", running=self._observing.ledger.running)

    def _idle(self) -> Deferred[Any]:
        """Fires once no request is running and no client is left that could send one."""
        return gatherResults([self._observing.ledger.none(), self.public.drained()], consumeErrors=True)

    async def _within(self, seconds: float, waiting: Deferred[Any]) -> None:
        try:
            await waiting.addTimeout(seconds, self._reactor)
        except TimeoutError:
            log.warn("not done within {seconds} seconds", seconds=seconds)
