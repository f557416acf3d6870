"""A request to arguments: sources and their order, types, presence, bodies, and how a misfit is told."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapped import ACK, FORM, JSON, Mapped, request
from txgateway.core.errors import BadRequest, GatewayError, UnsupportedBody, ValidationFailed

MULTIPART = {"content-type": "multipart/form-data; boundary=XX"}


def mapped(fields, route='api.post="/x/:p", api.get="/x", api.post="/x"', more=""):
    return Mapped.of(f"{ACK}{more}\nstruct Req {{ {fields} }}\nservice S {{ Ack f(1: Req r) ({route}) }}")


def sent(mapped_, *request):
    return mapped_.sent(*request)["1:struct"]


ALL_SOURCES = mapped(
    'optional string v (api.raw_body="", api.header="v", api.body="v", api.cookie="v", api.query="v", '
    'api.form="v", api.path="p")'.replace("optional", "1: optional")
)


@pytest.mark.parametrize(
    ("target", "headers", "body", "wanted"),
    [
        ("/x/path?v=query", FORM | {"cookie": "v=cookie", "v": "header"}, "v=form", "path"),
        ("/x?v=query", FORM | {"cookie": "v=cookie", "v": "header"}, "v=form", "form"),
        ("/x?v=query", JSON | {"cookie": "v=cookie", "v": "header"}, '{"v": "json"}', "query"),
        ("/x", JSON | {"cookie": "v=cookie", "v": "header"}, '{"v": "json"}', "cookie"),
        ("/x", JSON | {"v": "header"}, '{"v": "json"}', "header"),
        ("/x", JSON, '{"v": "json"}', "json"),
        ("/x", JSON, '{"w": "json"}', '{"w": "json"}'),
        ("/x?v=", JSON | {"cookie": "v=cookie"}, "{}", ""),
    ],
)
def test_sources_are_asked_in_one_order_whatever_the_written_one(target, headers, body, wanted):
    assert sent(ALL_SOURCES, "POST", target, headers, body) == {"1:string": wanted}


def test_an_absent_source_leaves_the_field_to_the_next():
    page = mapped('1: i32 page = 1 (api.query="page", api.body="page")')
    assert sent(page, "POST", "/x", JSON, '{"page": 5}') == {"1:i32": 5}
    assert sent(page, "POST", "/x?page=5") == {"1:i32": 5}
    assert sent(page, "POST", "/x?page=", JSON, '{"page": 5}') == {"1:i32": 5}
    assert sent(page, "POST", "/x", JSON, '{"page": 0}') == {"1:i32": 0}
    assert sent(page, "POST", "/x") == {"1:i32": 1}


PLAIN = mapped("1: optional i32 n, 2: optional string s (go.tag='json:\"t\"'), 3: optional list<string> l")


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_a_plain_field_is_in_the_query_if_there_is_no_body(verb):
    assert sent(PLAIN, verb, "/x?n=5&t=x&s=y&l=a,b", {"n": "6", "cookie": "n=7"}) == {
        "1:i32": 5,
        "2:string": "x",
        "3:list<string>": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("headers", "body"), [(JSON, "{}"), (FORM, "m=1"), ({}, "null"), (JSON, '{"n": null}'), (FORM, "n=")]
)
def test_a_plain_field_is_in_the_body_alone_if_there_is_one(headers, body):
    assert sent(PLAIN, "POST", "/x?n=5", headers, body) == {}


def test_a_plain_field_of_a_form_goes_by_its_json_key():
    assert sent(PLAIN, "POST", "/x", FORM, "n=5&t=x&s=y&l=a&l=b") == {
        "1:i32": 5,
        "2:string": "x",
        "3:list<string>": ["a", "b"],
    }


def test_annotation_keys_ignore_case():
    assert sent(mapped('1: optional string v (API.Query="v")'), "GET", "/x?v=1") == {"1:string": "1"}


def test_one_source_may_have_several_keys():
    twice = mapped('1: optional string v (api.query="a", api.query="b")')
    assert sent(twice, "GET", "/x?b=2") == {"1:string": "2"}
    assert sent(twice, "GET", "/x?b=2&a=1") == {"1:string": "1"}


TEXTS = mapped(
    """
    1: optional bool b (api.query="b"), 2: optional i8 i8v (api.query="i8v"), 3: optional i64 i64v (api.query="i64v")
    4: optional double d (api.query="d"), 5: optional string s (api.query="s"), 6: optional binary y (api.query="y")
    7: optional K k (api.query="k"), 8: optional list<i32> li (api.query="li")
    9: optional set<string> ss (api.query="ss")
    10: optional map<string, i32> m (api.query="m"), 11: optional P p (api.query="p")
    12: optional list<list<i32>> ll (api.query="ll"), 13: optional list<binary> lb (api.query="lb")
    14: optional list<P> lp (api.query="lp"), 15: optional set<P> sp (api.query="sp")
    """,
    more="enum K { A = 1 }\nstruct P { 1: optional i32 x }",
)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (
            "b=T&i8v=-128&i64v=9007199254740993&d=1e3",
            {"1:bool": True, "2:i8": -128, "3:i64": "9007199254740993", "4:double": 1000.0},
        ),
        ("s=a&s=b", {"5:string": "a"}),
        ("s=%FF", {"5:string": {"b64": "/w=="}}),
        ("y=aGk=", {"6:string": "aGk="}),
        ("k=99", {"7:i32": 99}),
        ("b=&i8v&i64v=&d=&y=&k=&li=&ss=&m=&p=&ll=&lp=", {}),
        ("s=", {"5:string": ""}),
        ("li=1&li=2,3&li=", {"8:list<i32>": [1, 2, 3]}),
        ("li=[1,2]", {"8:list<i32>": [1, 2]}),
        ("ss=b,a,b&ss=a", {"9:set<string>": ["b", "a"]}),
        ("ss=[x", {"9:set<string>": ["[x"]}),
        ('ss=["x","x"]', {"9:set<string>": ["x"]}),
        ("ss=[1]", {"9:set<string>": ["[1]"]}),
        ("lb=%FF,a", {"13:list<string>": [{"b64": "/w=="}, "a"]}),
        ('m={"a":1}', {"10:map<string,i32>": [["a", 1]]}),
        ('p={"x":1}', {"11:struct": {"1:i32": 1}}),
        ("ll=[[1],[]]", {"12:list<list>": [{"list<i32>": [1]}, {"list<i32>": []}]}),
        ('lp=[{"x":1}]', {"14:list<struct>": [{"1:i32": 1}]}),
        ('sp=[{"x":1},{"x":1},{}]', {"15:set<struct>": [{"1:i32": 1}, {}]}),
        ("li[]=1&p.x=1&unknown=2", {}),
    ],
)
def test_texts_become_values(query, wanted):
    assert sent(TEXTS, "GET", f"/x?{query}") == wanted


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("b=yes", "query parameter 'b': expected a bool (true or false, t or f, 1 or 0), got 'yes'"),
        ("i8v=128", "query parameter 'i8v': expected an i8 (-128 to 127), got '128'"),
        ("k=A", "query parameter 'k': expected a number of K (-2147483648 to 2147483647), got 'A'"),
        ("li=1,%202", "query parameter 'li': expected an i32 (-2147483648 to 2147483647), got ' 2'"),
        ("li=1,2,", "query parameter 'li': expected an i32 (-2147483648 to 2147483647), got ''"),
        ('li=[1,"2"]', "query parameter 'li': expected an i32 (-2147483648 to 2147483647), got the text '2'"),
        ("m=1", "query parameter 'm': expected an object, got the number 1"),
        ("m=x", "query parameter 'm': expected JSON text, got 'x'"),
        ('p={"x":"1"}', "query parameter 'p': expected an i32 (-2147483648 to 2147483647), got the text '1'"),
    ],
)
def test_a_text_that_does_not_fit_is_told_with_its_source(query, detail):
    error = TEXTS.refused("GET", f"/x?{query}")
    assert (error.status, error.detail) == (400, detail)


def test_the_field_is_named_down_to_the_element():
    assert TEXTS.refused("GET", "/x?li=1,x").members["field"] == "li[1]"
    assert TEXTS.refused("GET", '/x?lp=[{},{"x":true}]').members["field"] == "lp[1].x"


def test_blanks_are_no_part_of_a_header_s_items():
    header = mapped('1: optional list<string> l (api.header="X-L"), 2: optional i32 n (api.header="x-n")')
    assert sent(header, "GET", "/x", {"x-l": "a, b ,c", "x-n": "7"}) == {"1:list<string>": ["a", "b", "c"], "2:i32": 7}
    assert header.refused("GET", "/x", {"x-n": "4x"}).detail.startswith("header 'x-n': expected an i32")


BODY = mapped(
    """
    1: optional bool b, 2: optional i8 i8v, 3: optional i64 i64v, 4: optional double d, 5: optional string s
    6: optional binary y, 7: optional K k, 8: optional list<i32> li, 9: optional set<i32> si
    10: optional map<i8, string> m8, 11: optional map<bool, i32> mb, 12: optional map<double, i32> md
    13: optional map<K, P> mk, 14: optional map<binary, i32> my, 15: optional map<P, i32> mp, 16: optional P p
    17: optional list<P> lp, 18: optional U u, 19: optional set<list<i32>> sl, 20: optional set<map<string, i32>> sm
    21: optional i64 j (api.js_conv="true"), 22: optional list<map<string, i64>> lj (api.js_conv="true")
    23: optional double dj (api.js_conv="true"), 24: optional bool bj (api.js_conv="true"), 25: optional T t
    """,
    more="""
    enum K { A = 1 }
    struct P { 1: optional i32 x, 2: optional P next }
    union U { 1: i32 n, 2: string s }
    struct T {
        1: required i32 must, 2: optional i32 may (go.tag='json:"tagged,omitempty"')
        3: optional i32 off (api.none="true")
    }
    """,
)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            '{"b": true, "i8v": -128, "i64v": 9223372036854775807}',
            {"1:bool": True, "2:i8": -128, "3:i64": "9223372036854775807"},
        ),
        ('{"d": 3, "s": "\\u00e9"}', {"4:double": 3.0, "5:string": "é"}),
        ('{"y": "aGk="}', {"6:string": "hi"}),
        ('{"k": 99, "li": [], "si": [2, 1, 2]}', {"7:i32": 99, "8:list<i32>": [], "9:set<i32>": [2, 1]}),
        (
            '{"m8": {"-3": "x"}, "mb": {"true": 1, "false": 2}}',
            {"10:map<i8,string>": [[-3, "x"]], "11:map<bool,i32>": [[True, 1], [False, 2]]},
        ),
        (
            '{"md": {"1.5": 1}, "mk": {"5": {"x": 1}}}',
            {"12:map<double,i32>": [[1.5, 1]], "13:map<i32,struct>": [[5, {"1:i32": 1}]]},
        ),
        (
            '{"my": {"k": 1}, "mp": [[{"x": 1}, 2]]}',
            {"14:map<string,i32>": [["k", 1]], "15:map<struct,i32>": [[{"1:i32": 1}, 2]]},
        ),
        ('{"p": {"x": 1, "next": {"x": 2, "unknown": 3}}}', {"16:struct": {"1:i32": 1, "2:struct": {"1:i32": 2}}}),
        ('{"u": {"s": "x", "n": null}}', {"18:struct": {"2:string": "x"}}),
        (
            '{"sl": [[1], [1], []], "sm": [{"a": 1}, {"a": 1}]}',
            {"19:set<list>": [{"list<i32>": [1]}, {"list<i32>": []}], "20:set<map>": [{"map<string,i32>": [["a", 1]]}]},
        ),
        (
            '{"j": "9223372036854775807", "lj": [{"a": "1", "b": 2}]}',
            {"21:i64": "9223372036854775807", "22:list<map>": [{"map<string,i64>": [["a", "1"], ["b", "2"]]}]},
        ),
        ('{"dj": "1.5", "bj": "true"}', {"23:double": 1.5, "24:bool": True}),
        ('{"t": {"must": 1, "tagged": 2, "may": 3, "off": 4}}', {"25:struct": {"1:i32": 1, "2:i32": 2}}),
        ('{"B": true, "s": null}', {}),
        ("", {}),
        ("null", {}),
    ],
)
def test_json_becomes_values(body, wanted):
    assert sent(BODY, "POST", "/x", JSON, body) == wanted


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ('{"i8v": 300}', "i8v", "field i8v: expected an i8 (-128 to 127), got the number 300"),
        ('{"i64v": 9223372036854775808}', "i64v", "got the number 9223372036854775808"),
        ('{"i64v": 1.0}', "i64v", "got the number 1.0"),
        ('{"i64v": 1e3}', "i64v", "got the number 1000.0"),
        ('{"i64v": "5"}', "i64v", "got the text '5'"),
        ('{"i8v": true}', "i8v", "got true"),
        ('{"b": 1}', "b", "field b: expected a bool, got the number 1"),
        ('{"b": "true"}', "b", "got the text 'true'"),
        ('{"d": true}', "d", "field d: expected a double, got true"),
        ('{"d": "1"}', "d", "got the text '1'"),
        ('{"s": 5}', "s", "field s: expected a string, got the number 5"),
        ('{"s": {"a": 1}}', "s", "got an object"),
        ('{"y": "not base64!"}', "y", "field y: expected base64 text"),
        ('{"y": "aGk"}', "y", "expected base64 text"),
        ('{"k": "A"}', "k", "field k: expected a number of K"),
        ('{"li": 5}', "li", "field li: expected an array, got the number 5"),
        ('{"li": "1,2"}', "li", "expected an array"),
        ('{"li": [1, null]}', "li[1]", "field li[1]: expected an i32"),
        ('{"si": [4294967296]}', "si[0]", "field si[0]: expected an i32"),
        ('{"m8": {"300": "x"}}', "m8['300']", "field m8['300']: expected an i8 as the key"),
        ('{"m8": {"3": null}}', "m8['3']", "field m8['3']: expected a string, got null"),
        ('{"mb": {"1": 1}}', "mb['1']", "expected true or false as the key"),
        ('{"mk": {"A": {}}}', "mk['A']", "expected a number of K as the key"),
        ('{"mp": {"x": 1}}', "mp", "expected an array of [key, value] pairs, got an object"),
        ('{"mp": [[{}]]}', "mp[0]", "expected a [key, value] pair, got an array"),
        ('{"p": [1]}', "p", "field p: expected an object, got an array"),
        ('{"lp": [{}, {"next": {"x": "1"}}]}', "lp[1].next.x", "field lp[1].next.x: expected an i32"),
        ('{"u": {}}', "u", "field u: expected exactly one member of U, got none"),
        ('{"u": {"n": 1, "s": "x"}}', "u", "got n, s"),
        ('{"j": "abc"}', "j", "field j: expected an i64"),
        ('{"j": ""}', "j", "got ''"),
        ('{"j": "9223372036854775808"}', "j", "expected an i64"),
        ('{"lj": [{"a": "x"}]}', "lj[0]['a']", "field lj[0]['a']: expected an i64"),
        ('{"t": {}}', "t.must", "field t.must: is required"),
        ('{"t": {"must": null}}', "t.must", "field t.must: is required"),
    ],
)
def test_json_that_does_not_fit_is_told_with_its_place(body, field, detail):
    error = BODY.refused("POST", "/x", JSON, body)
    assert (type(error), error.members["field"]) == (BadRequest, field)
    assert detail in error.detail


def test_what_came_is_shown_shortened():
    error = BODY.refused("POST", "/x", JSON, json.dumps({"i8v": "x" * 10_000}))
    assert len(error.detail) < 150
    error = BODY.refused("POST", "/x", JSON, json.dumps({"m8": {"9" * 10_000: "x"}}))
    assert len(error.detail) < 250


def test_levels_are_bounded():
    def nested(levels):
        return '{"next": ' * levels + '{"x": 1}' + "}" * levels

    # The arguments and the request are levels as well.
    assert sent(BODY, "POST", "/x", JSON, f'{{"p": {nested(61)}}}')
    for levels in (62, 63, 300):
        error = BODY.refused("POST", "/x", JSON, f'{{"p": {nested(levels)}}}')
        assert isinstance(error, BadRequest)
        assert "expected fewer levels" in error.detail


PRESENCE = mapped(
    """
    1: required i32 r, 2: optional i32 o, 3: i32 d, 4: optional i32 od = 12, 5: i32 dd = 13, 6: string s
    7: list<i32> l, 8: map<string, i32> m, 9: In inner, 10: optional In oi, 11: list<string> ld = ["a"]
    12: required i32 rd = 5
    """,
    more="struct In { 1: optional i32 a, 2: i32 b = 9, 3: In again }",
)
ABSENT = {
    "3:i32": 0,
    "5:i32": 13,
    "6:string": "",
    "7:list<i32>": [],
    "8:map<string,i32>": [],
    "9:struct": {},
    "11:list<string>": ["a"],
    "12:i32": 5,
}


def test_absent_fields_are_sent_by_their_requiredness():
    assert sent(PRESENCE, "POST", "/x", JSON, '{"r": 1}') == ABSENT | {"1:i32": 1}
    nulls = dict.fromkeys(("o", "d", "od", "dd", "s", "l", "m", "inner", "oi", "ld", "rd"))
    assert sent(PRESENCE, "POST", "/x", JSON, json.dumps({"r": 1} | nulls)) == ABSENT | {"1:i32": 1}
    inside = {"2:i32": 9, "3:struct": {}}
    given_ = sent(PRESENCE, "POST", "/x", JSON, '{"r": 1, "inner": {}, "oi": {}}')
    assert given_ == ABSENT | {"1:i32": 1, "9:struct": inside, "10:struct": inside}


@pytest.mark.parametrize("body", ["{}", '{"r": null}', "null", ""])
def test_a_required_field_without_a_value_is_refused(body):
    error = PRESENCE.refused("POST", "/x", JSON, body)
    assert (error.status, error.detail, error.members) == (400, "field r: is required", {"field": "r"})


def test_a_required_field_inside_an_absent_struct_is_not_missed():
    nested = mapped("1: optional In inner, 2: In other", more="struct In { 1: required i32 must }")
    assert sent(nested, "POST", "/x", JSON, "{}") == {"2:struct": {}}


RAW = mapped('1: optional binary raw (api.raw_body="true"), 2: optional i32 n, 3: optional string q (api.query="q")')
RAW_ALONE = mapped('1: optional string raw (api.raw_body="true"), 2: optional string q (api.query="q")')


@pytest.mark.parametrize(
    ("mapped_", "headers", "body", "wanted"),
    [
        (RAW, {"content-type": "application/octet-stream"}, b"\0\xff", {"1:string": {"b64": "AP8="}}),
        (RAW, JSON, b'{"n": 5}', {"1:string": '{"n": 5}', "2:i32": 5}),
        (RAW, FORM, b"n=5", {"1:string": "n=5", "2:i32": 5}),
        (RAW, {}, b"no json", {"1:string": "no json"}),
        (RAW_ALONE, JSON, b"no json", {"1:string": "no json"}),
        (RAW_ALONE, {"content-type": "text/plain"}, b"hello", {"1:string": "hello"}),
        (RAW_ALONE, MULTIPART, b"broken", {"1:string": "broken"}),
        (RAW_ALONE, {}, b"", {}),
    ],
)
def test_a_raw_body_is_taken_as_it_is(mapped_, headers, body, wanted):
    assert sent(mapped_, "POST", "/x", headers, body) == wanted


def test_a_body_announced_as_json_that_fields_wait_for_must_be_json():
    assert isinstance(RAW.refused("POST", "/x", JSON, "no json"), BadRequest)


def test_a_raw_body_may_be_a_list_of_bytes():
    assert sent(mapped('1: list<i8> raw (api.raw_body="true")'), "POST", "/x", {}, b"\x00\x7f\xff") == {
        "1:list<i8>": [0, 127, -1]
    }


def test_the_raw_uri_is_the_target_as_sent():
    assert sent(mapped('1: string u (api.raw_uri="true")'), "GET", "/x?a=%20&b") == {"1:string": "/x?a=%20&b"}


FORMS = mapped(
    """
    1: optional string orig (api.form="named"), 2: optional list<i32> li (api.form="li")
    3: optional i32 n (api.body="num")
    """
)


@pytest.mark.parametrize(
    ("target", "headers", "body", "wanted"),
    [
        ("/x", FORM, "named=x&li=1&li=2,3&num=7", {"1:string": "x", "2:list<i32>": [1, 2, 3], "3:i32": 7}),
        ("/x", FORM, "orig=x&n=7", {}),
        ("/x", JSON, '{"named": "x", "num": 7}', {"1:string": "x", "3:i32": 7}),
        ("/x", JSON, '{"orig": "x", "n": 7}', {"1:string": "x"}),
        ("/x?named=q&num=7", {}, "", {"1:string": "q"}),
        ("/x?named=q", FORM, "named=f", {"1:string": "f"}),
        (
            "/x",
            MULTIPART,
            '--XX\r\nContent-Disposition: form-data; name="named"\r\n\r\na b\r\n--XX--\r\n',
            {"1:string": "a b"},
        ),
        (
            "/x",
            MULTIPART,
            '--XX\r\nContent-Disposition: form-data; name="named"; filename="f"\r\n\r\na b\r\n--XX--\r\n',
            {},
        ),
    ],
)
def test_forms_and_their_fields(target, headers, body, wanted):
    assert sent(FORMS, "POST", target, headers, body) == wanted


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/mixed"])
def test_a_body_of_another_kind_is_refused_where_fields_wait_for_one(content_type):
    headers = {"content-type": content_type}
    assert isinstance(FORMS.refused("POST", "/x", headers, "{}"), UnsupportedBody)
    assert isinstance(PLAIN.refused("POST", "/x", headers, "{}"), UnsupportedBody)
    query = mapped('1: optional string q (api.query="q")')
    assert sent(query, "POST", "/x?q=1", headers, "{}") == {"1:string": "1"}


def test_a_path_value_is_checked_with_and_without_a_body():
    typed = mapped('1: i32 id (api.path="p"), 2: optional i32 n')
    for headers, body in (({}, ""), (JSON, '{"n": 1}')):
        assert typed.refused("POST", "/x/abc", headers, body).detail.startswith("path parameter 'p': expected an i32")


def test_a_hidden_field_is_not_bound():
    hidden = mapped(
        """
        1: optional string a (api.none="true"), 2: optional string b (go.tag='json:"-"')
        3: optional string c (go.tag='json:"-"', api.query="c")
        4: required i32 d (api.none="true")"""
    )
    assert sent(hidden, "POST", "/x?a=1&b=1&c=1", JSON, '{"a": "1", "b": "1", "c": "2", "-": "3", "d": 4}') == {
        "3:string": "1",
        "4:i32": 0,
    }


def test_a_struct_may_be_filled_by_its_own_sources():
    idl = """struct NB {
        1: optional string q (api.query="q"), 2: optional i32 h (api.header="h")
        3: optional list<i32> l (api.query="l"), 4: optional string plain, 5: i32 d = 4
    }"""
    bodiless = mapped('1: optional NB nb (api.no_body_struct="true")', more=idl)
    assert sent(bodiless, "POST", "/x?q=Q&plain=p", JSON, '{"nb": {"q": "no"}, "plain": "p"}') == {
        "1:struct": {"1:string": "Q", "2:i32": 0, "4:string": "", "5:i32": 4}
    }
    assert bodiless.refused("POST", "/x", {"h": "x"}).members["field"] == "nb.h"


def test_two_fields_may_share_a_key():
    shared = mapped('1: optional string a (api.body="same"), 2: optional string b (api.body="same")')
    assert sent(shared, "POST", "/x", JSON, '{"same": "x"}') == {"1:string": "x", "2:string": "x"}


def test_a_union_may_be_the_request():
    union = Mapped.of(
        f'{ACK}union U {{ 1: i32 n (api.query="n"), 2: string s }}\nservice S {{ Ack f(1: U u) (api.get="/x") }}'
    )
    assert union.sent("GET", "/x?n=1") == {"1:struct": {"1:i32": 1}}
    assert union.refused("GET", "/x").detail == "The body: expected exactly one member of U, got none"


ARITY = Mapped.of(
    f"""{ACK}
    service S {{
        Ack none() (api.get="/none")
        Ack text(1: string s) (api.post="/text", api.get="/text")
        Ack number(7: i64 n) (api.post="/number", api.get="/number")
        Ack many(1: list<i32> l) (api.post="/many")
        Ack placed(1: i32 id (api.path="id")) (api.get="/placed/:id")
        Ack must(1: required string s) (api.post="/must")
        Ack two(1: i32 a, 2: i32 b) (api.get="/two")
        Ack preset(1: i32 a = 5) (api.get="/preset")
        Ack whole(1: binary b (api.raw_body="true")) (api.post="/whole")
        Ack asked(1: string s (api.query="s")) (api.post="/asked")
    }}"""
)


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (("GET", "/none"), {}),
        (("POST", "/text", JSON, '"hi"'), {"1:string": "hi"}),
        (("GET", "/text?s=hi"), {"1:string": "hi"}),
        (("POST", "/text", FORM, "s=hi"), {"1:string": "hi"}),
        (("GET", "/text"), {"1:string": ""}),
        (("POST", "/number", JSON, "9007199254740993"), {"7:i64": "9007199254740993"}),
        (("POST", "/many", JSON, "[1, 2]"), {"1:list<i32>": [1, 2]}),
        (("GET", "/placed/5"), {"1:i32": 5}),
        (("GET", "/two?a=1&b=2"), {"1:i32": 1}),
        (("GET", "/preset"), {"1:i32": 5}),
        (("POST", "/whole", {"content-type": "text/plain"}, "hi"), {"1:string": "hi"}),
        (("POST", "/whole", JSON, "{"), {"1:string": "{"}),
        (("POST", "/asked?s=x", {"content-type": "text/plain"}, "hi"), {"1:string": "x"}),
        (("POST", "/asked?s=x", {"content-type": "multipart/form-data"}, "hi"), {"1:string": "x"}),
    ],
)
def test_an_argument_need_be_no_struct(request_, wanted):
    assert ARITY.sent(*request_) == wanted


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (("POST", "/text", JSON, "5"), "field s: expected a string, got the number 5"),
        (("GET", "/number?n=x"), "parameter 'n': expected an i64"),
        (("POST", "/many", JSON, '[1, "x"]'), "field l[1]: expected an i32"),
        (("GET", "/placed/x"), "path parameter 'id': expected an i32"),
        (("POST", "/must"), "field s: is required"),
        (("POST", "/text", {"content-type": "text/plain"}, "hi"), "The body must be JSON or a form"),
    ],
)
def test_an_argument_that_does_not_fit_is_told(request_, detail):
    assert detail in ARITY.refused(*request_).detail


@pytest.mark.parametrize(
    ("method", "body", "wanted"),
    [
        ("none", "anything", {}),
        ("text", '"hi"', {"1:string": "hi"}),
        ("text", "hi", {"1:string": "hi"}),
        ("number", '"7"', {"7:i64": "7"}),
        ("two", "1", {"1:i32": 1}),
        ("preset", "", {"1:i32": 5}),
    ],
)
def test_a_json_call_needs_no_struct_either(method, body, wanted):
    assert ARITY.called(method, body) == wanted


CALL = Mapped.of(
    f"""{ACK}
    struct In {{ 1: optional i64 n, 2: optional string t (go.tag='json:"tag"'), 3: optional string k (api.key="kk") }}
    struct Req {{
        1: required i32 num (api.query="no", api.body="b"), 2: optional In inner
        3: optional string hidden (api.none="true"), 4: optional double d (api.js_conv="true")
        5: optional binary y, 6: optional bool b, 7: optional list<i32> l
    }}
    struct Own {{ 1: optional string biz_params }}
    service S {{ Ack f(1: Req r), Ack own(1: Own r) }}"""
)


def test_a_json_call_names_fields_as_the_idl_does():
    inner = {"n": "7", "tag": "x", "k": "y", "kk": "z"}
    body = {"num": "5", "inner": inner, "hidden": "h", "d": "1.5", "y": "aGk=", "l": ["1", 2]}
    assert CALL.called("f", json.dumps(body))["1:struct"] == {
        "1:i32": 5,
        "2:struct": {"1:i64": "7", "2:string": "x", "3:string": "y"},
        "3:string": "h",
        "4:double": 1.5,
        "5:string": "hi",
        "7:list<i32>": [1, 2],
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"no": 5}', "field num: is required"),
        ("", "field num: is required"),
        ("[1]", "The body: expected an object, got an array"),
        ('{"num": 300000000000}', "field num: expected an i32"),
        ('{"num": 1, "b": "true"}', "field b: expected a bool"),
        ('{"num": 1', "The body is not valid JSON"),
    ],
)
def test_a_json_call_is_as_strict(body, detail):
    assert detail in CALL.refused_call("f", body).detail


def test_the_old_form_of_a_json_call_holds_its_json_as_text():
    assert CALL.called("f", json.dumps({"biz_params": '{"num": 5}'})) == {"1:struct": {"1:i32": 5}}
    assert "num: is required" in CALL.refused_call("f", json.dumps({"biz_params": '{"num": 5}', "more": 1})).detail
    assert "not valid JSON" in CALL.refused_call("f", '{"biz_params": "{"}').detail
    assert "num: is required" in CALL.refused_call("f", '{"biz_params": {"num": 5}}').detail
    assert CALL.called("own", '{"biz_params": "{}"}') == {"1:struct": {"1:string": "{}"}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
field_names = st.sampled_from(
    ["b", "i8v", "i64v", "d", "s", "y", "k", "li", "si", "m8", "mb", "mp", "p", "lp", "u", "t", "j"]
)


@settings(max_examples=200)
@given(st.dictionaries(field_names, json_values, max_size=4))
def test_any_json_is_sent_or_refused(body):
    with suppress(GatewayError):
        sent(BODY, "POST", "/x", JSON, json.dumps(body))


@settings(max_examples=200)
@given(
    st.binary(max_size=40),
    st.binary(max_size=20),
    st.sampled_from(["", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=XX"]),
    st.dictionaries(st.sampled_from(["v", "cookie", "x-l", "h"]), st.binary(max_size=12), max_size=2),
)
def test_any_bytes_are_bound_or_refused(body, query, content_type, headers):
    for each in (TEXTS, BODY, ALL_SOURCES, RAW, FORMS, PRESENCE):
        with suppress(GatewayError):
            plan, path = each.mapping.routes[-1].plan, {}
            asked = request("POST", b"/x?" + query, headers | {"content-type": content_type}, body)
            plan.encode(plan.bind(asked, path))


def test_a_rule_sees_a_map_whose_keys_hold_lists_and_maps():
    mapped = Mapped.of(
        """
        struct Key { 1: list<i32> parts, 2: map<string, i32> more }
        struct Q { 1: map<Key, string> names, 2: string short (api.query="short", api.vd="len((names)$) < 2") }
        service S { Ack f(1: Q q) (api.post="/f") }
        """
        + ACK
    )
    one, other = '[{"parts": [1], "more": {"a": 1}}, "x"]', '[{"parts": [2], "more": {"a": 1}}, "x"]'
    sent = mapped.sent("POST", "/f", JSON, f'{{"names": [{one}]}}')
    assert sent == mapped.sent("POST", "/f", JSON, f'{{"names": [{one}, {one}]}}')
    assert isinstance(mapped.refused("POST", "/f", JSON, f'{{"names": [{one}, {other}]}}'), ValidationFailed)
