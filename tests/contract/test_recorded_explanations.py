"""An explanation is true: told of anew, every recorded HTTP call comes to what the gateway itself makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.front_door import FrontDoor
from tests.recorded.http import Recorded, read_struct, recorded
from tests.vectors import RECORDED
from txgateway.core.codec.binary import encode
from txgateway.core.codec.structs import Structs
from txgateway.core.explain import Clocks, Explained, Served, explain
from txgateway.core.explain.fields import Told, tell_call, tell_route
from txgateway.core.explain.story import Fate
from txgateway.core.linker import load
from txgateway.core.mapping import MappingSettings, compile_service, join
from txgateway.core.message import Request, Response
from txgateway.net.http import http_servers

http_servers.load()

FAMILIES = sorted(file.stem for file in (RECORDED / "http").glob("*.json"))
CLOCKS = Clocks(time.perf_counter, time.time_ns)


@cache
def serving(folder: Path, idl: str, legacy: bool) -> tuple[Served, FrontDoor]:
    loaded = load(idl, lambda path: (folder / path).read_text())
    service = compile_service(Path(idl).stem, loaded.schema, MappingSettings(legacy=legacy))
    mapping, _ = join([service])
    return Served(mapping, {service.name: service}), FrontDoor(mapping)


def cases(family: str) -> Iterator[Recorded]:
    for case in recorded(RECORDED / "http" / f"{family}.json"):
        if case.recorded["expected"]["outcome"] != "load_error":
            yield case


def request_of(case: Recorded) -> Request:
    verb, target, headers, body = case.request
    return Request(verb, target, tuple((name.lower(), value.strip()) for name, value in headers), body)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_ends_as_the_request_does(family: str) -> None:
    for case in cases(family):
        served, door = serving(case.folder, case.idl, case.legacy)
        door.answers(b"\0")
        response = door.send(*case.request)
        explained = explain(request_of(case), served, CLOCKS)
        if door.server.received:
            assert_same_call(case, explained, door.server.received[0])
        else:
            assert_same_refusal(case, explained, response)


def assert_same_call(case: Recorded, explained: Explained, received: Any) -> None:
    story = explained.explanation.call
    assert explained.call is not None, case.name
    assert story is not None, case.name
    assert (explained.call.method, explained.call.payload) == (received.method, received.payload), case.name
    assert story.whole, case.name
    assert story.hex == received.payload.hex(), case.name
    assert "".join(line.hex for line in story.dump).replace(" ", "") == story.hex or "…" in str(story.dump), case.name
    assert explained.explanation.outcome.status is None, case.name
    assert all(rule.holds for rule in explained.explanation.rules), case.name


def assert_same_refusal(case: Recorded, explained: Explained, response: Response) -> None:
    outcome = explained.explanation.outcome
    assert explained.call is None, case.name
    assert outcome.status == response.status, case.name
    headers = {name.encode(): value.encode() for name, value in outcome.headers}
    assert headers.items() <= dict(response.headers).items(), case.name
    if response.body:
        assert json.loads(outcome.body or "{}") == json.loads(response.body), case.name
    if outcome.kind == "validation-failed":
        problem = json.loads(outcome.body)
        failed = [rule for rule in explained.explanation.rules if not rule.holds]
        assert (problem["field"], problem["rule"]) in [(rule.path, rule.rule) for rule in failed], case.name
        assert problem["detail"] in [rule.message for rule in failed], case.name
    if outcome.kind == "bad-request" and "field" in response.body.decode():
        fates = [field.fate for field in explained.explanation.fields]
        unions = "exactly one member" in response.body.decode()
        assert unions or Fate.MISSING in fates or Fate.MISFIT in fates, case.name


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_told_of_the_fields_makes_the_same_arguments(family: str) -> None:
    for case in cases(family):
        served, _ = serving(case.folder, case.idl, case.legacy)
        request = request_of(case)
        explained = explain(request, served, CLOCKS)
        if explained.plan is not None:
            told = told_of(request, served, explained)
            refused_later = explained.explanation.outcome.kind in ("validation-failed", "streaming-unsupported")
            # Codecs need not write fields in the same order.
            sent = None if explained.call is None else read_struct(explained.call.payload)
            made = None if told.arguments is None else read_struct(encode(told.arguments))
            assert made == sent or refused_later, case.name


def told_of(request: Request, served: Served, explained: Explained) -> Told:
    plan = explained.plan
    assert plan is not None
    structs = Structs(served.services[plan.service].schema)
    if explained.is_call:
        return tell_call(structs, plan.method, None, request, plan.enveloped)
    _, path = served.mapping.route(request)
    return tell_route(structs, plan.method, None, request, path)
