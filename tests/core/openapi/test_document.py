"""The document of a mapping: paths, parameters, bodies, answers, and what things are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.mapped import schema_of, service_of
from txgateway.core.errors import IdlError
from txgateway.core.linker import load
from txgateway.core.mapping import MappedService, MappingSettings, compile_service, join
from txgateway.core.openapi.document import About, Document

ROOT = Path(__file__).parents[3]
IDL = [*sorted((ROOT / "tests/vectors/http/idl").glob("*.thrift")), ROOT / "idl/book.thrift"]
I32 = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}


def document_of(*services: MappedService, **about: Any) -> dict[str, Any]:
    mapping, refused = join(services)
    assert not refused
    found = Document(services, mapping.routes, About(**about)).whole()
    assert list(OpenAPIV31SpecValidator(found).iter_errors()) == []
    return found


def described(idl: str, **about: Any) -> dict[str, Any]:
    return document_of(service_of(idl), **about)


def operation(fields: str, route: str = 'api.get="/f"', more: str = "", result: str = "void") -> dict[str, Any]:
    """The only operation, with all that it refers to put in its place."""
    idl = f"{more}\nstruct Req {{ {fields} }}\nservice S {{ {result} f(1: Req r) ({route}) }}"
    found = described(idl)
    ((_, item),) = found["paths"].items()
    ((_, only),) = item.items()
    return resolved(found, only)


def resolved(document: dict[str, Any], part: Any, inside: tuple[str, ...] = ()) -> Any:
    if isinstance(part, list):
        return [resolved(document, each, inside) for each in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref")
    if reference is None or reference in inside:
        return {name: resolved(document, value, inside) for name, value in part.items()}
    target: Any = document
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    rest = {name: value for name, value in part.items() if name != "$ref"}
    return resolved(document, {**target, **rest}, (*inside, reference))


def parameters(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{each['in']} {each['name']}": each for each in found.get("parameters", ())}


def body(found: dict[str, Any], media_type: str = "application/json") -> Any:
    return found["requestBody"]["content"][media_type]["schema"]


def test_the_rules_of_the_book_service_are_in_its_document():
    found = described((ROOT / "idl/book.thrift").read_text("utf-8"))
    (num,) = found["paths"]["/book/query"]["get"]["parameters"]
    assert num["schema"] == {"type": "integer", "format": "int32", "minimum": -(2**31), "exclusiveMaximum": 100}
    assert num["description"] == "num must less than 100"
    assert num["x-tgw-rule"] == [
        {"rule": "$<100; msg:'num must less than 100'", "message": "num must less than 100", "in_schema": True}
    ]
    assert not num["required"]
    form = found["paths"]["/book/insert"]["post"]["requestBody"]["content"]
    assert list(form) == ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"]
    answers = found["paths"]["/book/query"]["get"]["responses"]
    assert set(answers) == {"200", "404", "400", "502", "503", "504", "default"}
    assert answers["404"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/BookNotFound"}}}
    assert list(found["components"]["schemas"]["BookNotFound"]["properties"]) == ["Msg"]


@pytest.mark.parametrize("path", IDL, ids=lambda path: path.stem)
def test_every_idl_has_a_valid_document(path):
    try:
        schema = load(path.name, lambda name: (path.parent / name).read_text("utf-8")).schema
        service = compile_service(path.stem, schema, MappingSettings(legacy=path.stem == "agw"))
    except IdlError:
        return
    found = document_of(service, calls=True, id_header="X-Request-Id")
    mapping, _ = join([service])
    about = About(calls=True, id_header="X-Request-Id")
    assert json.loads(b"".join(Document([service], mapping.routes, about).text())) == found


# Where fields come from


def test_a_field_is_where_its_sources_are():
    found = operation(
        """
        1: required i32 q (api.query="q"), 2: required string h (api.header="X-H")
        3: optional string c (api.cookie="c"), 4: string p (api.path="p")
        5: optional i64 plain, 6: optional string uri (api.raw_uri="true")
        7: optional string hidden (api.none="true")
        """,
        'api.get="/f/:p"',
    )
    assert {name: each["required"] for name, each in parameters(found).items()} == {
        "path p": True,
        "query q": True,
        "header X-H": True,
        "cookie c": False,
        "query plain": False,
    }
    assert parameters(found)["path p"]["schema"] == {"type": "string", "minLength": 1}
    assert "requestBody" not in found


def test_plain_fields_of_a_verb_with_a_body_are_in_it():
    fields = '1: required i32 q (api.query="q"), 2: required i32 plain, 3: optional string named (api.body="name")'
    found = operation(fields, 'api.post="/f"')
    assert list(parameters(found)) == ["query q"]
    assert found["requestBody"]["required"]
    assert list(found["requestBody"]["content"]) == ["application/json"]
    assert body(found) == {
        "type": "object",
        "properties": {"plain": I32, "name": {"type": ["string", "null"]}},
        "required": ["plain"],
    }


def test_a_field_that_only_a_body_has_brings_one_to_any_verb():
    found = operation('1: optional i32 n (api.body="n"), 2: optional i32 m', 'api.delete="/f"')
    assert not parameters(found)
    assert list(body(found)["properties"]) == ["n", "m"]


def test_a_field_with_several_sources_is_needed_in_none_of_them():
    found = operation('1: required i32 n (api.query="n", api.header="X-N")')
    assert {each["required"] for each in parameters(found).values()} == {False}
    assert parameters(found)["query n"]["description"] == "Or from: header 'X-N'."
    found = operation('1: required i32 n (api.query="n", api.path="n")', 'api.get="/f/:n"')
    assert list(parameters(found)) == ["path n"]


def test_a_form_is_described_where_the_idl_speaks_of_one():
    found = operation(
        '1: required string t (api.form="t"), 2: optional list<i32> l (api.form="l"), 3: optional P p (api.form="p")',
        'api.post="/f"',
        "struct P { 1: optional binary b }",
    )
    form = found["requestBody"]["content"]["multipart/form-data"]
    assert form["encoding"] == {"p": {"contentType": "application/json"}}
    assert form["schema"]["required"] == ["t"]
    assert form["schema"]["properties"]["l"] == {"type": "array", "items": I32}
    assert operation('1: string t (api.form="t")')["parameters"][0]["in"] == "query"


def test_a_struct_without_a_body_is_its_fields_parameters():
    found = operation(
        '1: In inner (api.no_body_struct="true")',
        'api.post="/f"',
        'struct In { 1: required i32 n (api.query="n"), 2: required list<i32> l (api.query="l"), 3: string body }',
    )
    # A scalar is zero if it is not given, a list is missed.
    assert {name: each["required"] for name, each in parameters(found).items()} == {"query n": False, "query l": True}
    assert "requestBody" not in found


def test_a_text_may_hold_json():
    found = operation('1: optional map<string, i32> m (api.query="m"), 2: optional list<list<i32>> l (api.query="l")')
    assert parameters(found)["query m"]["content"]["application/json"]["schema"]["type"] == "object"
    assert "content" in parameters(found)["query l"]


def test_a_raw_body_is_of_any_type():
    found = operation('1: required string raw (api.raw_body="true")', 'api.post="/f"')
    assert found["requestBody"]["content"] == {"text/plain": {"schema": {"type": "string", "minLength": 1}}}
    found = operation('1: binary raw (api.raw_body="true"), 2: required i32 n', 'api.post="/f"')
    assert list(found["requestBody"]["content"]) == ["application/json", "application/octet-stream"]
    assert "415" not in found["responses"]


def test_credentials_are_asked_for_as_openapi_has_them():
    found = operation('1: required string a (api.header="Authorization"), 2: string t (api.header="content-type")')
    assert found["security"] == [{"authorization": []}]
    assert not parameters(found)
    assert "`content-type`" in found["description"]
    assert operation('1: string a (api.header="authorization")')["security"] == [{}, {"authorization": []}]
    document = described('struct R { 1: string a } service S { void f(1: R r) (api.get="/f") }')
    assert document["security"] == []
    assert "securitySchemes" not in document["components"]


def test_an_argument_need_be_no_struct():
    idl = 'service S { list<i32> f(1: required list<i32> l) (api.get="/f", api.post="/f") }'
    item = described(idl)["paths"]["/f"]
    assert item["get"]["parameters"][0]["required"]
    assert item["post"]["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"type": "array", "items": I32}}},
    }


def test_a_union_that_is_asked_for_is_one_field_wherever_that_stands():
    union = 'union Req { 1: i32 n (api.query="n"), 2: string s }'
    document = described(f'{union}\nservice S {{ void f(1: Req r) (api.post="/f") }}')
    assert document["paths"]["/f"]["post"]["description"] == (
        "Exactly one field of `Req` has to be given, wherever it stands."
    )
    document = described('union Req { 1: i32 n, 2: string s }\nservice S { void f(1: Req r) (api.post="/f") }')
    found = document["paths"]["/f"]["post"]["requestBody"]
    assert found["required"]
    assert found["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Req"}


# Types


def test_types_in_a_body():
    found = operation(
        """
        1: required i64 big (api.js_conv="true"), 2: required binary bytes, 3: required map<i8, string> by_number
        4: required map<P, i32> by_struct, 5: required K k, 6: required U u, 7: i32 n = 5
        8: optional string dyn (tgw.body_dynamic="true"), 9: optional string secret (tgw.sensitive="true")
        10: required set<bool> flags, 11: required double d
        """,
        'api.post="/f"',
        "struct P { 1: optional P next }\nenum K {\nA = 1 // the first\n B = 4 }\nunion U { 1: i32 x, 2: string y }",
    )
    fields = body(found)["properties"]
    assert fields["big"]["anyOf"][0]["format"] == "int64"
    assert fields["big"]["anyOf"][1]["pattern"].startswith("^([+-]?0+|")
    assert fields["bytes"]["contentEncoding"] == "base64"
    assert fields["by_number"]["propertyNames"]["pattern"].endswith("12[0-8]))$")
    assert fields["by_struct"]["items"]["maxItems"] == 2
    assert fields["k"]["x-tgw-enum"] == {"A": 1, "B": 4}
    assert fields["k"]["description"] == "- `1` A: the first\n- `4` B"
    assert "enum" not in fields["k"]
    assert [way["required"] for way in fields["u"]["oneOf"]] == [["x"], ["y"]]
    assert fields["u"]["oneOf"][0]["properties"] == {"x": I32, "y": {"type": "null"}}
    assert fields["n"] == {**I32, "type": ["integer", "null"], "default": 5}
    assert fields["dyn"] == {}
    assert fields["secret"]["format"] == "password"
    assert fields["flags"] == {"type": "array", "items": {"type": "boolean"}}


def test_keys_are_those_that_binding_knows():
    found = operation(
        """1: string a (go.tag='json:"tagged,omitempty"'), 2: string b (api.key="keyed"), 3: string c (api.body="named")
        4: string d (go.tag='json:"-"'), 5: Nested n, 6: string e (api.form="form", api.body="json")""",
        'api.post="/f"',
        """struct Nested { 1: string a (api.body="ignored"), 2: string b (api.key="keyed"), 3: i8 c (api.none="") }""",
    )
    assert list(body(found)["properties"]) == ["tagged", "keyed", "named", "n", "form"]
    nested = body(found)["properties"]["n"]["anyOf"][0]
    assert list(nested["properties"]) == ["a", "keyed"]


def test_a_rule_of_its_own_can_make_a_field_required():
    found = operation('1: i32 n (api.query="n", api.vd="$>0"), 2: i32 m = 5 (api.query="m", api.vd="$<5")')
    assert parameters(found)["query n"]["required"]
    # The default does not meet its rule, so it is none.
    assert parameters(found)["query m"]["required"]
    assert "default" not in parameters(found)["query m"]["schema"]


def test_what_no_schema_says_is_said_in_words():
    found = operation(
        '1: i32 lo, 2: i32 hi (api.vd="$>(lo)$; msg:\'hi must be more\'"), 3: string s (api.vd="phone($)")'
    )
    hi, s = parameters(found)["query hi"], parameters(found)["query s"]
    assert (hi["description"], s["description"]) == ("hi must be more (`$>(lo)$`)", "It has to meet `phone($)`.")
    assert [line["in_schema"] for line in (*hi["x-tgw-rule"], *s["x-tgw-rule"])] == [False, False]


def test_rules_that_are_only_observed_are_not_in_the_schema():
    found = operation('1: i32 n (api.vd="$<5")', 'api.get="/f", tgw.validate="observe"')
    assert parameters(found)["query n"]["schema"] == I32
    assert found["description"] == "Rules are only observed here: what they would refuse, passes."


# Answers


def test_the_fields_of_an_answer_are_in_its_head_or_its_body():
    idl = """
    struct Resp {
        1: string etag (api.header="ETag"), 2: list<i32> l (api.header="X-L"), 3: map<string, i32> m (api.header="X-M")
        4: string session (api.cookie="session"), 5: required i64 big (api.js_conv=""), 6: i32 filled = 3, 7: i32 n
        8: optional binary bytes, 9: string both (api.header="X-B", api.body="both")
    }
    struct Req { 1: string s }
    """
    found = resolved(d := described(f'{idl}service S {{ Resp f(1: Req r) (api.get="/f") }}'), d["paths"]["/f"]["get"])
    answer = found["responses"]["200"]
    assert set(answer["headers"]) == {"ETag", "X-L", "X-M", "set-cookie", "X-B"}
    assert answer["headers"]["X-M"]["content"]["application/json"]["schema"]["type"] == "object"
    assert "`session`" in answer["headers"]["set-cookie"]["description"]
    schema = answer["content"]["application/json"]["schema"]
    assert list(schema["properties"]) == ["big", "filled", "n", "bytes", "both"]
    assert schema["required"] == ["big", "filled"]
    assert schema["properties"]["big"] == {"type": "string", "format": "int64"}
    assert schema["properties"]["n"] == {"type": "integer", "format": "int32"}


def test_exceptions_are_answered_with_their_statuses():
    idl = """
    exception Gone { 1: i32 status = 410 (api.http_code="true") }
    exception Odd { 1: string what }
    exception Even { 1: string what, 2: i32 n }
    struct Req { 1: string s }
    """
    throws = "1: Gone g, 2: Odd o, 3: Even e"
    document = described(f'{idl}service S {{ string f(1: Req r) throws ({throws}) (api.get="/f") }}')
    answers = resolved(document, document["paths"]["/f"]["get"]["responses"])
    assert list(answers["200"]["content"]) == ["application/json"]
    assert answers["410"]["headers"]["x-thrift-exception"] == {
        "required": True,
        "schema": {"type": "string", "enum": ["Gone"]},
    }
    assert answers["500"]["headers"]["x-thrift-exception"]["schema"]["enum"] == ["Gone", "Odd", "Even"]
    assert len(answers["500"]["content"]["application/json"]["schema"]["anyOf"]) == 3
    # Gone may come with any other status of a failure.
    assert set(answers["400"]["content"]) == {"application/json", "application/problem+json"}
    assert not answers["400"]["headers"]["x-thrift-exception"]["required"]


def test_a_status_that_a_result_says_may_be_any():
    idl = 'struct Resp { 1: i32 code (api.http_code="true"), 2: string s }\nstruct Req { 1: string s }\n'
    document = described(f'{idl}service S {{ Resp f(1: Req r) (api.get="/f") }}')
    answers = document["paths"]["/f"]["get"]["responses"]
    assert "content" not in answers["204"]
    assert set(answers["default"]["content"]) == {"application/json", "application/problem+json"}


def test_raw_answers_void_and_streams():
    idl = """
    struct File { 1: required binary content (api.raw_body="true") }
    struct Maybe { 1: optional string text (api.raw_body="true"), 2: i32 n }
    service S {
        File file() (api.get="/file"), Maybe maybe() (api.get="/maybe"), void nothing() (api.get="/void")
        oneway void cast() (api.post="/cast"), string stream() (api.get="/stream", streaming.mode="server")
    }
    """
    paths = described(idl)["paths"]
    assert paths["/file"]["get"]["responses"]["200"]["content"] == {"application/octet-stream": {}}
    assert list(paths["/maybe"]["get"]["responses"]["200"]["content"]) == ["application/json", "text/plain"]
    nothing = {"schema": {"type": "object", "maxProperties": 0}}
    for path, verb in (("/void", "get"), ("/cast", "post")):
        assert paths[path][verb]["responses"]["200"]["content"] == {"application/json": nothing}
    assert set(paths["/stream"]["get"]["responses"]) == {"501", "default"}
    assert "400" not in paths["/file"]["get"]["responses"]


def test_an_answer_that_can_be_chosen_from_says_how():
    idl = """
    struct R { 1: string s, 2: string fields }
    service S { R f() (api.get="/f"), R own(1: R r) (api.get="/own"), void v() (api.get="/v") }
    """
    service = compile_service("svc", schema_of(idl, "svc.thrift"), MappingSettings(selects=True))
    paths = document_of(service)["paths"]
    assert list(parameters(paths["/f"]["get"])) == ["query fields"]
    assert "400" in paths["/f"]["get"]["responses"]
    assert "parameters" not in paths["/v"]["get"]
    assert "title" not in parameters(paths["/own"]["get"])["query fields"].get("description", "")


# Paths and names

ECHO = "struct R { 1: string s }\n"


def test_routes_become_templates():
    routes = 'api.get="/a/:x", api.put="/a/:y", api.get="/v:major/b", api.get="files/*rest", api.get="/a/:x/b/:x"'
    idl = f'struct R {{ 1: i32 x (api.path="x"), 2: i32 y (api.path="y") }}\nservice S {{ void f(1: R r) ({routes}) }}'
    paths = described(idl)["paths"]
    assert list(paths) == ["/a/{x}", "/v{major}/b", "/files/{rest}", "/a/{x}/b/{x_}"]
    # One path, one name; the type is that of the field which asks for the route's own name.
    assert paths["/a/{x}"]["put"]["parameters"][0]["schema"] == I32
    named = {each["name"]: each["schema"] for each in paths["/a/{x}/b/{x_}"]["get"]["parameters"]}
    assert named["x_"] == I32
    assert named["x"] == {"type": "string", "minLength": 1}


def test_a_tail_is_a_parameter_that_may_have_slashes():
    (rest,) = operation('1: string rest (api.path="rest")', 'api.get="/files/*rest"')["parameters"]
    assert rest["schema"] == {"type": "string"}
    assert "slashes" in rest["description"]


def test_any_is_every_verb_that_no_other_route_has():
    item = described(f'{ECHO}service S {{ void f(1: R r) (api.any="/f") }}')["paths"]["/f"]
    assert set(item) == {"get", "post", "put", "patch", "delete", "head", "options"}
    assert len({each["operationId"] for each in item.values()}) == 7


def test_a_route_that_openapi_cannot_tell_from_another_is_named_as_left_out():
    idl = f'{ECHO}service S {{ void f(1: R r) (api.get="/a/:x") void g(1: R r) (api.get="/a/*x", api.post="/a/*x") }}'
    found = described(idl)
    assert found["x-tgw-unlisted"] == ["GET /a/*x"]
    assert set(found["paths"]["/a/{x}"]) == {"get", "post"}


def test_what_two_services_have_in_common_is_one_and_what_differs_is_told_apart():
    base = "struct Base { 1: string id }\n"
    files = {
        "base.thrift": base,
        "one.thrift": 'include "base.thrift"\nstruct R { 1: base.Base b }\nservice S { R f(1: R r) (api.post="/1") }',
        "two.thrift": 'include "base.thrift"\nstruct R { 1: base.Base b, 2: i32 n }\n'
        'service S { R f(1: R r) (api.post="/2") }',
    }
    services = [
        compile_service(name, load(f"{name}.thrift", files.__getitem__).schema, MappingSettings())
        for name in ("one", "two")
    ]
    found = document_of(*services)
    assert set(found["components"]["schemas"]) == {
        *("one.R", "one.RInput", "two.R", "two.RInput", "Base", "BaseInput", "Problem")
    }
    ids = [each["operationId"] for item in found["paths"].values() for each in item.values()]
    assert ids == ["one.S_f", "two.S_f"]
    assert [tag["name"] for tag in found["tags"]] == ["one.S", "two.S"]


def test_a_document_of_one_service_leaves_the_others_out():
    one, two = (service_of(f'{ECHO}service S {{ void f(1: R r) (api.get="/{n}") }}', n) for n in ("one", "two"))
    mapping, _ = join([one, two])
    assert list(Document([two], mapping.routes, About()).whole()["paths"]) == ["/two"]


def test_doc_comments_are_what_people_read():
    idl = """
    // What it asks.
    struct R {
        1: i32 n (api.query="n", api.vd="$<5; msg:'small'") // How many.
    }
    // Serves.
    service S {
        // Counts things. Up to five.
        //
        // Slowly.
        void f(1: R r) (api.get="/f")
        // Only this.
        void g(1: R r) (api.get="/g")
        void h(1: R r) (api.get="/h")
    }
    """
    found = described(idl, title="Things", version="2.1", servers=("https://api.example.com",))
    assert (found["info"], found["servers"]) == (
        {"title": "Things", "version": "2.1"},
        [{"url": "https://api.example.com"}],
    )
    assert found["tags"] == [{"name": "S", "description": "Serves."}]
    f, g, h = (found["paths"][path]["get"] for path in ("/f", "/g", "/h"))
    assert (f["summary"], f["description"]) == ("Counts things", "Counts things. Up to five.\n\nSlowly.")
    assert (g["summary"], "description" in g) == ("Only this", False)
    assert h["summary"] == "h"
    assert f["parameters"][0]["description"] == "How many.\n\nsmall"


def test_json_calls_are_described_if_wanted():
    idl = """
    struct R {
        1: required i64 n (api.query="q", api.vd="$<5"), 2: string hidden (api.none="true"), 3: string k (api.key="kk")
    }
    exception E { 1: i32 code = 404 (api.http_code="true") }
    service S { R f(1: R r) throws (1: E e), void g(1: string s) }
    """
    assert described(idl)["paths"] == {}
    found = described(idl, calls=True)
    call = resolved(found, found["paths"]["/gateway/svc/f"]["post"])
    assert call["operationId"] == "fCall"
    fields = body(call)["properties"]
    assert list(fields) == ["n", "hidden", "k"]
    assert [each.get("exclusiveMaximum") for each in fields["n"]["anyOf"]] == [5, None]
    assert body(call)["required"] == ["n"]
    answer = call["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(answer["properties"]) == ["n", "k"]
    assert list(call["responses"]["500"]["content"]["application/json"]["schema"]["properties"]) == ["code"]
    assert list(found["paths"]["/gateway/svc/g"]["post"]["requestBody"]["content"]) == [
        "application/json",
        "text/plain",
    ]
    assert found["paths"]["/gateway/svc/g"]["post"]["responses"]["200"]["content"] == {
        "application/json": {"schema": {"type": "null"}}
    }
