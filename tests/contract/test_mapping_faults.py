"""What people met in other gateways: each kind of fault, tried from the HTTP bytes to the Thrift bytes and back.

Threads are named as owner/repository#number.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from attrs import frozen

from tests.mapped import ACK, Mapped
from tests.recorded.front_door import FrontDoor
from tests.recorded.http import Tree, read_struct
from tests.wire_trees import encode
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.loading import load_mapping
from txgateway.core.mapping import Mapping
from txgateway.core.message import MessageType, Response
from txgateway.net.http import http_servers
from txgateway.testing import Answer, Conduct

http_servers.load()

Body = str | bytes | None

FORM = "application/x-www-form-urlencoded"
I32 = "expected an i32 (-2147483648 to 2147483647)"
MOST, LEAST = 2**63 - 1, -(2**63)
# The first whole number that a double cannot hold.
FIRST = 2**53 + 1
# Bytes that are not UTF-8; as a wire tree, and in base64.
RAW, RAW_64 = {"hex": "fffe"}, "//4="


@frozen
class Door:
    """A gateway of one mapping; what reached the service behind it, and what came back."""

    front: FrontDoor

    def ask(self, verb: str, target: str | bytes, body: Body = None, kind: str = "application/json") -> Response:
        path = target.encode() if isinstance(target, str) else target
        if body is None:
            return self.front.send(verb, path, [], b"")
        content = body.encode() if isinstance(body, str) else body
        return self.front.send(verb, path, [(b"Content-Type", kind.encode())], content)

    def sent(self, verb: str, target: str | bytes, body: Body = None, kind: str = "application/json") -> Tree:
        """The argument struct that a request sends."""
        self.front.answers(encode([[0, "struct", []]]))
        response = self.ask(verb, target, body, kind)
        assert response.status == 200, response
        (call,) = self.front.server.received
        return read_struct(call.payload)

    def refused(self, verb: str, target: str | bytes, body: Body = None, kind: str = "application/json") -> Any:
        """The problem that a request is told of; the service has not been called."""
        self.front.answers(Conduct.SILENCE)
        response = self.ask(verb, target, body, kind)
        assert not self.front.server.received
        return problem(response)

    def answered(self, answer: Answer, target: str, verb: str = "GET", body: Body = None) -> Response:
        """What becomes of the service's answer."""
        self.front.answers(answer)
        response = self.ask(verb, target, body)
        assert len(self.front.server.received) == 1
        return response

    def result(self, target: str, *fields: Any) -> Any:
        """The JSON that a result struct with these fields becomes."""
        response = self.answered(encode([[0, "struct", list(fields)]]), target)
        assert response.status == 200, response
        return json.loads(response.body)


def problem(response: Response) -> Any:
    assert header(response, "content-type") == "application/problem+json"
    document = json.loads(response.body)
    assert document["status"] == response.status
    return document


def header(response: Response, name: str) -> str | None:
    return next((value.decode() for key, value in response.headers if key == name.encode()), None)


@cache
def door(idl: str, server: str) -> Door:
    return Door(FrontDoor(Mapped.of(idl).mapping, server))


@pytest.fixture(params=list(http_servers))
def server(request):
    return request.param


@pytest.fixture
def books(server):
    return door(BOOKS, server)


BOOKS = """
enum Binding { PAPERBACK = 0, HARDBACK = 1 }
struct Key { 1: required i32 a, 2: optional string b }
struct Ask {
    1: optional list<i32> ids (api.query="ids"), 2: optional i32 num (api.query="num", api.body="num")
    3: i32 page = 1 (api.query="page", api.body="page"), 4: optional i64 big (api.query="big", api.body="big")
    5: optional Binding binding (api.query="binding", api.body="binding")
    6: optional list<i64> bigs (api.body="bigs"), 7: optional map<i64, i64> by_big (api.body="by_big")
    8: optional i64 as_text (api.body="as_text", api.js_conv="true"), 9: optional string text (api.body="text")
}
struct Got {
    1: optional string text, 2: optional binary bytes, 3: optional i64 big, 4: optional list<i64> bigs
    5: optional map<i64, i64> by_big, 6: optional i64 as_text (api.js_conv="true"), 7: optional i32 num
    8: optional Binding binding, 9: optional map<Key, string> by_key, 10: optional set<Key> keys
    11: optional map<bool, i32> by_flag, 12: optional map<double, string> by_double, 13: optional double price
}
exception NotFound { 1: string msg, 2: i32 status = 404 (api.http_code="true") }
exception Withdrawn { 1: string msg, 2: i32 status = 404 (api.http_code="true") }
exception Broken { 1: string msg }
struct ById { 1: required i32 id (api.path="id"), 2: optional string title (api.body="title") }
struct ByName { 1: required string name (api.path="name") }
service Books {
    Got ask(1: Ask ask) throws (1: NotFound gone, 2: Withdrawn withdrawn, 3: Broken broken)
        (api.get="/ask", api.post="/ask")
    Got name(1: ByName by) (api.get="/name/:name")
    Got change(1: ById by) (api.post="/book/:id")
    Got insert(1: Ask ask) (api.post="/insert/", api.get="/insert/")
}
"""


