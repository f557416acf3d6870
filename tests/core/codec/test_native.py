"""The native codec beside the plain one: both say the same of whatever comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.codecs import outcome
from tests.core.codec.any_idl import idls, replies, requests, selections
from tests.core.codec.usual import HEADERS, IDL, PART, QUERY, body_of, natively, part_of
from tests.core.idl_schemas import SCALE
from tests.mapped import Mapped, answer, request, schema_of
from tests.recorded import vd
from tests.recorded.http import read_struct
from txgateway.core.codec import native
from txgateway.core.codec.binary import encode
from txgateway.core.descriptor import Annotation, Annotations, Field, Method, Schema, Service, StructType, TypeName
from txgateway.core.errors import BadRequest, IdlError, UnusableReply
from txgateway.core.linker import load
from txgateway.core.mapping import MappingSettings, compile_service
from txgateway.core.message import Request, Response
from txgateway.core.plan import Codecs, Plan

pytestmark = pytest.mark.skipif(not native.IS_BUILT, reason="the native codec is not built")

# To shrink such an example takes minutes, and what it says of the two codecs is mostly clear.
slowly = settings(
    max_examples=80 * SCALE,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@cache
def plans_of(idl: str, codec: str) -> tuple[Plan, Plan]:
    """The plan of the only method's route, and that of its JSON calls; raises IdlError."""
    service = compile_service("any", schema_of(idl), MappingSettings(codec=codec, selects=True))
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


def sent(plan: Plan, asked: Request, path: dict[str, bytes]) -> Any:
    """The arguments that a request becomes."""
    arguments = plan.bind(asked, path)
    plan.validate(arguments)
    return read_struct(plan.encode(arguments))


@slowly
@given(idls(), st.data())
def test_requests_become_the_same_arguments(idl, data):
    for wrong in (0, 0, 5, 30):
        asked, path = data.draw(requests(schema_of(idl), wrong))
        for ours, theirs in pairs_of(idl):
            assert outcome(sent, ours, asked, path) == outcome(sent, theirs, asked, path)


@slowly
@given(idls(), st.data())
def test_replies_get_the_same_answers(idl, data):
    for wrong in (0, 0, 5, 30):
        payload = data.draw(replies(schema_of(idl), wrong))
        for ours, theirs in pairs_of(idl):
            assert outcome(answer, ours, payload) == outcome(answer, theirs, payload)
            if ours.select is not None and theirs.select is not None:
                asked = request("GET", f"/f?fields={data.draw(selections)}")
                assert outcome(chosen, ours, asked, payload) == outcome(chosen, theirs, asked, payload)


def chosen(plan: Plan, asked: Request, payload: bytes) -> Response:
    """The answer to a request that asks for some fields."""
    assert plan.select is not None
    return answer(plan.select(asked), payload)


# What the native codec must not leave to the plain one, for that would cost as much as if it were not there


@pytest.fixture(scope="module")
def alone():
    """The plans of the service, with no plain codec behind the native one."""

    def refuse(*arguments):
        pytest.fail("left to the plain codec")

    with natively(refuse):
        return Mapped.of(IDL)


def test_each_kind_of_method_is_served(alone):
    assert {route.plan.codecs for route in alone.mapping.routes} == {Codecs(native.NATIVE, native.NATIVE)}
    calls = [alone.mapping.generic("svc", method.name).codecs for method in alone.schema.services[0].methods]
    assert set(calls) == {Codecs(native.NATIVE, native.NATIVE)}


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        (f"/get/a%2Fb?{QUERY}", HEADERS, body_of({"part": PART, "parts": [PART, PART], "text": "long"})),
        (f"/get/7?{QUERY}", HEADERS, body_of({"rules": [{"name": "r", "level": 1}], "flag": None, "plain": 5})),
        ("/get/x?num=%2B7", {}, ""),
        ("/get/x", {"content-type": "application/x-www-form-urlencoded"}, "word=a+b%21&plain=1.5"),
        ("/get/x", {"content-type": "application/json; charset=utf-8"}, "null"),
        ("/part", {}, body_of(PART)),
        ("/many", {}, body_of([PART])),
        ("/value?n=-7", {}, ""),
        ("/nothing", {}, "whatever"),
        ("/forget", {}, '{"x": 1, "y": -0}'),
    ],
)
def test_a_usual_request_is_bound(alone, target, headers, body):
    assert alone.sent("POST", target, headers, body) is not None


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("part", body_of(PART | {"far": "12"})),
        ("get", body_of({"num": "7", "part": PART, "rules": [{"name": "x"}], "text": "t"})),
        ("many", body_of([PART, PART])),
        ("value", "7"),
        ("value", '"7"'),
        ("nothing", ""),
        ("nothing", '{"biz_params": "{}"}'),
        ("part", json.dumps({"biz_params": body_of(PART)})),
    ],
)
def test_a_usual_json_call_is_bound(alone, method, body):
    assert alone.called(method, body) is not None


@pytest.mark.parametrize("body", ['{"id": "a", "id": "b"}', '{"id": "\\ud800"}', '{"id": 1}', "{"])
def test_what_is_wrong_or_odd_is_left_to_the_plain_codec(alone, body):
    with pytest.raises(pytest.fail.Exception, match="left to the plain codec"):
        alone.called("part", body)


