"""What the client gets, or would get."""

from __future__ import annotations

from ..errors import GatewayError
from ..message import Response
from ..plan import Plan
from ..rendering import render_enveloped_failure, render_failure
from ..routing import Answered
from .story import SHOWN_BODY, Outcome, headers_of
from .words import printable


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
    """A request that ends in a response.

    :param is_shown: whether its body may be.
    """
    outcome = _of(response, "the service has answered", "")
    return outcome if is_shown else Outcome(outcome.status, outcome.says, headers=outcome.headers)


def undecided(plan: Plan) -> Outcome:
    return Outcome(None, f"{plan.service} would be called; what it answers decides")


def _of(response: Response, says: str, kind: str) -> Outcome:
    return Outcome(response.status, says, kind, headers_of(response), printable(response.body, SHOWN_BODY))