# One value, many values


GATHERED = f"""{ACK}
struct Ask {{
    1: optional list<i32> ids (api.cookie="id"), 2: optional i32 num (api.cookie="id")
    3: optional map<string, i32> counts (api.query="counts"), 4: optional Ack nested (api.query="ack")
    5: required list<list<i32>> rows (api.query="rows", api.body="rows")
}}
service S {{ Ack ask(1: Ask ask) (api.post="/ask") }}
"""


def test_a_list_of_cookies_has_each_of_them_and_a_number_the_first(server):
    gathered = door(GATHERED, server)
    gathered.front.answers(encode([[0, "struct", []]]))
    cookies = [(b"Cookie", b'id=3,4; id="5"'), (b"Cookie", b"id=6")]
    assert gathered.front.send("POST", b"/ask?rows=[]", cookies, b"").status == 400
    gathered.front.send("POST", b"/ask?rows=[]", [(b"Cookie", b'id=3; id="4,5"'), (b"Cookie", b"id=6")], b"")
    (call,) = gathered.front.server.received
    assert read_struct(call.payload) == {"1:struct": {"1:list<i32>": [3, 4, 5, 6], "2:i32": 3, "5:list<list>": []}}


def test_null_as_the_text_of_a_source_is_no_value(server):
    gathered = door(GATHERED, server)
    target = "/ask?counts=null&ack=null&rows=null"
    assert gathered.sent("POST", target, '{"rows": [[1]]}') == {"1:struct": {"5:list<list>": [{"list<i32>": [1]}]}}
    assert gathered.refused("POST", target, '{"rows": null}')["detail"] == "field rows: is required"
    assert gathered.refused("POST", "/ask?rows=[null]")["field"] == "rows[0]"


def test_half_a_pair_of_surrogates_is_replaced_in_the_text_of_a_source_as_in_a_body(server):
    gathered = door(GATHERED, server)
    assert gathered.sent("POST", r'/ask?rows=[]&counts={"\ud800":1}')["1:struct"]["3:map<string,i32>"] == [
        ["\ufffd", 1]
    ]


def test_an_annotation_without_a_key_means_the_name_of_the_field(server):
    named = door(
        f"""{ACK}
        struct Ask {{
            1: optional string a (api.body=""), 2: optional string b (api.body="", go.tag='json:"bb"')
            3: optional string c (api.form=""), 4: optional string d (api.query="")
        }}
        service S {{ Ask ask(1: Ask ask) (api.post="/ask") }}
        """,
        server,
    )
    sent = {"1:struct": {"1:string": "1", "2:string": "2", "3:string": "3", "4:string": "4"}}
    assert named.sent("POST", "/ask?d=4", '{"a": "1", "bb": "2", "c": "3"}') == sent
    answer = encode([[0, "struct", [[1, "string", "1"], [2, "string", "2"]]]])
    assert json.loads(named.answered(answer, "/ask", "POST").body) == {"a": "1", "bb": "2"}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("ids=1", [1]),
        ("ids=1&ids=2", [1, 2]),
        ("ids=1,2", [1, 2]),
        ("ids=1,2&ids=3", [1, 2, 3]),
        ("ids=[0,1]", [0, 1]),
        ("ids=%5B%5D", []),
    ],
)
def test_a_list_in_the_query_is_a_list_however_often_it_is_given(books, query, ids):
    # Kong/kong#14907, grpc-ecosystem/grpc-gateway#2971, envoyproxy/envoy#32143
    assert books.sent("GET", f"/ask?{query}")["1:struct"]["1:list<i32>"] == ids


def test_an_empty_text_is_no_list(books):
    assert books.sent("GET", "/ask?ids=") == {"1:struct": {"3:i32": 1}}


@pytest.mark.parametrize("query", ["ids=1,x", "ids=1,,2", "ids=[0,1]&ids=2", "ids=[0,[1]]", "ids=1;2"])
def test_an_item_that_is_none_is_refused(books, query):
    document = books.refused("GET", f"/ask?{query}")
    assert (document["status"], document["field"][:4]) == (400, "ids[")


# Numbers


NO_NUMBERS = ["a", "0x10", "1e2", "7.0", "+7", "%207", "7%20", "1_0", "%EF%BC%97", "%D9%A7", "true", "--7", "7%00"]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "2147483648", "-2147483649", "9" * 500])
def test_a_number_is_decimal_digits_and_fits_or_is_refused(books, text):
    # apache/apisix#11355
    document = books.refused("GET", f"/ask?num={text}")
    assert (document["status"], document["field"]) == (400, "num")
    assert document["detail"].startswith(f"query parameter 'num': {I32}, got ")


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("-7", -7), ("%2B7", 7), ("007", 7), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31))],
)
def test_a_number_may_have_a_sign_and_zeros_in_front(books, text, number):
    assert books.sent("GET", f"/ask?num={text}")["1:struct"]["2:i32"] == number


