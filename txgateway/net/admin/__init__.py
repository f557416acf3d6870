"""The admin port: what operators and probes ask, on a Klein app of its own, never on the public port."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import chain
from typing import Any, cast

import orjson
from attrs import field, frozen
from klein import Klein
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request

from ...core.errors import GatewayError
from ...core.json_pieces import json_pieces
from ...core.tagged import Tagged, answer, tagged
from ..explaining import Explaining
from ..mapping.live import NotKept
from ..openapi import Describe
from ..slices import joined_in_slices
from .explaining import declare_explaining
from .ui import Ui, View, refused_origin

Page = dict[str, Any]
# Where several processes have to be asked, the page comes later.
Status = Callable[[], Page | Deferred[Page]]
# Does something to what its argument names, and says what came of it; raises NotKept.
Action = Callable[[str], Deferred[Page]]

# No body of an action is longer.
MAX_BODY = 4096


@frozen
class AdminPages:
    """What the pages show, asked for at each request.

    :ivar health: ``status`` is ``ok`` or ``degraded`` (something is broken, requests are served).
    :ivar ready: ``ready`` true once a mapping is loaded and discovery has its first snapshot,
        false again while draining; ``waiting_for`` says what is missing.
    :ivar actions: what an operator may order, by its name; sent as JSON, so that no page of another site can.
    :ivar views: what the pages for people show, by name; each of its argument as text.
    :ivar metrics: gives the text that Prometheus reads.
    :ivar openapi: gives the OpenAPI document of a service, or of all for an empty name; fails with a GatewayError.
    :ivar explaining: explains requests.
    """

    health: Status
    ready: Status
    services: Status
    routes: Status
    actions: Mapping[str, Action] = field(factory=dict)
    views: Mapping[str, View] = field(factory=dict)
    metrics: Callable[[], Deferred[bytes]] = lambda: succeed(b"")
    openapi: Describe = lambda service: succeed(tagged(b"{}"))
    explaining: Explaining | None = None


def admin_app(clock: Any, pages: AdminPages, ui: Ui | None = None) -> IResource:
    """
    :param clock: an IReactorTime.
    :param ui: the pages for people, which are then served as well."""
    app = Klein()
    names = () if ui is None else ui.names

    @app.route("/healthz", methods=["GET"])
    def healthz(request: Request) -> Deferred[bytes]:
        return _json(clock, request, pages.health)

    @app.route("/readyz", methods=["GET"])
    def readyz(request: Request) -> Deferred[bytes]:
        def set_status(page: Page) -> Page:
            if not page["ready"]:
                request.setResponseCode(503)
            return page

        return _json(clock, request, lambda: _ask(pages.ready).addCallback(set_status))

    @app.route("/services", methods=["GET"])
    def services(request: Request) -> Deferred[bytes]:
        return _json(clock, request, pages.services)

    @app.route("/routes", methods=["GET"])
    def routes(request: Request) -> Deferred[bytes]:
        return _json(clock, request, pages.routes)

    @app.route("/metrics", methods=["GET"])
    def metrics(request: Request) -> Deferred[bytes]:
        request.setHeader(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())
        return pages.metrics()

    @app.route("/openapi.json", methods=["GET"])
    def openapi(request: Request) -> Deferred[bytes]:
        service = cast(Any, request.args).get(b"service", [b""])[0].decode("utf-8", "replace")
        return maybeDeferred(pages.openapi, service).addCallbacks(_described, _undescribed, (request,), {}, (request,))

    @app.route("/mapping/<action>", methods=["POST"])
    def act(request: Request, action: str) -> Deferred[bytes]:
        return (
            maybeDeferred(_act, request, pages.actions.get(action), names)
            .addErrback(_refused, request)
            .addCallback(lambda page: _json(clock, request, lambda: page))
        )

    if pages.explaining is not None:
        declare_explaining(app, pages.explaining, names)
    if ui is None:
        return app.resource()
    ui.declare(app)
    return ui.around(app.resource())


def _act(request: Request, action: Action | None, names: Collection[str]) -> Deferred[dict[str, Any]]:
    why = refused_origin(request, names)
    if why:
        raise NotAllowed(why)
    if action is None:
        raise NotKept("there is no such action")
    if not (request.getHeader("content-type") or "").startswith("application/json"):
        raise NotKept("the body has to be application/json")
    try:
        name = orjson.loads(cast(Any, request.content).read(MAX_BODY))["name"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise NotKept('the body has to be {"name": "..."}') from None
    return action(str(name))


class NotAllowed(Exception):
    """Whoever asks may not order this; the text says why."""


def _refused(failure: Failure, request: Request) -> dict[str, Any]:
    kind = failure.trap(NotKept, NotAllowed)
    request.setResponseCode(403 if kind is NotAllowed else 404)
    return {"error": str(failure.value)}


def _described(document: Tagged, request: Request) -> bytes:
    known = request.requestHeaders.getRawHeaders(b"if-none-match", [])
    response = answer(document, b"application/json", [(b"if-none-match", value) for value in known])
    request.setResponseCode(response.status)
    for name, value in response.headers:
        request.setHeader(name, value)
    return response.body


def _undescribed(failure: Failure, request: Request) -> bytes:
    failure.trap(GatewayError)
    request.setHeader(b"content-type", b"application/json")
    error = cast(GatewayError, failure.value)
    request.setResponseCode(error.status)
    return _dumps({"error": error.detail})


def _json(clock: Any, request: Request, status: Status) -> Deferred[bytes]:
    request.setHeader(b"content-type", b"application/json")
    return _ask(status).addCallback(_written, clock)


def _written(page: Page, clock: Any) -> Deferred[bytes]:
    return joined_in_slices(clock, chain(json_pieces(page, indented=True), (b"\n",)))


def _ask(status: Status) -> Deferred[Page]:
    return cast("Deferred[Page]", maybeDeferred(status))


def _dumps(page: Page) -> bytes:
    return orjson.dumps(page, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
