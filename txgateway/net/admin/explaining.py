"""Explanations at the admin port: of a request that is asked about, and of live ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import orjson
from klein import Klein
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from twisted.web.server import Request

from ...core.explain.asking import MAX_ASKED, NotAsked
from ..explaining import Explain, Explaining, NotExplained
from .ui import refused_origin

Page = dict[str, Any]


class NotAllowed(Exception):
    """The request comes from a page of another site; the text says so."""


def declare_explaining(app: Klein, explaining: Explaining, names: Collection[str]) -> None:
    """:param names: by which the admin port may be called, beside its addresses."""

    @app.route("/explain", methods=["POST"])
    def explain(request: Request) -> Deferred[bytes]:
        return _answer(request, explaining.explain, names)

    @app.route("/explain/token", methods=["POST"])
    def token(request: Request) -> Deferred[bytes]:
        return _answer(request, explaining.token, names)

    @app.route("/explain/live", methods=["POST"])
    def live(request: Request) -> Deferred[bytes]:
        return _answer(request, explaining.live, names)


def _answer(request: Request, explain: Explain, names: Collection[str]) -> Deferred[bytes]:
    request.setHeader(b"content-type", b"application/json")
    page: Deferred[Page] = maybeDeferred(_asked, request, explain, names)
    return page.addErrback(_refused, request).addCallback(_dumps)


def _asked(request: Request, explain: Explain, names: Collection[str]) -> Deferred[Page]:
    why = refused_origin(request, names)
    if why:
        raise NotAllowed(why)
    # No page of another site can send it so.
    if not (request.getHeader("content-type") or "").startswith("application/json"):
        raise NotAsked("the body has to be application/json")
    body = cast(Any, request.content).read(MAX_ASKED + 1)
    try:
        return explain(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotAsked("the body is no UTF-8") from None


_STATUS: dict[type[Exception], int] = {NotAsked: 400, NotAllowed: 403, NotExplained: 503}


def _refused(failure: Failure, request: Request) -> Page:
    request.setResponseCode(_STATUS[failure.trap(*_STATUS)])
    return {"error": str(failure.value)}


def _dumps(page: Page) -> bytes:
    return orjson.dumps(page, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