@pytest.mark.parametrize("value", ["7.5", "7.0", "1e2", '"7"', "true", "[7]", "{}", "2147483648", "-2147483649"])
def test_a_number_in_json_is_a_whole_number_that_fits_or_is_refused(books, value):
    document = books.refused("POST", "/ask", f'{{"num": {value}}}')
    assert (document["status"], document["field"]) == (400, "num")
    assert document["detail"].startswith(f"field num: {I32}, got ")


@pytest.mark.parametrize("number", [FIRST, MOST, LEAST, 10**6, 10**15])
def test_long_numbers_keep_every_digit_on_the_way_in(books, number):
    # grpc-ecosystem/grpc-gateway#438, TremblingV5/DouTok#135, krakend/krakend-jose#85
    sent = books.sent("POST", "/ask", json.dumps({"big": number, "bigs": [number], "by_big": {number: number}}))
    text = str(number)
    expected = {"3:i32": 1, "4:i64": text, "6:list<i64>": [text], "7:map<i64,i64>": [[text, text]]}
    assert sent == {"1:struct": expected}
    assert books.sent("GET", f"/ask?big={number}")["1:struct"]["4:i64"] == text


@pytest.mark.parametrize("number", [FIRST, MOST, LEAST, 10**6, 10**15])
def test_long_numbers_keep_every_digit_on_the_way_out(books, number):
    pairs = {"key": "i64", "value": "i64", "pairs": [[number, number]]}
    fields = [[3, "i64", number], [4, "list", {"of": "i64", "items": [number]}], [5, "map", pairs]]
    response = books.answered(encode([[0, "struct", fields]]), "/ask")
    # As text: a reader of JSON might round what a wrong writer wrote.
    assert response.body.decode() == f'{{"big":{number},"bigs":[{number}],"by_big":{{"{number}":{number}}}}}'


def test_long_numbers_are_text_where_the_idl_says_so_and_come_in_either_form(books):
    for written in (FIRST, str(FIRST)):
        assert books.sent("POST", "/ask", json.dumps({"as_text": written}))["1:struct"]["8:i64"] == str(FIRST)
    assert books.result("/ask", [6, "i64", FIRST]) == {"as_text": str(FIRST)}


def test_numbers_beyond_64_bits_are_refused(books):
    for value in (str(MOST + 1), str(LEAST - 1), "1e15"):
        assert books.refused("POST", "/ask", f'{{"big": {value}}}')["field"] == "big"


DRIFT = f"""{ACK}
struct Ask {{ 1: optional i32 num (api.body="num"), 2: optional bool flag, 3: optional i64 conv (api.js_conv="true") }}
service S {{ Ack ask(1: Ask ask) (api.post="/ask") }}
"""


def test_a_form_has_text_and_json_has_numbers(server):
    # cloudwego/kitex#1090
    drift = door(DRIFT, server)
    numbers = {"1:struct": {"1:i32": 7, "2:bool": True, "3:i64": "9"}}
    assert drift.sent("POST", "/ask", "num=7&flag=true&conv=9", FORM) == numbers
    assert drift.sent("POST", "/ask", '{"num": 7, "flag": true, "conv": "9"}') == numbers
    assert drift.refused("POST", "/ask", '{"num": "7"}')["field"] == "num"
    assert drift.refused("POST", "/ask", '{"flag": "true"}')["field"] == "flag"
    assert drift.refused("POST", "/ask", "num=x", FORM)["detail"] == f"form field 'num': {I32}, got 'x'"


def test_a_json_call_takes_digits_as_text_too(server):
    drift = door(DRIFT, server)
    assert drift.sent("POST", "/gateway/svc/ask", '{"num": "7"}') == {"1:struct": {"1:i32": 7}}
    assert drift.refused("POST", "/gateway/svc/ask", '{"num": "x"}')["field"] == "num"


# Absent, null, default


PRESENCE = f"""{ACK}
struct Inner {{ 1: required i32 must, 2: i32 plain, 3: optional i32 may, 4: i32 preset = 4 }}
struct Must {{ 1: required i32 a (api.vd="$<100") }}
struct Plain {{
    1: i32 a, 2: string s, 3: list<i32> l, 4: map<string, i32> m, 5: Ack k, 6: bool b, 7: double d, 8: i64 n
    9: i32 preset = 5, 10: set<i32> t, 11: binary y
}}
struct May {{ 1: optional i32 a, 2: optional Inner inner, 3: optional i32 preset = 5 }}
struct Ruled {{ 1: optional i32 Num (api.vd="$<100; msg:'too large'") }}
struct Lenient {{ 1: optional i32 Num (api.vd="$==nil || $<100") }}
struct Deep {{ 1: optional list<Inner> many, 2: optional map<string, Inner> named, 3: optional Inner one }}
service S {{
    Ack must(1: Must a) (api.post="/must"), Ack plain(1: Plain a) (api.post="/plain")
    Ack may(1: May a) (api.post="/may"), Ack ruled(1: Ruled a) (api.post="/ruled")
    Ack lenient(1: Lenient a) (api.post="/lenient"), Ack deep(1: Deep a) (api.post="/deep")
}}
"""
ZEROS = {
    "1:i32": 0,
    "2:string": "",
    "3:list<i32>": [],
    "4:map<string,i32>": [],
    "5:struct": {},
    "6:bool": False,
    "7:double": 0.0,
    "8:i64": "0",
    "9:i32": 5,
    "10:set<i32>": [],
    "11:string": "",
}


