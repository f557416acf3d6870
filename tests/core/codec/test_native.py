"""The native codec beside the plain one: whatever comes, both say the same, and the native one says most of it itself."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from operator import itemgetter
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.core.codec.any_idl import idls, replies, requests
from tests.core.idl_schemas import SCALE
from tests.mapped import schema_of
from tests.recorded.http import read_struct
from txgateway.core.codec import native
from txgateway.core.errors import GatewayError, IdlError
from txgateway.core.mapping import MappingSettings, compile_service
from txgateway.core.message import MessageType, Reply, Request, Response
from txgateway.core.plan import Plan

pytestmark = pytest.mark.skipif(not native.IS_BUILT, reason="the native codec is not built")

EXAMPLES = 150 * SCALE
slowly = settings(phases=(Phase.generate,), max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def plans_of(idl: str, codec: str) -> tuple[Plan, Plan]:
    """The plan of the only method's route, and that of its JSON calls; raises IdlError."""
    service = compile_service("any", schema_of(idl), MappingSettings(codec=codec))
    return service.routes[0].plan, service.calls["f"][0]


def pairs_of(idl: str) -> list[tuple[Plan, Plan]]:
    """For route and JSON calls the native plan and the plain one; none if the IDL is refused, as by both it must be."""
    try:
        theirs = plans_of(idl, native.PLAIN)
    except IdlError:
        with pytest.raises(IdlError):
            plans_of(idl, native.NATIVE)
        return []
    return list(zip(plans_of(idl, native.NATIVE), theirs, strict=True))


def sent(plan: Plan, request: Request, path: dict[str, bytes]) -> Any:
    """The arguments that a request becomes, or why it is refused."""
    try:
        arguments = plan.bind(request, path)
        plan.validate(arguments)
        return read_struct(plan.encode(arguments))
    except GatewayError as error:
        return refusal(error)


def refusal(error: GatewayError) -> Any:
    return type(error), error.detail, error.members


def answered(plan: Plan, payload: bytes) -> Any:
    """The response to a reply, its JSON by value, or why there is none."""
    try:
        response = plan.render(plan.decode(Reply(MessageType.REPLY, plan.wire_name, payload)))
    except GatewayError as error:
        return refusal(error)
    is_json = (b"content-type", b"application/json") in response.headers
    # In the order sent, those of one name.
    headers = sorted(response.headers, key=itemgetter(0))
    return response.status, headers, exactly(json.loads(response.body)) if is_json else response.body


def exactly(value: Any) -> Any:
    """A JSON value of which equal ones are of the same kind too."""
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    return list(map(exactly, value)) if isinstance(value, list) else (type(value), repr(value))


@slowly
@given(idls(), st.data())
def test_requests_become_the_same_arguments(idl, data):
    for wrong in (0, 0, 5, 30):
        request, path = data.draw(requests(schema_of(idl), wrong))
        for ours, theirs in pairs_of(idl):
            assert sent(ours, request, path) == sent(theirs, request, path)


@slowly
@given(idls(), st.data())
def test_replies_get_the_same_answers(idl, data):
    for wrong in (0, 0, 5, 30):
        payload = data.draw(replies(schema_of(idl), wrong))
        for ours, theirs in pairs_of(idl):
            assert answered(ours, payload) == answered(theirs, payload)
