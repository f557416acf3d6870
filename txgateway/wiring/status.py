"""The pages of the admin port for programs: health, readiness, services and routes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred

from .. import __version__, _compiled
from ..config import Settings
from ..core.codec import native
from ..core.explain.words import count_of
from ..net.mapping.live import LiveMapping
from ..net.slices import PAUSE, before_many, made_in_slices
from .following import Following
from .observing import Observing

Page = dict[str, Any]


class Status:
    """:ivar is_draining: whether the gateway ends what runs, and takes nothing new."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        reactor: Any,
        live: LiveMapping,
        following: Following,
        observing: Observing,
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._live = live
        self._following = following
        self._observing = observing
        self.is_draining = False

    def health(self) -> Page:
        mapping = self._live.status()
        reasons = self._reasons(mapping)
        return {
            "status": "degraded" if reasons else "ok",
            "reasons": reasons,
            "version": __version__,
            "compiled": _compiled.serves(),
            "in_flight": self._observing.ledger.running,
            "mapping": {
                "services": len(self._live.loaded.mapping.services),
                **{name: mapping[name] for name in ("digest", "errors", "kept", "trouble")},
                "codec": native.chosen(self._settings().mapping.codec),
            },
            "discovery": {"ready": self._following.is_ready},
        }

    def _reasons(self, mapping: Page) -> list[str]:
        """What is wrong though requests are served, a line each."""
        errors, trouble = len(mapping["errors"]), mapping["trouble"]
        return [
            *([f"the IDL has {count_of(errors, 'error')}"] if errors else []),
            *([f"the IDL cannot be read: {trouble}"] if trouble else []),
            *(
                f"etcd is lost, and the IDL under {each['prefix']} is served as it was: {each['trouble']}"
                for each in mapping["sources"]
                if each.get("trouble")
            ),
            *(
                f"etcd is lost, and the instances under {each['prefix'] or '/'} are those known last: {each['trouble']}"
                for registry in self._following.registries
                for each in registry.summary().get("prefixes", ())
                if each["trouble"]
            ),
        ]

    def ready(self) -> Page:
        missing = {
            "a mapping": bool(self._live.loaded.mapping.services),
            "the first snapshot of discovery": self._following.is_ready,
            "the end of draining": not self.is_draining,
        }
        waiting_for = [what for what, there in missing.items() if not there]
        return {"ready": not waiting_for, "waiting_for": waiting_for}

    def services(self) -> Deferred[Page]:
        return made_in_slices(self._reactor, self._services())

    def routes(self) -> Deferred[Page]:
        return made_in_slices(self._reactor, self._routes())

    def _services(self) -> Generator[Any, None, Page]:
        following, loaded = self._following, self._live.loaded
        services, idl, registries = {}, {}, []
        for upstream in list(following.upstreams):
            yield from before_many(upstream.instances)
            services[upstream.service] = following.lines(upstream)
            yield
            idl[upstream.service] = following.verdicts(upstream.service)
            yield
        for registry in following.registries:
            yield PAUSE
            registries.append(registry.status())
        yield
        return {
            "services": services,
            "idl": idl,
            "mapping": {"kept": sorted(loaded.kept), "errors": list(map(str, loaded.errors))},
            "observed_rules": self._observing.rules.status(),
            "registries": registries,
        }

    def _routes(self) -> Generator[Any, None, Page]:
        routes = []
        for route in self._live.loaded.mapping.routes:
            routes.append(
                {
                    "verb": route.verb,
                    "path": route.path,
                    "service": route.plan.service,
                    "method": route.plan.method.name,
                    "codec": route.plan.codecs.page,
                }
            )
            yield
        return {"routes": routes, "mapping": self._live.status()}