@pytest.fixture
def presence(server):
    return door(PRESENCE, server)


@pytest.mark.parametrize("body", ['{"a": null}', "{}", None])
def test_null_is_absent_and_so_not_enough_for_what_is_required(presence, body):
    # cloudwego/hertz#1021
    document = presence.refused("POST", "/must", body)
    assert (document["status"], document["field"], document["detail"]) == (400, "a", "field a: is required")


@pytest.mark.parametrize("body", ['{"Num": null}', "{}", None])
def test_null_passes_no_rule_that_wants_a_value(presence, body):
    document = presence.refused("POST", "/ruled", body)
    assert (document["status"], document["field"], document["detail"]) == (400, "Num", "too large")


@pytest.mark.parametrize("body", ['{"a": null, "inner": null, "preset": null}', "{}", None])
def test_null_for_what_is_optional_sends_nothing(presence, body):
    assert presence.sent("POST", "/may", body) == {"1:struct": {}}
    assert presence.sent("POST", "/lenient", '{"Num": null}') == {"1:struct": {}}


@pytest.mark.parametrize(
    ("request_", "page"),
    [
        (("POST", "/ask", '{"page": 5}'), 5),
        (("GET", "/ask?page=5"), 5),
        (("GET", "/ask"), 1),
        (("POST", "/ask", "{}"), 1),
        (("POST", "/ask", '{"page": 0}'), 0),
        (("GET", "/ask?page=0"), 0),
        (("POST", "/ask", '{"page": null}'), 1),
        (("POST", "/ask?page=7", '{"page": null}'), 7),
        (("POST", "/gateway/svc/ask", '{"page": 5}'), 5),
        (("POST", "/gateway/svc/ask", "{}"), 1),
    ],
)
def test_a_default_gives_way_to_any_value_wherever_it_comes_from(books, request_, page):
    # cloudwego/hertz#1098, #1088, #1222, #1056
    assert books.sent(*request_)["1:struct"] == {"3:i32": page}


@pytest.mark.parametrize("body", ["{}", None])
def test_what_is_absent_is_written_by_its_requiredness(presence, body):
    # cloudwego/kitex#750, #592, #1572
    assert presence.sent("POST", "/plain", body)["1:struct"] == ZEROS
    assert presence.sent("POST", "/may", body) == {"1:struct": {}}
    assert presence.refused("POST", "/must", body)["status"] == 400
    inner = {"1:i32": 1, "2:i32": 0, "4:i32": 4}
    assert presence.sent("POST", "/may", '{"inner": {"must": 1}}') == {"1:struct": {"2:struct": inner}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"one": {}}', "one.must"),
        ('{"one": {"must": null}}', "one.must"),
        ('{"many": [{"must": 1}, {"may": 2}]}', "many[1].must"),
        ('{"named": {"k": {}}}', "named['k'].must"),
    ],
)
def test_a_required_field_is_missed_at_any_depth_before_a_byte_is_sent(presence, body, field):
    # Thriftpy/thriftpy2#119, Thriftpy/thriftpy#146
    for target in ("/deep", "/gateway/svc/deep"):
        document = presence.refused("POST", target, body)
        assert (document["status"], document["field"], document["detail"]) == (
            400,
            field,
            f"field {field}: is required",
        )


# Texts and bytes


def test_a_text_that_is_none_never_passes_for_one(books):
    # Thriftpy/thriftpy2#227, #142
    document = problem(books.answered(encode([[0, "struct", [[1, "string", RAW]]]]), "/ask"))
    assert (document["status"], document["detail"]) == (502, "A text in the reply is not UTF-8")
    assert books.result("/ask", [2, "string", RAW]) == {"bytes": RAW_64}
    document = books.refused("POST", "/ask", b'{"text": "\xff\xfe"}')
    assert (document["status"], document["detail"]) == (400, "The body is not valid JSON (line 1, column 1)")


BYTES = """
struct Inner { 1: optional binary y }
struct Ask {
    1: optional binary y (api.query="y", api.body="y"), 2: optional list<binary> many, 3: optional Inner inner
    4: optional map<string, binary> named, 5: optional set<binary> some
}
struct Got {
    1: optional binary y, 2: optional list<binary> many, 3: optional Inner inner
    4: optional map<string, binary> named, 5: optional set<binary> some
}
service S { Got ask(1: Ask ask) (api.get="/ask", api.post="/ask") }
"""
EVERYWHERE = {"y": RAW_64, "many": [RAW_64], "inner": {"y": RAW_64}, "named": {"a": RAW_64}, "some": [RAW_64]}


