"""The admin port: what operators and probes ask, on a Klein app of its own, never on the public port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import orjson
from attrs import frozen
from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.server import Request

Page = dict[str, Any]
# Where several processes have to be asked, the page comes later.
Status = Callable[[], Page | Deferred[Page]]


@frozen
class AdminPages:
    """What the pages show, asked for at each request.

    :ivar health: ``status`` is ``ok`` or ``degraded`` (something is broken, requests are served).
    :ivar ready: ``ready`` true once a mapping is loaded and discovery has its first snapshot,
        false again while draining; ``waiting_for`` says what is missing.
    """

    health: Status
    ready: Status
    services: Status
    routes: Status


def admin_app(pages: AdminPages) -> KleinResource:
    app = Klein()

    @app.route("/healthz", methods=["GET"])
    def healthz(request: Request) -> Deferred[bytes]:
        return _json(request, pages.health)

    @app.route("/readyz", methods=["GET"])
    def readyz(request: Request) -> Deferred[bytes]:
        def set_status(page: Page) -> Page:
            if not page["ready"]:
                request.setResponseCode(503)
            return page

        return _json(request, lambda: _ask(pages.ready).addCallback(set_status))

    @app.route("/services", methods=["GET"])
    def services(request: Request) -> Deferred[bytes]:
        return _json(request, pages.services)

    @app.route("/routes", methods=["GET"])
    def routes(request: Request) -> Deferred[bytes]:
        return _json(request, pages.routes)

    return app.resource()


def _json(request: Request, status: Status) -> Deferred[bytes]:
    request.setHeader(b"content-type", b"application/json")
    return _ask(status).addCallback(_dumps)


def _ask(status: Status) -> Deferred[Page]:
    return cast("Deferred[Page]", maybeDeferred(status))


def _dumps(page: Page) -> bytes:
    return orjson.dumps(page, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
