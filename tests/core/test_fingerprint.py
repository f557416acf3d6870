"""A fingerprint says whether two contracts are the same, whatever their files look like."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from txgateway.core.descriptor import Schema
from txgateway.core.fingerprint import http_fingerprint, wire_fingerprint
from txgateway.core.idl_printer import print_schema
from txgateway.core.linker import load

from .idl_schemas import EXAMPLES, schemas

BOOK = """
namespace go book
enum Kind { PAPER = 1, DIGITAL = 2 }
struct Author { 1: string name, 2: list<Book> books }
struct Book { 1: required string id (api.path = "id"), 2: Author author, 3: Kind kind = Kind.PAPER, 4: binary cover }
exception Missing { 1: string message }
service Base { void ping() }
service Books extends Base {
    Book get(1: Book book) throws (1: Missing missing) (api.get = "/books/:id", api.get = "/b/:id")
    oneway void note(1: string text)
}
"""


def prints(text: str, name: str = "Books", file: str = "book.thrift") -> tuple[str, str]:
    schema = load(file, {file: text}.__getitem__).schema
    service = next(s for s in schema.services if s.name.name == name)
    return wire_fingerprint(schema, service), http_fingerprint(schema, service)


WIRE, HTTP = prints(BOOK)


def test_a_fingerprint_is_short_text() -> None:
    assert all(len(p) == 32 and int(p, 16) for p in (WIRE, HTTP))
    assert WIRE != HTTP


def test_order_comments_places_and_paths_do_not_count() -> None:
    _, *types, opening, first, second, closing = BOOK.strip().splitlines()
    turned = "\n".join(["// A comment.", *reversed(types), opening, second, first, closing])
    turned = turned.replace("1: string name, 2: list<Book> books", "2: list<Book> books\n 1: string name")
    assert prints(turned, file="elsewhere/x.thrift") == (WIRE, HTTP)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2: Author author", "5: Author author"),
        ("2: Author author", "2: optional Author author"),
        ("2: Author author", "2: list<Author> author"),
        ("1: string name", "1: i32 name"),
        ("list<Book> books", "set<Book> books"),
        ("= Kind.PAPER", "= Kind.DIGITAL"),
        ("Book get(", "Book fetch("),
        ("1: Book book", "2: Book book"),
        ("throws (1: Missing missing)", ""),
        ("oneway void", "void"),
        ("void ping()", "i32 ping()"),
        ("struct Author", "union Author"),
    ],
)
def test_what_changes_bytes_changes_both(old: str, new: str) -> None:
    wire, http = prints(BOOK.replace(old, new, 1))
    assert wire != WIRE
    assert http != HTTP


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"/books/:id"', '"/book/:id"'),
        ('api.get = "/books/:id", api.get = "/b/:id"', 'api.get = "/b/:id", api.get = "/books/:id"'),
        ('(api.path = "id")', '(api.path = "id", api.vd = "$!=\'\'")'),
        ("2: Author author", "2: Author writer"),
        ("4: binary cover", "4: string cover"),
        ("3: Kind kind = Kind.PAPER", "3: i32 kind = 1"),
        ("DIGITAL = 2", "EBOOK = 2"),
        ("Missing missing", "Absent missing"),
    ],
)
def test_what_only_http_clients_see_changes_theirs_only(old: str, new: str) -> None:
    text = BOOK.replace(old, new, 1).replace(
        "exception Missing", f"exception {'Absent' if 'Absent' in new else 'Missing'}"
    )
    wire, http = prints(text)
    assert wire == WIRE
    assert http != HTTP


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Author", "Writer"),
        ("service Books extends Base", "service Books extends Base "),
        ('(api.get = "/books/:id"', '(tgw.timeout = "3s", api.get = "/books/:id"'),
        ('(api.path = "id")', '(API.Path = "id", doc = "x")'),
        ("struct Book {", "struct Unused { 1: i32 a } struct Book {"),
    ],
)
def test_what_nobody_sees_changes_neither(old: str, new: str) -> None:
    assert prints(BOOK.replace(old, new)) == (WIRE, HTTP)


def test_equal_structs_under_several_names_are_one() -> None:
    one = "struct A { 1: A next } service S { void f(1: A a) A g() }"
    two = "struct A { 1: B next } struct B { 1: A next } service S { void f(1: A a) B g() }"
    assert prints(one, "S") == prints(two, "S")
    other = "struct A { 1: B next } struct B { 1: optional A next } service S { void f(1: A a) B g() }"
    assert prints(one, "S")[0] != prints(other, "S")[0]


@given(schemas())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_service_has_fingerprints_that_last(schema: Schema) -> None:
    again = load(schema.file, print_schema(schema).__getitem__).schema
    for one, other in zip(schema.services, again.services, strict=True):
        assert wire_fingerprint(schema, one) == wire_fingerprint(again, other)
        assert http_fingerprint(schema, one) == http_fingerprint(again, other)