@pytest.mark.parametrize("target", ["/ask", "/gateway/svc/ask"])
def test_bytes_are_base64_wherever_they_stand_in_json(server, target):
    # cloudwego/kitex#188, #332
    raw = {"b64": RAW_64}
    assert door(BYTES, server).sent("POST", target, json.dumps(EVERYWHERE))["1:struct"] == {
        "1:string": raw,
        "2:list<string>": [raw],
        "3:struct": {"1:string": raw},
        "4:map<string,string>": [["a", raw]],
        "5:set<string>": [raw],
    }
    pairs = {"key": "string", "value": "string", "pairs": [["a", RAW]]}
    some = {"of": "string", "items": [RAW]}
    fields = [[1, "string", RAW], [2, "list", some], [3, "struct", [[1, "string", RAW]]], [4, "map", pairs]]
    reply = encode([[0, "struct", [*fields, [5, "set", some]]]])
    assert json.loads(door(BYTES, server).answered(reply, target, "POST", "{}").body) == EVERYWHERE


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"y": "*"}, "y"),
        ({"y": "//4"}, "y"),
        ({"many": ["", "*"]}, "many[1]"),
        ({"inner": {"y": "*"}}, "inner.y"),
        ({"named": {"a": "*"}}, "named['a']"),
        ({"some": ["*"]}, "some[0]"),
    ],
)
@pytest.mark.parametrize("target", ["/ask", "/gateway/svc/ask"])
def test_what_is_no_base64_is_refused(server, target, body, field):
    document = door(BYTES, server).refused("POST", target, json.dumps(body))
    assert (document["status"], document["field"]) == (400, field)
    assert document["detail"].startswith(f"field {field}: expected base64 text, got the text ")


def test_bytes_in_a_query_are_as_they_are(server):
    assert door(BYTES, server).sent("GET", "/ask?y=%ff%fe") == {"1:struct": {"1:string": {"b64": RAW_64}}}
    assert door(BYTES, server).sent("GET", "/ask?y=Ly80PQ%3D%3D") == {"1:struct": {"1:string": "Ly80PQ=="}}


# Containers and enums


def test_a_map_is_an_object_or_where_its_keys_are_structs_a_list_of_pairs(books):
    # Thriftpy/thriftpy2#135, #331, #368
    one, two = [[1, "i32", 1], [2, "string", "x"]], [[1, "i32", 2]]
    assert books.result(
        "/ask",
        [9, "map", {"key": "struct", "value": "string", "pairs": [[one, "v"], [two, "w"]]}],
        [10, "set", {"of": "struct", "items": [one, two]}],
        [5, "map", {"key": "i64", "value": "i64", "pairs": [[-5, 6]]}],
        [11, "map", {"key": "bool", "value": "i32", "pairs": [[True, 1], [False, 0]]}],
        [12, "map", {"key": "double", "value": "string", "pairs": [[1.5, "x"]]}],
    ) == {
        "by_key": [[{"a": 1, "b": "x"}, "v"], [{"a": 2}, "w"]],
        "keys": [{"a": 1, "b": "x"}, {"a": 2}],
        "by_big": {"-5": 6},
        "by_flag": {"true": 1, "false": 0},
        "by_double": {"1.5": "x"},
    }


KEYS = f"""{ACK}
struct Key {{ 1: required i32 a, 2: optional string b }}
struct Ask {{
    1: optional map<Key, string> by_key, 2: optional set<Key> keys, 3: optional map<bool, i32> by_flag
    4: optional map<double, string> by_double, 5: optional map<i8, i32> by_byte
}}
service S {{ Ack ask(1: Ask ask) (api.post="/ask") }}
"""


def test_the_same_forms_of_maps_come_in(server):
    keys = door(KEYS, server)
    pairs = {"by_key": [[{"a": 1, "b": "x"}, "v"]], "keys": [{"a": 1}, {"a": 1}]}
    texts = {"by_flag": {"true": 1}, "by_double": {"1.5": "x"}, "by_byte": {"-5": 6}}
    assert keys.sent("POST", "/ask", json.dumps(pairs | texts))["1:struct"] == {
        "1:map<struct,string>": [[{"1:i32": 1, "2:string": "x"}, "v"]],
        "2:set<struct>": [{"1:i32": 1}],
        "3:map<bool,i32>": [[True, 1]],
        "4:map<double,string>": [[1.5, "x"]],
        "5:map<i8,i32>": [[-5, 6]],
    }
    for body in ('{"by_byte": {"x": 1}}', '{"by_byte": {"200": 1}}', '{"by_flag": {"7": 1}}', '{"by_key": {"a": "v"}}'):
        assert keys.refused("POST", "/ask", body)["status"] == 400
    assert keys.refused("POST", "/ask", '{"by_key": [[{"b": "x"}, "v"]]}')["field"] == "by_key[0].a"


def test_an_enum_is_its_number_both_ways_and_no_name_is_dropped_in_silence(books):
    # Thriftpy/thriftpy2#214
    for number in (1, 99):
        assert books.sent("POST", "/ask", f'{{"binding": {number}}}')["1:struct"]["5:i32"] == number
        assert books.sent("GET", f"/ask?binding={number}")["1:struct"]["5:i32"] == number
        assert books.result("/ask", [8, "i32", number]) == {"binding": number}
    for name in ("HARDBACK", "hardback", "99"):
        document = books.refused("POST", "/ask", f'{{"binding": "{name}"}}')
        assert (document["status"], document["field"]) == (400, "binding")
        assert "expected a number of Binding" in document["detail"]
    assert books.refused("GET", "/ask?binding=HARDBACK")["status"] == 400


