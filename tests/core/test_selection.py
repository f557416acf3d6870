"""Fields of a result that a request asks for: what is read, what is shown, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.codecs import same_of_both
from tests.mapped import JSON, Mapped, answer, request
from txgateway.core.errors import BadRequest, UnusableReply
from txgateway.core.mapping import Mapping
from txgateway.core.message import Request
from txgateway.core.plan import Plan
from txgateway.core.selection import parse_selection

IDL = """
    struct Author { 1: string name, 2: i32 born = 1900, 3: list<string> aliases, 4: string secret (api.none="") }
    struct Book {
        1: required string id, 2: string title = "untitled", 3: list<Author> authors, 4: i64 sold (api.js_conv="")
        5: map<string, Author> helpers, 6: Author first (go.tag='json:"lead"'), 7: double price, 8: optional Book next
        9: Author standard = {"name": "nobody"}
    }
    struct Got {
        1: Book book, 2: i32 count (api.body="n"), 3: string tag (api.header="X-Tag"), 4: i32 status (api.http_code="")
        5: list<Book> books
    }
    exception Gone { 1: string why }
    struct Ask { 1: string q (api.query="q") }
    struct Own { 1: string fields }
    service S {
        Got get(1: Ask ask) throws (1: Gone gone) (api.get="/get")
        list<Book> list(1: Ask ask) (api.get="/list")
        map<i32, Book> map(1: Ask ask) (api.get="/map")
        string text(1: Ask ask) (api.get="/text")
        void nothing(1: Ask ask) (api.get="/nothing")
        Book own(1: Own own) (api.get="/own")
    }
