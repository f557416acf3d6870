"""A mapping: files compiled one by one, joined with one owner for each route, and asked for plans."""

from __future__ import annotations

import pytest

from tests.mapped import ACK, Mapped, request, schema_of, service_of
from txgateway.core.annotations import Surroundings
from txgateway.core.errors import IdlError, NotFound, StreamingUnsupported, VerbNotAllowed
from txgateway.core.linker import load
from txgateway.core.mapping import Mapping, compile_service, join


def service(routes, name="svc", more=""):
    methods = "\n".join(f"Ack m{number}(1: R r) ({route})" for number, route in enumerate(routes))
    return service_of(f"{ACK}struct R {{ 1: optional string s }}\n{more}\nservice S {{ {methods} }}", name)


def complaints(error):
    return [(each.position.line, each.message) for each in error.value.diagnostics]


def test_every_verb_and_every_path_is_a_route():
    verbs = ("get", "post", "put", "delete", "patch", "options", "head", "any")
    mapped = service([f'api.{verb}="/{verb}/:s"' for verb in verbs] + ['api.get="a", API.GET="/b", api.post="/b"'])
    assert [(route.verb, route.path) for route in mapped.routes] == [
        *((verb.upper(), f"/{verb}/:s") for verb in verbs),
        ("GET", "/a"),
        ("GET", "/b"),
        ("POST", "/b"),
    ]
    assert (mapped.routes[0].plan.service, mapped.routes[0].plan.wire_name) == ("svc", b"m0")


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (['api.get="/a"', 'api.get="/a"'], "GET /a of m1 is already a route of m0"),
        (['api.get="/a/:x"', 'api.get="/a/:y"'], "GET /a/:y of m1 is already a route of m0"),
        (['api.any="/a"', 'api.get="/a"'], "GET /a of m1 is already a route of m0"),
        (['api.get="/a"', 'api.any="/a"'], "ANY /a of m1 is already a route of m0"),
        (['api.get=""'], "m0: a route needs a path"),
        (['api.get="/a/:"'], "has no name"),
        (['api.get="/a/:x:y"'], "two parameters"),
        (['api.get="/a/*x/b"'], "only stand at the end"),
    ],
)
def test_a_bad_route_refuses_the_file_with_its_place(routes, message):
    with pytest.raises(IdlError) as refused:
        service(routes)
    ((line, told),) = complaints(refused)
    assert message in told
    assert line == 4 + len(routes) - 1


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(IdlError) as refused:
        service(['api.get=""', 'api.get="/a"', 'api.get="/a"', 'api.post="/*"'])
    assert len(complaints(refused)) == 3


def test_a_complaint_shows_its_line():
    idl = f'{ACK}service S {{\n    Ack f() (api.get="")\n}}'
    lines = idl.splitlines()
    with pytest.raises(IdlError) as refused:
        compile_service("svc", schema_of(idl), surroundings=Surroundings(lambda file, line: lines[line - 1]))
    assert refused.value.diagnostics[0].source == '    Ack f() (api.get="")'


@pytest.mark.parametrize(
    ("idl", "message"),
    [
        ("struct A {}", "declares no service"),
        ('struct A { 1: i32 n (api.vd="$ <<< 1") }\nservice S { void f(1: A a) (api.get="/x") }', "the rule of A.n"),
        ('struct A { 1: uuid n }\nservice S { void f(1: A a) (api.get="/x") }', "cannot carry uuid"),
        ('struct A { 1: map<list<i32>, i32> n }\nservice S { A f() (api.get="/x") }', "a key that is a container"),
    ],
)
def test_what_cannot_be_served_is_refused(idl, message):
    with pytest.raises(IdlError, match=message):
        service_of(idl)


def test_the_same_route_twice_on_one_method_is_harmless():
    assert len(service(['api.get="/a", api.get="/a", api.any="/b", api.get="/b"']).routes) == 3


def test_a_method_inherited_within_the_file_keeps_its_route():
    mapped = service_of(
        f'{ACK}service P {{ Ack p() (api.get="/p") }}\nservice C extends P {{ Ack c() (api.get="/c") }}'
    )
    assert [(route.path, route.plan.idl_service) for route in mapped.routes] == [("/p", "P"), ("/c", "C")]


def test_files_are_joined_and_a_later_one_is_refused_whole():
    first, second, third = (
        service(['api.get="/a"'], "first"),
        service(['api.get="/b"', 'api.get="/a"'], "second"),
        service(['api.get="/b"'], "third"),
    )
    mapping, refused = join([first, second, third])
    assert mapping.services == ("first", "third")
    assert [route.plan.service for route in mapping.routes] == ["first", "third"]
    (error,) = refused
    (diagnostic,) = error.diagnostics
    assert (diagnostic.position.file, diagnostic.hint) == ("second.thrift", "which is at first.thrift:4:29")


def test_two_files_cannot_have_one_name():
    mapping, (refused,) = join([service([], "svc"), service([], "svc")])
    assert mapping.services == ("svc",)
    assert "serves 'svc' already" in refused.diagnostics[0].message