# Types of the same name


def test_files_of_one_name_in_two_folders_keep_their_own_types(server):
    # Thriftpy/thriftpy2#381, #292
    service = """
    include "types.thrift"
    struct Ask { 1: optional types.Id id (api.body="id") }
    service S { types.Id ask(1: Ask ask) (api.post="/%s") }
    """
    files = {
        "a/cats.thrift": service % "cats",
        "b/dogs.thrift": service % "dogs",
        "a/types.thrift": "struct Id { 1: optional i32 number }",
        "b/types.thrift": "struct Id { 7: optional string text }",
    }

    def opened() -> Door:
        loaded = load_mapping(["a/cats.thrift", "b/dogs.thrift"], files.__getitem__)
        assert not loaded.diagnostics
        return Door(FrontDoor(loaded.mapping, server))

    for _ in range(2):
        both = opened()
        assert both.sent("POST", "/cats", '{"id": {"number": 5}}') == {"1:struct": {"1:struct": {"1:i32": 5}}}
        assert both.sent("POST", "/dogs", '{"id": {"text": "x"}}') == {"1:struct": {"1:struct": {"7:string": "x"}}}
        assert both.refused("POST", "/cats", '{"id": {"number": "x"}}')["field"] == "id.number"
    files["a/types.thrift"] = "struct Id { 2: optional i64 number }"
    again = opened()
    assert again.sent("POST", "/cats", '{"id": {"number": 5}}') == {"1:struct": {"1:struct": {"2:i64": "5"}}}
    assert again.sent("POST", "/dogs", '{"id": {"text": "x"}}') == {"1:struct": {"1:struct": {"7:string": "x"}}}


# Which status


def test_each_mistake_of_a_request_has_the_status_that_names_it(books):
    # envoyproxy/envoy#9395, #5010
    assert books.sent("GET", "/ask?unknown=1&num=7")["1:struct"]["2:i32"] == 7
    assert books.refused("GET", "/nothing")["status"] == 404
    assert books.refused("PUT", "/ask", "{}")["status"] == 405
    assert books.refused("POST", "/ask", "<ask/>", "text/xml")["status"] == 415
    assert books.refused("POST", "/nothing", "<ask/>", "text/xml")["status"] == 404
    assert books.refused("GET", "/ask?num=x")["status"] == 400


# A piece of a library's, a language's or a machine's own words.
INSIDE = (
    "python",
    "traceback",
    "orjson",
    "valueerror",
    "thriftpy",
    "twisted",
    "file ",
    "127.0.0.1",
    "10.0.0.1",
    "int()",
)


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (("GET", "/ask?num=abc"), f"query parameter 'num': {I32}, got 'abc'"),
        (("POST", "/ask", '{"num": abc}'), "The body is not valid JSON (line 1, column 9)"),
        (("POST", "/ask", '{"num": 7,\n "page": 1'), "The body is not valid JSON (line 2, column 11)"),
        (("POST", "/ask", "[" * 100_000), "The body is not valid JSON"),
        (("POST", "/ask", "[1]"), "The body must be a JSON object, not an array"),
        (("POST", "/gateway/svc/ask", "{"), "The body is not valid JSON (line 1, column 2)"),
    ],
    ids=lambda each: str(each)[:60],
)
def test_a_mistake_is_told_in_our_own_words_with_its_place(books, request_, detail):
    # grpc-ecosystem/grpc-gateway#5787
    document = books.refused(*request_)
    assert document["status"] == 400
    assert document["detail"].startswith(detail)
    assert not [word for word in INSIDE if word in json.dumps(document).lower()]


@pytest.mark.parametrize(
    "answer",
    [ApplicationError(6, "ValueError at 10.0.0.1:9000"), Conduct.CLOSE, b"", b"\x0c\0", b"\0", encode([[0, "i32", 1]])],
    ids=["error", "close", "nothing", "half", "empty", "another type"],
)
def test_what_went_wrong_at_the_service_stays_inside(books, answer):
    document = problem(books.answered(answer, "/ask"))
    assert (document["status"], document["service"], document["method"]) == (502, "svc", "ask")
    assert not [word for word in INSIDE if word in json.dumps(document).lower()]


# Paths and verbs


def test_a_path_value_is_checked_whether_there_is_a_body_or_not(books):
    # envoyproxy/envoy#22926
    for body in (None, "{}", '{"title": "x"}'):
        document = books.refused("POST", "/book/x", body)
        assert (document["status"], document["field"]) == (400, "id")
        assert document["detail"] == f"path parameter 'id': {I32}, got 'x'"
        assert books.sent("POST", "/book/7", body)["1:struct"]["1:i32"] == 7


