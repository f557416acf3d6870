"""Answer requests for the OpenAPI document, where the public port offers it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from ..core import tagged
from ..core.inputs import parse_pairs
from ..core.message import Request, Response
from . import Filter, Handler

PATH = b"/openapi.json"


def openapi(describe: Callable[[str], Deferred[tagged.Tagged]]) -> Filter:
    """:param describe: gives the document of a service, or of all for an empty name."""

    def answer(request: Request, handler: Handler) -> Deferred[Response]:
        if request.path != PATH or request.verb not in ("GET", "HEAD"):
            return handler(request)
        service = parse_pairs(request.query).get(b"service", [b""])[0].decode("utf-8", "replace")
        return describe(service).addCallback(tagged.answer, b"application/json", request.headers)

    return answer