@pytest.mark.parametrize("order", [("child", "parent"), ("parent", "child")])
def test_a_method_inherited_from_another_file_is_served_by_that_one(order):
    files = {
        "parent.thrift": f'{ACK}service P {{ Ack p() (api.get="/p") }}',
        "child.thrift": 'include "parent.thrift"\nservice C extends parent.P { parent.Ack c() (api.get="/c") }',
    }
    compiled = [compile_service(name, load(f"{name}.thrift", files.__getitem__).schema) for name in order]
    mapping, refused = join(compiled)
    assert not refused
    assert {route.path: route.plan.service for route in mapping.routes} == {"/p": "parent", "/c": "child"}
    alone, _ = join(each for each in compiled if each.name == "child")
    assert {route.path: route.plan.service for route in alone.routes} == {"/p": "child", "/c": "child"}
    assert alone.generic("child", "p").method.name == "p"


def test_an_empty_mapping_serves_nothing():
    with pytest.raises(NotFound):
        Mapping().route(request("GET", "/"))
    assert join([])[0].services == ()


TWO = Mapped.of(
    f"""{ACK}
    struct R {{ 1: optional string s (api.query="s") }}
    service First {{ Ack same(1: R r) (api.get="/first"), Ack alone() }}
    service Second {{ Ack same(1: R r) (api.get="/second") }}"""
)


def test_services_of_a_file_may_share_a_method_s_name():
    assert TWO.mapping.route(request("GET", "/first"))[0].plan.idl_service == "First"
    assert TWO.mapping.route(request("GET", "/second"))[0].plan.idl_service == "Second"
    assert TWO.mapping.generic("svc", "same").idl_service == "Second"
    assert TWO.mapping.generic("svc", "First.same").idl_service == "First"
    assert TWO.mapping.generic("svc", "alone").idl_service == "First"


@pytest.mark.parametrize(
    ("target", "detail"),
    [
        ("/gateway/none/same", "There is no service 'none'"),
        ("/gateway/svc/none", "The service svc has no method 'none'"),
        ("/gateway/svc", "has no method ''"),
        ("/gateway/svc/same/more", "has the path /gateway/<service>/<method>"),
        ("/gateway/%FF/same", "There is no service"),
    ],
)
def test_an_unknown_json_call_is_not_found(target, detail):
    with pytest.raises(NotFound) as refused:
        TWO.mapping.route_generic(request("POST", target))
    assert detail in refused.value.detail


def test_a_json_call_is_a_post():
    with pytest.raises(VerbNotAllowed):
        TWO.mapping.route_generic(request("GET", "/gateway/svc/same"))
    plan, path = TWO.mapping.route_generic(request("POST", "/gateway/svc/First%2Esame"))
    assert (plan.idl_service, plan.enveloped, dict(path)) == ("First", False, {})


def test_the_old_form_has_a_plan_of_its_own():
    plan, _ = TWO.mapping.route_generic(request("POST", "/gateway/svc/same", None, '{"biz_params": "{}"}'))
    assert plan.enveloped


def test_a_streaming_method_is_known_but_not_called():
    mapped = Mapped.of(
        f"""{ACK}struct R {{ 1: optional string s }}
        service S {{
            Ack both(1: R r) (api.get="/both", streaming.mode="bidirectional")
            Ack one(1: R r) (api.get="/one", streaming.mode="unary")
        }}"""
    )
    assert isinstance(mapped.refused("GET", "/both"), StreamingUnsupported)
    assert isinstance(mapped.refused_call("both", "{}"), StreamingUnsupported)
    assert mapped.sent("GET", "/one?s=x") == {"1:struct": {"1:string": "x"}}


def test_warnings_tell_what_will_hardly_do_what_was_meant():
    mapped = service_of(
        f"""{ACK}
        struct In {{
            1: optional string q (api.query="q"), 2: optional i32 n (api.vd="$>0")
            3: optional string d (api.key="q")
        }}
        struct R {{
            1: optional In inner, 2: optional i64 j (api.js_conv="false"), 3: optional string a (api.body="same")
            4: optional string b (api.body="same"), 5: optional In again
        }}
        struct Resp {{ 1: optional string l (api.header="Content-Length"), 2: optional string x (api.header="a b") }}
        service S {{ Resp f(1: R r, 2: i32 more) (api.post="/x") }}"""
    )
    assert [each.message for each in mapped.warnings] == [
        "f has 2 arguments; only r is sent",
        "b and a share the JSON key 'same'",
        "api.header is passed over: the header Content-Length is the HTTP server's own",
        "api.header is passed over: 'a b' is no name of a header",
        "api.js_conv is on whatever its value; 'false' does not switch it off",
        "api.query counts only in the outermost struct; In is inside another",
        "d and q share the JSON key 'q'",
    ]


def test_a_source_inside_is_warned_of_only_where_it_does_not_count():
    idl = f"""{ACK}
    struct Deep {{ 1: optional string h (api.header="h"), 2: optional string b (api.body="b") }}
    struct In {{ 1: optional string q (api.query="q"), 2: optional Deep deep (api.no_body_struct="true") }}
    struct R {{ 1: optional In inner%s }}
    service S {{ Ack f(1: R r) (api.post="/x") }}"""
    first, *_ = service_of(idl % "").warnings
    assert first.message == "api.query counts only in the outermost struct; In is inside another"
    assert first.hint == "api.no_body_struct on the field that holds In makes it count"
    filled = service_of(idl % ' (api.no_body_struct="true")').warnings
    assert [each.message for each in filled] == ["api.body counts only in the outermost struct; Deep is inside another"]
