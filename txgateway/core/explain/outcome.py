"""What the client gets, or would get."""

from __future__ import annotations

from typing import Any

import orjson
from attrs import evolve

from ..errors import Answered, GatewayError
from ..message import Response
from ..plan import Plan
from ..rendering import render_enveloped_failure, render_failure
from .story import HIDDEN, SHOWN_BODY, Outcome, headers_of
from .words import printable

_PROBLEM = b"application/problem+json"


def failed(error: GatewayError, plan: Plan | None = None) -> Outcome:
    """A request that ends in this failure.

    :param plan: of the request, if it came so far.
    """
    if isinstance(error, Answered):
        return _of(error.response, "the router answers by itself", "")
    enveloped = plan is not None and plan.enveloped
    response = render_enveloped_failure(error) if enveloped else render_failure(error)
    return _of(response, f"{error.title}: {error.detail}" if error.detail else error.title, error.kind)


def answered(response: Response, is_shown: bool) -> Outcome:
    """A request that has ended.

    :param is_shown: whether the body may be, if it is the service's; what the gateway itself says always is.
    """
    problem = _problem(response)
    if problem:
        kind = str(problem.get("type", "")).rpartition(":")[2]
        return _of(response, f"{problem.get('title')}: {problem.get('detail')}", kind)
    outcome = _of(response, "answered", "")
    return outcome if is_shown else evolve(outcome, body=HIDDEN)


def _problem(response: Response) -> dict[str, Any]:
    """The problem document that the response is; empty if it is none."""
    if dict(response.headers).get(b"content-type") != _PROBLEM:
        return {}
    try:
        document = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def undecided(plan: Plan) -> Outcome:
    return Outcome(None, f"{plan.service} would be called; what it answers decides")


def _of(response: Response, says: str, kind: str) -> Outcome:
    return Outcome(response.status, says, kind, headers_of(response), printable(response.body, SHOWN_BODY))
