"""What is told of a piece of a trace, as a value: OpenTelemetry's names, none of its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .errors import GatewayError
from .message import Request, Try
from .trace_context import TraceContext
from .tries import outcome

Attributes = Mapping[str, str | int]


class Span(NamedTuple):
    """:ivar is_client: we called somebody; else somebody called us.

    :ivar parent: the span that it is part of; None if the trace begins here.
    :ivar began: in the reactor's seconds, as ``ended``.
    :ivar error: why it failed, by the kind of failure; empty: it did not.
    """

    name: str
    is_client: bool
    context: TraceContext
    parent: TraceContext | None
    began: float
    ended: float
    attributes: Attributes
    error: str = ""


def of_request(
    request: Request,
    context: TraceContext,
    parent: TraceContext | None,
    ended: float,
    status: int,
    error: GatewayError | None,
) -> Span:
    """A request, from its arrival to its answer."""
    route = request.route
    attributes: dict[str, str | int] = {
        "http.request.method": request.verb,
        "http.response.status_code": status,
        "client.address": request.client,
        "tgw.request_id": request.id,
    }
    name = request.verb
    if route is not None:
        name = f"{request.verb} {route.path}"
        attributes["http.route"] = route.path
    # By OpenTelemetry's conventions what the client did wrong is no error of the server.
    failed = "" if status < 500 else str(status) if error is None else error.kind
    return Span(name, False, context, parent, request.began, ended, attributes, failed)


def of_try(service: str, method: str, each: Try, context: TraceContext, parent: TraceContext, error: str = "") -> Span:
    """A call given to one instance.

    :param error: what it came to, where the try itself does not know better.
    """
    attributes: dict[str, str | int] = {
        "rpc.system": "thrift",
        "rpc.service": service,
        "rpc.method": method,
        "server.address": each.instance.host,
        "server.port": each.instance.port,
    }
    failed = error if each.error is None else outcome(each)
    ended = each.ended or each.began
    return Span(f"{service}/{method}", True, context, parent, each.began, ended, attributes, failed)