@pytest.mark.parametrize(
    ("segment", "name"),
    [("a%2Fb", "a/b"), ("a%2fb", "a/b"), ("a%252Fb", "a%2Fb"), ("a+b", "a+b"), ("%2F", "/"), ("a%3Fb", "a?b")],
)
def test_an_escaped_slash_is_data(books, segment, name):
    # pallets/werkzeug#477, bottlepy/bottle#450, apache/apisix#13626
    assert books.sent("GET", f"/name/{segment}") == {"1:struct": {"1:string": name}}


@pytest.mark.parametrize("segment", ["..", "%2e%2e", "%2E./", ".", "", "a/b"])
def test_no_segment_leads_out_of_its_route(books, segment):
    assert books.refused("GET", f"/name/{segment}")["status"] == 404


def test_a_path_is_bytes_that_mean_text(books):
    # twisted/klein#61, Kong/kong#2366
    assert books.sent("GET", "/name/f%C3%B6") == {"1:struct": {"1:string": "fö"}}
    assert books.sent("GET", "/name/%ff") == {"1:struct": {"1:string": {"b64": "/w=="}}}
    assert books.sent("GET", "/name/%zz") == {"1:struct": {"1:string": "%zz"}}
    assert books.refused("GET", "/f%C3%B6/x")["status"] == 404
    # Unescaped they are no HTTP.
    for raw in (b"/name/f\xc3\xb6", b"/name/\xff"):
        assert books.refused("GET", raw)["status"] == 400


@pytest.mark.parametrize("verb", ["DELETE", "PUT", "PATCH", "get", "BREW"])
def test_a_verb_that_a_path_does_not_take_reaches_nobody_and_is_told_which_it_does(books, verb):
    # twisted/klein#12, #579, twisted/twisted#3678
    books.front.answers(Conduct.SILENCE)
    response = books.ask(verb, "/ask")
    assert not books.front.server.received
    assert problem(response)["status"] == 405
    assert header(response, "allow") == "GET, HEAD, POST, OPTIONS"


def test_head_is_a_get_without_the_body(books):
    reply = encode([[0, "struct", [[7, "i32", 5]]]])
    head, get = books.answered(reply, "/ask?num=7", "HEAD"), books.answered(reply, "/ask?num=7")
    assert (get.status, get.body) == (200, b'{"num":5}')
    assert (head.status, head.body) == (200, b"")
    assert header(head, "content-length") == header(get, "content-length") == "9"
    assert header(head, "content-type") == header(get, "content-type")


def test_options_tells_the_verbs_and_calls_nobody(books):
    books.front.answers(Conduct.SILENCE)
    response = books.ask("OPTIONS", "/ask")
    assert (response.status, response.body) == (204, b"")
    assert header(response, "allow") == "GET, HEAD, POST, OPTIONS"
    assert not books.front.server.received
    assert books.refused("OPTIONS", "/nothing")["status"] == 404


def test_the_other_spelling_of_the_last_slash_redirects_and_costs_no_post_its_body(books):
    # cloudwego/hertz#1083
    assert books.sent("POST", "/insert/", '{"num": 7}')["1:struct"]["2:i32"] == 7
    books.front.answers(Conduct.SILENCE)
    # 307 has the client send the same verb and body again; 301 would make a GET of it.
    post, get = books.ask("POST", "/insert?a=1", '{"num": 7}'), books.ask("GET", "/ask/?num=7")
    assert (post.status, header(post, "location")) == (307, "/insert/?a=1")
    assert (get.status, header(get, "location")) == (301, "/ask?num=7")
    assert not books.front.server.received


# How a service says no


def test_a_declared_exception_has_its_own_status_and_fields(books):
    # cloudwego/kitex#511, #1396
    response = books.answered(encode([[1, "struct", [[1, "string", "none"]]]]), "/ask")
    assert (response.status, json.loads(response.body)) == (404, {"msg": "none"})
    response = books.answered(encode([[1, "struct", [[1, "string", "once"], [2, "i32", 410]]]]), "/ask")
    assert (response.status, json.loads(response.body)) == (410, {"msg": "once"})
    response = books.answered(encode([[3, "struct", [[1, "string", "leg"]]]]), "/ask")
    assert (response.status, json.loads(response.body)) == (500, {"msg": "leg"})


def test_exceptions_that_share_a_status_are_told_apart(books):
    # uber/zanzibar#173
    for number, name in ((1, "NotFound"), (2, "Withdrawn")):
        response = books.answered(encode([[number, "struct", [[1, "string", "none"]]]]), "/ask")
        assert (response.status, header(response, "x-thrift-exception")) == (404, name)


def test_what_nobody_declared_is_never_a_success(books):
    # cloudwego/kitex#1281, #1501
    undeclared = encode([[4, "struct", [[1, "string", "?"]]]])
    for answer in (undeclared, b"\0", ApplicationError(6, "internal"), ApplicationError(1, "unknown method")):
        assert problem(books.answered(answer, "/ask"))["status"] == 502


# Annotations that do nothing, or not what one thinks


