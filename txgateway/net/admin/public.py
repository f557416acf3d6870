"""Requests that were tried on a page, on their way to the public handlers: here, or in a worker, as a line of JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet.defer import Deferred

from ...core.errors import BadRequest, BodyTooLarge, ServiceUnavailable, UnusableReply
from ...core.message import Request, Response
from ...core.rendering import render_failure
from ..http import Handler

Page = dict[str, Any]

# A form or an image of another site cannot send it, so no page but ours can try requests through a browser.
MARK = b"tgw-try-it"
# What says where in a browser a request was made; it was made on our page, not at the public port.
_LEFT_OUT = frozenset({MARK, b"origin", b"referer"})

# Bytes of a body on its way to a worker, and of an answer on its way back: a line has its limits.
TO_WORKER = 512 * 1024
FROM_WORKER = 4 * 1024 * 1024


def tried(request: Request, prefix: bytes) -> Request:
    """The request as it would come to the public port. Raises BadRequest if no page of ours made it."""
    if request.header(MARK) is None:
        raise BadRequest(
            f"Only the page that tries requests may send them here; it says so by the header {MARK.decode()}"
        )
    headers = tuple((name, value) for name, value in request.headers if name not in _LEFT_OUT)
    return request.replace(target=request.target.removeprefix(prefix), headers=headers)


def by_path(route: Handler, generic: Handler) -> Handler:
    """The handler that the public port would choose."""

    def handle(request: Request) -> Deferred[Response]:
        parts = request.path.rstrip(b"/").split(b"/")
        return (generic if len(parts) == 4 and parts[1] == b"gateway" else route)(request)

    return handle


# Between processes


def asked(request: Request) -> str:
    """The request as text. Raises BodyTooLarge."""
    if len(request.body) > TO_WORKER:
        raise BodyTooLarge(f"Through the admin port of several workers a body may have {TO_WORKER} bytes")
    return orjson.dumps(
        {
            "verb": request.verb,
            "target": request.target.decode("latin-1"),
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers],
            "body": base64.b64encode(request.body).decode("ascii"),
            "client": request.client,
        }
    ).decode("ascii", "surrogatepass")


def answering(handler: Handler) -> Callable[[str], Deferred[Page]]:
    """Gives the answer to a request that came as text, as values for JSON."""

    def answer(text: str) -> Deferred[Page]:
        return handler(_request(orjson.loads(text))).addCallback(_page)

    return answer


def answered(page: Page | None) -> Response:
    """What a worker said."""
    if page is None or "status" not in page:
        return render_failure(ServiceUnavailable("No worker answered"))
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in page["headers"])
    return Response(page["status"], headers, base64.b64decode(page["body"]))


def _request(values: Page) -> Request:
    return Request(
        verb=values["verb"],
        target=values["target"].encode("latin-1"),
        headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in values["headers"]),
        body=base64.b64decode(values["body"]),
        client=values["client"],
    )


def _page(response: Response) -> Page:
    if len(response.body) > FROM_WORKER:
        response = render_failure(UnusableReply(f"The answer has {len(response.body)} bytes, too many for this page"))
    return {
        "status": response.status,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in response.headers],
        "body": base64.b64encode(response.body).decode("ascii"),
    }
