"""Where the value of each field came from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.explain.told import field, told
from tests.mapped import FORM, JSON
from txgateway.core.explain.fields import MOST_FIELDS, MOST_UNUSED
from txgateway.core.explain.story import Fate, FieldStory, Look

EVERYWHERE = """
struct Req { 1: optional i32 n (api.query = "q", api.header = "X-N", api.body = "b") }
service S { void ask(1: Req r) (api.post = "/ask/:n") }
"""


def idl(*fields: str, more: str = "") -> str:
    return f'{more} struct Req {{ {" ".join(fields)} }} service S {{ void ask(1: Req r) (api.any = "/ask") }}'


def only(fields: str, target: str = "/ask", body: Any = b"", headers: Any = None, more: str = "") -> FieldStory:
    verb = "POST" if body else "GET"
    (story,) = told(idl(fields, more=more), verb, target, headers, body).fields
    return story


# Places


def test_the_first_place_that_has_a_value_gives_it_and_the_others_are_only_looked_at():
    (story,) = told(EVERYWHERE, "POST", "/ask/1?q=7", JSON | {"X-N": "8"}, '{"b": 9}').fields
    assert story.fate is Fate.GIVEN
    assert (story.value, story.conversion) == ("7", "text to i32")
    assert story.looks == (
        Look("form field 'b'", None),
        Look("query parameter 'q'", "7"),
        Look("header 'X-N'", "8", asked=False),
        Look("JSON key 'b'", "9", asked=False),
    )


def test_a_place_without_a_value_is_passed():
    (story,) = told(EVERYWHERE, "POST", "/ask/1", JSON, '{"b": 9}').fields
    assert [(look.place.split()[0], look.found, look.asked) for look in story.looks] == [
        ("form", None, True),
        ("query", None, True),
        ("header", None, True),
        ("JSON", "9", True),
    ]
    assert (story.value, story.conversion) == ("9", "JSON number to i32")


def test_a_field_of_a_form_may_come_from_the_query():
    (look, *_) = only('1: string a (api.form = "a")', "/ask?a=x").looks
    assert look == Look("query parameter 'a'", "x")


def test_an_empty_text_counts_as_nothing_but_for_a_string():
    story = only('1: optional i32 a (api.query = "a")', "/ask?a=")
    assert story.fate is Fate.ABSENT
    assert story.looks[0].note == "an empty text counts as nothing"
    assert only('1: optional string a (api.query = "a")', "/ask?a=").value == '""'


def test_null_counts_as_nothing():
    story = only("1: optional i32 a", body='{"a": null}', headers=JSON)
    assert story.fate is Fate.ABSENT
    assert story.looks[-1] == Look("JSON key 'a'", None, note="null counts as nothing")


# Conversions


@pytest.mark.parametrize(
    ("declared", "query", "conversion", "value"),
    [
        ("i64", "a=7", "text to i64", "7"),
        ("bool", "a=T", "text to bool", "true"),
        ("double", "a=1e3", "text to double", "1000.0"),
        ("double", "a=NaN", "text to double", '"nan"'),
        ("i32", "a=1&a=2", "the first of 2 texts to i32", "1"),
        ("list<i32>", "a=1,2&a=3", "text, split at commas, to list<i32>", "[1,2,3]"),
        ("list<i32>", "a=[1,2]", "JSON text to list<i32>", "[1,2]"),
        ("set<string>", "a=x,x,y", "text, split at commas, to set<string>", '["x","y"]'),
        ("map<string,i32>", 'a={"k":1}', "JSON text to map<string,i32>", '{"k":1}'),
        ("Colour", "a=2", "text to Colour", '"2 (RED)"'),
        ("Colour", "a=9", "text to Colour", '"9 (no member)"'),
        ("binary", "a=ab", "text to binary", '"YWI="'),
    ],
)
def test_texts_and_what_they_become(declared, query, conversion, value):
    story = only(f'1: {declared} a (api.query = "a")', f"/ask?{query}", more="enum Colour { RED = 2 }")
    assert (story.fate, story.conversion, story.value) == (Fate.GIVEN, conversion, value)


@pytest.mark.parametrize(
    ("declared", "item", "conversion", "value"),
    [
        ("i64", "7", "JSON number to i64", "7"),
        ('i64 a (api.js_conv = "")', '"7"', "JSON string to i64 (api.js_conv)", "7"),
        ("binary", '"YWI="', "JSON string to binary", '"YWI="'),
        ("bool", "true", "JSON bool to bool", "true"),
        (
            'string a (tgw.body_dynamic = "")',
            '{"x": 1}',
            "JSON object to its own text (tgw.body_dynamic)",
            r'"{\"x\":1}"',
        ),
        ("list<list<i32>>", "[[1],[2]]", "JSON array to list<list<i32>>", "[[1],[2]]"),
    ],
)
def test_json_and_what_it_becomes(declared, item, conversion, value):
    fields = f"1: {declared}" if " a " in declared else f"1: {declared} a"
    story = only(fields, body=f'{{"a": {item}}}', headers=JSON)
    assert (story.fate, story.conversion, story.value) == (Fate.GIVEN, conversion, value)


@pytest.mark.parametrize(
    ("fields", "body", "note"),
    [
        (
            '1: i32 a (api.query = "a")',
            b"",
            "query parameter 'a': expected an i32 (-2147483648 to 2147483647), got 'x'",
        ),
        ("1: i32 a", '{"a": "7"}', "field a: expected an i32 (-2147483648 to 2147483647), got the text '7'"),
        ("1: list<i32> a", '{"a": [1, true]}', "field a[1]: expected an i32 (-2147483648 to 2147483647), got true"),
    ],
)
def test_what_does_not_fit_is_said_in_the_words_that_the_client_gets(fields, body, note):
    explanation = told(idl(fields), "POST", "/ask?a=x", JSON if body else None, body)
    (story,) = explanation.fields
    assert (story.fate, story.note, story.value) == (Fate.MISFIT, note, "")
    assert explanation.outcome.says == f"Bad request: {note}"


# What is not given


@pytest.mark.parametrize(
    ("declared", "fate", "value", "note"),
    [
        ("optional i32 a", Fate.ABSENT, "", ""),
        ("i32 a", Fate.ZERO, "0", ""),
        ("string a", Fate.ZERO, '""', ""),
        ("list<i32> a", Fate.ZERO, "[]", ""),
        ("i32 a = 5", Fate.DEFAULT, "5", ""),
        ("required i32 a", Fate.MISSING, "", "it is required"),
        ("required i32 a = 5", Fate.DEFAULT, "5", ""),
        ('i32 a (api.none = "")', Fate.ZERO, "0", "no request can give it"),
        ('required i32 a (api.none = "")', Fate.ZERO, "0", "no request can give it"),
    ],
)
def test_what_becomes_of_a_field_that_nothing_gives(declared, fate, value, note):
    story = only(f"1: {declared}")
    assert (story.fate, story.value, story.note) == (fate, value, note)


# Inside of structs


BOOK = "struct Book { 1: required string title 2: optional i32 pages 3: i32 year = 1900 4: list<Author> by } "
AUTHOR = "struct Author { 1: string name } "


def test_the_fields_of_an_object():
    body = '{"book": {"title": "Emma", "by": [{"name": "Jane"}, {}, {}, {}]}}'
    explanation = told(idl("1: Book book", more=AUTHOR + BOOK), "POST", "/ask", JSON, body)
    assert field(explanation, "book.title").value == '"Emma"'
    assert field(explanation, "book.pages").fate is Fate.ABSENT
    assert (field(explanation, "book.year").fate, field(explanation, "book.year").value) == (Fate.DEFAULT, "1900")
    assert field(explanation, "book.by[0].name").value == '"Jane"'
    assert field(explanation, "book.by[1].name").fate is Fate.ZERO
    assert field(explanation, "book").value.startswith('{"title":"Emma"')
    with pytest.raises(AssertionError):
        field(explanation, "book.by[3].name")


def test_a_misfit_deep_inside_is_shown_where_it_is():
    explanation = told(idl("1: Book book", more=AUTHOR + BOOK), "POST", "/ask", JSON, '{"book": {"pages": "x"}}')
    assert field(explanation, "book").fate is Fate.MISFIT
    assert field(explanation, "book.title").fate is Fate.MISSING
    assert field(explanation, "book.pages").fate is Fate.MISFIT


def test_a_struct_that_is_filled_from_the_sources_of_its_fields():
    more = 'struct Page { 1: i32 size (api.query = "size") 2: string after (api.query = "after") }'
    story = only('1: Page page (api.no_body_struct = "")', "/ask?size=5", more=more)
    assert [(each.path, each.fate, each.value) for each in story.inside] == [
        ("page.size", Fate.GIVEN, "5"),
        ("page.after", Fate.ZERO, '""'),
    ]


def test_an_argument_that_is_no_struct():
    text = 'service S { void ask(1: i32 n) (api.any = "/ask") }'
    (story,) = told(text, "GET", "/ask?n=7").fields
    assert (story.path, story.value, story.looks[0].place) == ("n", "7", "query parameter 'n'")
    (story,) = told(text, "POST", "/ask", JSON, "8").fields
    assert (story.path, story.value, story.looks[0]) == ("n", "8", Look("JSON body", "8"))
    (story,) = told(text, "GET", "/ask").fields
    assert (story.fate, story.value) == (Fate.ZERO, "0")


def test_the_fields_of_a_json_call():
    explanation = told(idl('1: i64 n (api.query = "q")'), "POST", "/gateway/svc/ask", None, '{"n": "7", "m": 1}')
    (story,) = explanation.fields
    assert (story.value, story.looks) == ("7", (Look("JSON key 'n'", '"7"'),))
    assert [(each.place, each.name) for each in explanation.unused] == [("JSON key", "m")]


def test_the_old_form_of_a_json_call():
    body = r'{"biz_params": "{\"n\": 7}"}'
    explanation = told(idl("1: i32 n"), "POST", "/gateway/svc/ask", None, body)
    assert explanation.fields[0].value == "7"
    refused = told(idl("1: i32 n"), "POST", "/gateway/svc/ask", None, r'{"biz_params": "{\"n\": true}"}').outcome
    assert (refused.status, refused.body[:16]) == (400, '{"err_code":400,')


# What nothing takes


def test_what_no_field_takes_and_what_may_have_been_meant():
    explanation = told(idl('1: i32 num (api.query = "num")', "2: string title"), "GET", "/ask?nun=1&title=x&zzz=2")
    assert [(each.place, each.name, each.hint) for each in explanation.unused] == [
        ("query parameter", "nun", "num"),
        ("query parameter", "zzz", ""),
    ]


def test_of_a_form_and_of_json_too():
    form = told(idl('1: string a (api.form = "a")'), "POST", "/ask?q=1", FORM, "a=1&b=2")
    assert [(each.place, each.name) for each in form.unused] == [("query parameter", "q"), ("form field", "b")]
    json = told(idl("1: string title"), "POST", "/ask", JSON, '{"titel": "x"}')
    assert [(each.place, each.name, each.hint) for each in json.unused] == [("JSON key", "titel", "title")]


def test_what_steers_the_pick_is_taken_too():
    text = 'struct Req {} service S { void ask(1: Req r) (api.get = "/ask", tgw.hash_key = "query:user") }'
    explanation = told(text, "GET", "/ask?user=7&usr=8")
    assert [each.name for each in explanation.unused] == ["usr"]
    assert explanation.call is not None
    assert explanation.call.hash_key == "7"


def test_not_more_names_than_anybody_reads():
    query = "&".join(f"p{n}=1" for n in range(5000))
    assert len(told(idl("1: string a"), "GET", f"/ask?{query}").unused) == MOST_UNUSED


def test_a_body_that_is_refused_as_a_whole_leaves_nothing_to_tell_of():
    for headers, body in ((JSON, "{"), ({"content-type": "text/csv"}, "a,b")):
        explanation = told(idl("1: string a"), "POST", "/ask", headers, body)
        assert explanation.fields == ()
        assert explanation.outcome.status in (400, 415)


def test_large_and_deep_values_are_told_of_in_little():
    deep = '{"a": ' + "[" * 500 + "]" * 500 + "}"
    assert told(idl("1: list<i32> a"), "POST", "/ask", JSON, deep).fields[0].fate is Fate.MISFIT
    wide = idl(*(f"{n}: optional string f{n}" for n in range(1, 400)), more="")
    many = told(wide, "POST", "/gateway/svc/ask", None, "{}").fields
    assert len(many) == MOST_FIELDS
    long = only("1: list<i32> a", body=str({"a": list(range(10_000))}).replace("'", '"'), headers=JSON)
    assert long.value.endswith('"… 9980 more"]')
    assert long.looks[-1].found == "an array of 10000"