"""
MAPPED = Mapped.of(IDL, selects=True)
OFF = Mapped.of(IDL)


def author(name: str, **more: Any) -> Any:
    return MAPPED.new("Author", name=name, born=1950, aliases=["x"], secret="s", **more)


def book(**more: Any) -> Any:
    given = {"id": "1", "title": "Emma", "authors": [author("a"), author("b")], "sold": 7, "price": 1.5}
    # The service leaves out what has a default.
    return MAPPED.new("Book", **given, helpers={"h": author("c")}, first=author("d"), standard=None, **more)


def body(method: str, query: str, **result: Any) -> Any:
    return json.loads(MAPPED.selected(method, query, **result).body)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ("id", {"id": "1"}),
        ("id,title", {"id": "1", "title": "Emma"}),
        ("sold", {"sold": "7"}),
        ("authors(name)", {"authors": [{"name": "a"}, {"name": "b"}]}),
        ("authors(name,aliases),id", {"authors": [{"name": n, "aliases": ["x"]} for n in "ab"], "id": "1"}),
        ("helpers(name)", {"helpers": {"h": {"name": "c"}}}),
        ("lead(born)", {"lead": {"born": 1950}}),
        (" id , authors ( name ) ", {"id": "1", "authors": [{"name": "a"}, {"name": "b"}]}),
        ("authors(name),authors(born)", {"authors": [{"name": n, "born": 1950} for n in "ab"]}),
        ("lead(born),lead", {"lead": {"name": "d", "born": 1950, "aliases": ["x"]}}),
        ("next(next(id))", {"next": {}}),
        ("standard", {"standard": {"name": "nobody", "born": 1900}}),
        ("standard(name)", {"standard": {"name": "nobody"}}),
        ("standard(aliases)", {"standard": {}}),
    ],
)
def test_the_fields_that_are_asked_for_are_shown(fields, shown):
    more = {"next": book()} if "next" in fields else {}
    assert body("list", f"fields={fields}", success=[book(**more)]) == [shown]
    assert body("map", f"fields={fields}", success={5: book(**more)}) == {"5": shown}
    assert body("get", f"fields=book({fields})", success=MAPPED.new("Got", book=book(**more))) == {"book": shown}


def test_the_fields_of_a_whole_result_go_by_their_keys_there():
    got = MAPPED.new("Got", book=book(), count=3, tag="t", status=202)
    response = MAPPED.selected("get", "fields=n", success=got)
    assert json.loads(response.body) == {"n": 3}
    # Status and headers are not chosen from.
    assert response.status == 202
    assert (b"x-tag", b"t") in response.headers


def test_an_exception_is_shown_whole():
    response = MAPPED.selected("get", "fields=n", gone=MAPPED.new("Gone", why="so"))
    assert json.loads(response.body) == {"why": "so"}


def test_without_a_choice_all_is_shown():
    whole = MAPPED.answer("list", success=[book()])
    for query in ("", "fields=", "fields=&fields=", "other=fields", "fieldsets=a"):
        assert json.loads(MAPPED.selected("list", query, success=[book()]).body) == json.loads(whole.body)


def test_several_parameters_are_one():
    assert body("list", "fields=id&x=1&fields=title", success=[book()]) == [{"id": "1", "title": "Emma"}]


def test_it_is_off_unless_it_is_switched_on():
    assert all(route.plan.select is None for route in OFF.mapping.routes)
    assert all(MAPPED.plan(name).select is not None for name in ("get", "list", "map", "text"))


def test_a_method_keeps_a_parameter_of_that_name():
    assert MAPPED.plan("own").select is None
    assert MAPPED.sent("GET", "/own?fields=id") == {"1:struct": {"1:string": "id"}}
    # A JSON call has its arguments elsewhere.
    assert MAPPED.mapping.generic("svc", "own").select is not None
    assert MAPPED.plan("nothing").select is None


@pytest.mark.parametrize(
    ("method", "fields", "detail"),
    [
        ("list", "titel", "Book has no field 'titel' in the answer"),
        ("list", "authors(age)", "Author has no field 'age' in the answer"),
        ("list", "authors(secret)", "Author has no field 'secret' in the answer"),
        ("list", "title(x)", "a string has no fields to choose from"),
        ("get", "tag", "Got has no field 'tag' in the answer"),
        ("text", "x", "a string has no fields to choose from"),
        ("list", "authors(", "a name is missing at the end"),
        ("list", "authors(name", "there is a ( without a )"),
        ("list", "id)", "there is a ) without a ("),
        ("list", ",id", "a name is missing before ','"),
        ("list", "id,,title", "a name is missing before ','"),
        ("list", "authors()", "a name is missing before ')'"),
        ("list", "authors(name)id", "a comma is missing before 'id'"),
        ("list", "a(" * 70 + "b" + ")" * 70, "there are more than 64 levels of parentheses"),
        ("list", "%ff", "Book has no field '\ufffd' in the answer"),
    ],
)
def test_what_cannot_be_chosen_is_refused(method, fields, detail):
    select = MAPPED.plan(method).select
    assert select is not None
    with pytest.raises(BadRequest) as caught:
        select(request("GET", f"/any?fields={fields}"))
    assert caught.value.detail == f"query parameter 'fields': {detail}"
    assert caught.value.members["field"] == "fields"


def test_what_is_passed_over_must_fit_the_idl_all_the_same():
    whole = MAPPED.result("list", success=[book()])
    for before, after in ((b"Emma", b"\xff\xfe\xfd\xfc"), (b"\x3f\xf8\0\0\0\0\0\0", b"\x7f\xf8\0\0\0\0\0\0")):
        # Text that is none, a number that JSON has not: nobody has asked for them.
        assert before in whole
        assert shown_of(whole.replace(before, after)) == [{"id": "1"}]
    with pytest.raises(UnusableReply, match="does not fit the IDL"):
        shown_of(whole.replace(b"\x0f\0\x03\x0c", b"\x0f\0\x03\x08"))
    with pytest.raises(UnusableReply, match="id is missing"):
        shown_of(whole.replace(b"\x0b\0\x01\0\0\0\x011", b""), "title")


def shown_of(payload: bytes, fields: str = "id") -> Any:
    asked = request("GET", f"/any?fields={fields}")
    ours, theirs = (_selecting(mapping, asked) for mapping in (MAPPED.mapping, MAPPED.plain or MAPPED.mapping))
    return json.loads(same_of_both(lambda: answer(ours, payload), lambda: answer(theirs, payload)).body)


def _selecting(mapping: Mapping, asked: Request) -> Plan:
    """The plan of the route that gives a list."""
    (plan,) = (route.plan for route in mapping.routes if route.path == "/list")
    assert plan.select is not None
    return plan.select(asked)


def test_a_json_call_can_choose_too():
    plan = MAPPED.mapping.generic("svc", "list")
    assert plan.select is not None
    chosen = plan.select(request("POST", "/gateway/svc/list?fields=id", JSON, "{}"))
    assert json.loads(answer(chosen, MAPPED.result("list", success=[book()])).body) == [{"id": "1"}]


def test_many_choices_are_not_all_kept():
    select = MAPPED.plan("list").select
    assert select is not None
    choices = ["id" + ",title" * number for number in range(400)]
    plans = [select(request("GET", f"/any?fields={fields}")) for fields in choices]
    assert len(plans) == 400
    assert select(request("GET", f"/any?fields={choices[-1]}")) is plans[-1]
    assert select(request("GET", f"/any?fields={choices[0]}")) is not plans[0]


@given(st.text(st.sampled_from("ab(), ")))
def test_any_text_is_read_or_refused(text):
    try:
        tree = parse_selection(text)
    except BadRequest:
        return
    assert tree == parse_selection(written(tree))


def written(tree: Any) -> str:
    return ",".join(name if inner is None else f"{name}({written(inner)})" for name, inner in tree.items())
