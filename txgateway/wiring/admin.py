"""What the admin port offers: pages for programs, pages for people, and what an operator may order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from ..config import HttpSettings
from ..core.pages.changes import Changes
from ..net.admin import AdminPages
from ..net.admin.gathering import Gatherer, Parts
from ..net.admin.public import answering
from ..net.admin.ui import Ui, View, considerately
from ..net.background import Background
from ..net.explaining import Explanations
from ..net.http import Handler
from ..net.mapping.live import LiveMapping
from ..net.metrics import Metrics
from ..net.openapi import Descriptions
from .status import Status


class Admin:
    """
    :ivar pages: what is shown, for a process that serves alone, or for the one that owns several.
    :ivar ui: the pages for people, of this process alone.
    """

    def __init__(
        self,
        settings: HttpSettings,
        reactor: Any,
        live: LiveMapping,
        status: Status,
        seen: Parts,
        changes: Changes,
        explanations: Explanations,
        metrics: Metrics,
        described: Descriptions,
        drawing: Background,
        tried: Handler,
        address: Callable[[], str],
    ) -> None:
        """
        :param seen: what the pages for people are made of.
        :param drawing: where pages are drawn.
        :param tried: what the public port hands its requests to.
        :param address: gives that of the public port, as a URL without a path; empty: not known.
        """
        self._live = live
        draw = considerately(drawing.run)
        self._view = Gatherer(reactor, seen, changes, draw)
        actions = {"allow": self._allow, "rollback": self._roll_back}
        views: dict[str, View] = {
            "overview": self._view.overview,
            "service": self._view.service,
            "idl": self._view.idl,
            "log": self._view.log,
            "public": answering(tried),
            **explanations.views,
            "metrics": metrics.page,
            "openapi": described.part,
        }
        self.pages = AdminPages(
            status.health,
            status.ready,
            status.services,
            status.routes,
            actions,
            views,
            metrics=metrics.text,
            openapi=described.document,
            explaining=explanations.offered,
        )
        explain = explanations.offered.explain
        self.ui = Ui(reactor, views, actions, draw, tried, address, settings.admin_names, explain)

    def start(self) -> None:
        self._view.start()

    def stop(self) -> None:
        self._view.stop()
        self.ui.stop()

    def _allow(self, fingerprint: str) -> Deferred[dict[str, Any]]:
        self._live.allow(fingerprint)
        return succeed({"allowed": fingerprint})

    def _roll_back(self, digest: str) -> Deferred[dict[str, Any]]:
        return self._live.rollback(digest).addCallback(lambda served: {"digest": served})