def test_a_misspelt_annotation_is_told_with_its_place_and_a_way_out():
    # cloudwego/hertz#1494
    idl = f"""{ACK}struct Ask {{
    1: optional i32 n (api.validate="$>1")
    2: optional i32 m (api.qeury="m")
}}
service S {{ Ack ask(1: Ask ask) (api.get="/ask") }}
"""
    loaded = load_mapping(["svc.thrift"], {"svc.thrift": idl}.__getitem__)
    first, second = map(str, loaded.diagnostics)
    assert first.startswith("svc.thrift:3:24: warning: the annotation 'api.validate' is unknown and does nothing\n")
    assert second.startswith("svc.thrift:4:24: warning: the annotation 'api.qeury' is unknown and does nothing\n")
    assert second.endswith("did you mean 'api.query'?")
    # It is a warning: the service is served.
    mapping: Mapping = loaded.mapping
    assert list(mapping.services) == ["svc"]


NESTED = f"""{ACK}
struct Base {{ 1: required i64 sid (api.query="sid"), 2: optional string name (api.query="name") }}
struct Ask {{ 1: optional Base base %s, 2: optional string name (api.query="name"), 3: optional i64 sid }}
service S {{ Ack ask(1: Ask ask) (api.get="/ask", api.post="/ask") }}
"""


def test_the_query_fills_a_struct_inside_where_the_idl_says_so(server):
    # cloudwego/kitex#917
    nested = door(NESTED % '(api.no_body_struct="true")', server)
    filled = {"1:struct": {"1:i64": "5", "2:string": "x"}, "2:string": "x", "3:i64": "5"}
    assert nested.sent("GET", "/ask?sid=5&name=x") == {"1:struct": filled}
    assert nested.refused("GET", "/ask?sid=x")["field"] == "base.sid"


def test_where_it_does_not_say_so_fields_of_the_same_name_stay_apart(server):
    # grpc-ecosystem/grpc-gateway#3848, #492, #1448
    nested = door(NESTED % "", server)
    assert nested.sent("GET", "/ask?sid=5&name=x") == {"1:struct": {"2:string": "x", "3:i64": "5"}}
    assert nested.sent("GET", "/ask?base.sid=5&base.name=x") == {"1:struct": {}}
    inner, outer = {"1:i64": "1", "2:string": "in"}, {"2:string": "out", "3:i64": "9"}
    body = '{"base": {"sid": 1, "name": "in"}, "name": "out", "sid": 9}'
    assert nested.sent("POST", "/ask", body) == {"1:struct": {"1:struct": inner} | outer}
    # Nor does the query reach into what the body holds.
    assert nested.sent("POST", "/ask?sid=7&name=out", body) == {"1:struct": {"1:struct": inner} | outer}
    assert nested.sent("GET", "/ask?base=%7B%22sid%22:5%7D") == {"1:struct": {"1:struct": {"1:i64": "5"}}}


# Methods of any shape


ARITY = """
struct Nothing {}
service S {
    void ping() (api.get="/ping"), i32 add(1: i32 a, 2: i32 b) (api.get="/add"), i64 count() (api.get="/count")
    string echo(1: string s) (api.get="/echo"), list<i32> all() (api.get="/all")
    bool there(1: Nothing nothing) (api.get="/there"), oneway void note(1: string s) (api.post="/note")
}
"""


@pytest.mark.parametrize(
    ("target", "arguments", "result", "body"),
    [
        ("/ping", {}, [], "{}"),
        ("/count", {}, [[0, "i64", FIRST]], str(FIRST)),
        ("/echo?s=hi", {"1:string": "hi"}, [[0, "string", "hi"]], '"hi"'),
        ("/all", {}, [[0, "list", {"of": "i32", "items": [1, 2]}]], "[1,2]"),
        ("/there", {"1:struct": {}}, [[0, "bool", False]], "false"),
        ("/add?a=1&b=2", {"1:i32": 1}, [[0, "i32", 3]], "3"),
    ],
)
def test_a_method_may_take_and_give_anything_or_nothing(server, target, arguments, result, body):
    # apache/dubbo-go-pixiu#617
    arity = door(ARITY, server)
    response = arity.answered(encode(result), target)
    assert (response.status, response.body.decode()) == (200, body)
    (call,) = arity.front.server.received
    assert (call.type, read_struct(call.payload)) == (MessageType.CALL, arguments)


def test_a_second_argument_is_warned_of():
    loaded = load_mapping(["svc.thrift"], {"svc.thrift": ARITY}.__getitem__)
    assert [each.message for each in loaded.diagnostics] == ["add has 2 arguments; only a is sent"]


@pytest.mark.parametrize("target", ["/note", "/gateway/svc/note"])
def test_a_oneway_call_is_one_on_the_wire_and_waits_for_nobody(server, target):
    # Thriftpy/thriftpy2#226
    arity = door(ARITY, server)
    response = arity.answered(Conduct.SILENCE, target, "POST", '"hi"')
    assert response.status == 200
    (call,) = arity.front.server.received
    assert (call.type, read_struct(call.payload)) == (MessageType.ONEWAY, {"1:string": "hi"})