def test_a_usual_reply_is_answered(alone):
    part = part_of(alone, more=part_of(alone))
    assert alone.answer("part", success=part).status == 200
    got = alone.new("Got", status=201, tags=["a", "b"], sid="s", part=part, both="x")
    assert alone.answer("get", success=got).status == 201
    assert alone.answer("get", gone=alone.new("Gone", why="so")).status == 404
    assert alone.answer("many", success=[part, part]).body.startswith(b"[{")
    assert alone.answer("value", success={"k": part}).body.startswith(b'{"k":{')
    assert alone.answer("raw", success=alone.new("Raw", body=b"\xff")).body == b"\xff"
    assert alone.answer("nothing").body == b"{}"
    assert alone.answer_call("get", success=got).status == 200
    assert alone.answer_call("nothing").body == b"null"


# Bounds


def test_what_is_made_is_not_much_larger_than_what_came():
    default = "x" * 5000
    idl = f"""
        struct Item {{ 1: string s = "{default}" }}
        struct Box {{ 1: list<Item> items, 2: optional Item one }}
        service S {{ Box f(1: Box box) (api.post="/f") }}
    """
    mapped = Mapped.of(idl)
    assert len(mapped.sent("POST", "/f", {}, '{"items": [{}, {}]}')["1:struct"]["1:list<struct>"]) == 2
    error = mapped.refused("POST", "/f", {}, f'{{"items": [{", ".join(["{}"] * 1000)}]}}')
    assert error.status == 400
    assert error.detail.endswith("with the IDL's defaults they have more than 1048576 bytes")
    with pytest.raises(UnusableReply, match="with the IDL's defaults it has more than 1048576 bytes"):
        mapped.answer("f", success=mapped.new("Box", items=[mapped.new("Item", s=None)] * 1000))


def test_the_most_that_is_made_is_a_setting():
    idl = 'struct Box { 1: string s }\nservice S { Box f(1: Box box) (api.post="/f") }'
    for codec in (native.NATIVE, native.PLAIN):
        service = compile_service("svc", schema_of(idl), MappingSettings(codec=codec, max_output=1 << 20))
        plan = service.routes[0].plan
        asked = request("POST", "/f", {}, json.dumps({"s": "x" * (1 << 20)}))
        with pytest.raises(BadRequest, match="more than 1048576 bytes"):
            plan.encode(plan.bind(asked, {}))
        payload = encode(
            Mapped.of(idl).structs.result(plan.method)(success=Mapped.of(idl).new("Box", s="x" * (1 << 20)))
        )
        with pytest.raises(UnusableReply, match="more than 1048576 bytes"):
            answer(plan, payload)


def test_damaged_requests_and_replies_do_no_harm():
    script = Path(__file__).parents[3] / "scripts" / "fuzz_codec.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    run = subprocess.run(
        [sys.executable, script, "3000", "1", "0"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.stdout.endswith("no panic, no difference, no growth\n"), run.stderr


RECORDED = Path(__file__).parents[2] / "vectors" / "wire"


def recorded_replies() -> list[tuple[str, str, str, bytes]]:
    """IDL file, service, method and result struct of every reply that was recorded of Kitex."""
    vectors = [vector for file in sorted(RECORDED.glob("*.json")) for vector in json.loads(file.read_text())]
    replies = []
    for vector in vectors:
        if vector.get("reply_parts", {}).get("message", {}).get("type") == "REPLY":
            start, length = vector["reply_parts"]["struct_at"]
            struct = bytes.fromhex(vector["reply"])[start : start + length]
            place = vector.get("idl", "wiresvc.thrift"), vector.get("service", "Wire"), vector["method"]
            replies.append((*place, struct))
    return replies


@cache
def recorded_mapping(idl: str, codec: str) -> Any:
    schema = load(str(RECORDED / "idl" / idl), lambda name: Path(name).read_text()).schema
    return compile_service("wire", schema, MappingSettings(codec=codec)).calls


def test_recorded_replies_get_the_same_answers():
    replies = recorded_replies()
    assert len(replies) > 100
    for idl, service, method, payload in replies:
        ours, theirs = (
            recorded_mapping(idl, codec)[f"{service}.{method}"][0] for codec in (native.NATIVE, native.PLAIN)
        )
        assert outcome(answer, ours, payload) == outcome(answer, theirs, payload)


def recorded_rules() -> list[dict[str, Any]]:
    files = sorted((RECORDED.parent / "vd").glob("*.json"))
    return [case for file in files for case in json.loads(file.read_text())["cases"]]


def with_a_service(schema: Schema, root: TypeName) -> Schema:
    """The schema with a service whose only method takes that struct, and has all its failed rules told."""
    annotations = Annotations((Annotation("api.post", "/f"), Annotation("tgw.validate", "all")))
    method = Method("f", (Field(1, "a", StructType(root)),), None, annotations=annotations)
    return evolve(schema, services=(Service(TypeName(root.file, "S"), (method,)),))


def test_recorded_rules_see_the_same_values():
    # Each fourth of them: all take five seconds.
    cases = recorded_rules()[:: max(1, 4 // SCALE)]
    judged = 0
    for case in cases:
        schema = with_a_service(vd.schema_of(case["structs"]), TypeName(vd.FILE, case["root"]))
        asked = request("POST", "/f", {}, json.dumps(case["value"]))
        try:
            ours, theirs = (
                compile_service("any", schema, MappingSettings(codec=codec)).routes[0].plan
                for codec in (native.NATIVE, native.PLAIN)
            )
        except IdlError:
            continue
        assert outcome(sent, ours, asked, {}) == outcome(sent, theirs, asked, {}), case
        judged += ours.codecs.request == native.NATIVE
    assert judged > len(cases) // 2
