"""How an explained request goes on from the call: foretold, tried, or as it was with a live one."""

from __future__ import annotations

from attrs import evolve

from ..errors import GatewayError, NoInstance
from ..message import Request, Response, Try
from .kept import Ended
from .outcome import answered, failed
from .pick import Seen, tell_pick
from .story import Explanation, Step, TryStory
from .telling import Clocks, Explained, explain


def with_pick(explained: Explained, seen: Seen) -> Explanation:
    """Foretells whom the call goes to."""
    explanation, plan, call = explained.explanation, explained.plan, explained.call
    if plan is None or call is None:
        return explanation
    pick = tell_pick(call, seen)
    if pick.available:
        return evolve(explanation, pick=pick)
    error = NoInstance(f"No instance of {call.service!r} is registered", service=call.service)
    return evolve(explanation, pick=pick, outcome=failed(error, plan))


def with_answer(explained: Explained, request: Request, response: Response, seconds: float) -> Explanation:
    """Tells what came of the request.

    :param explained: it, with the pick foretold if that could be.
    :param request: as it went through the gateway.
    """
    explanation = explained.explanation
    tries = () if request.call is None else tuple(map(_try_story, request.call.tries))
    pick = explanation.pick
    if pick is not None and tries:
        pick = evolve(pick, chosen=tries[-1].address, why=f"it was picked: {pick.why}")
    return evolve(
        explanation,
        pick=pick,
        tries=tries,
        outcome=answered(response, explained.answers_openly),
        steps=(*explanation.steps, Step("the whole request", round(seconds * 1e6, 1))),
    )


def explain_ended(ended: Ended, clocks: Clocks) -> Explanation:
    """Explains a live request; what it is told of is what it was served by."""
    explained = explain(ended.request, ended.served, clocks)
    if ended.seen is not None:
        explained = evolve(explained, explanation=with_pick(explained, ended.seen))
    return with_answer(explained, ended.request, ended.response, ended.seconds)


def _try_story(each: Try) -> TryStory:
    milliseconds = round(max(0.0, each.ended - each.began) * 1000, 3)
    return TryStory(each.instance.address, milliseconds, "" if each.error is None else _failure(each.error))


def _failure(error: Exception) -> str:
    if not isinstance(error, GatewayError):
        return "it was given up"
    return f"{error.kind}: {error}" if str(error) else error.kind
