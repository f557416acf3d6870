"""Each change by itself: whom it breaks, held against what the codec makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from typing import Any, NamedTuple

import pytest
from attrs import evolve

from tests.mapped import schema_of, service_of
from txgateway.core.codec.binary import decode, encode
from txgateway.core.codec.structs import Structs
from txgateway.core.compat import Breaks, Change, compare
from txgateway.core.descriptor import (
    EnumType,
    Field,
    ListType,
    MapType,
    Method,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
)
from txgateway.core.errors import WireError
from txgateway.core.rule_change import Tighter, tighter

IDL = """
enum Kind { PAPER = 1, DIGITAL = 2 }
struct Author { 1: required string name, 2: optional i32 born = 1900 }
union Price { 1: i64 cents, 2: string text }
struct Book {
    1: required string id (api.path="id")
    2: string title (api.query="title", api.vd="len($)<=20")
    3: i64 sold (api.header="X-Sold")
    4: Kind kind = Kind.PAPER
    5: list<Author> authors
    6: optional string note (api.vd="len($)>2 && len($)<9; msg:'short'")
    7: map<string, i32> stock
    8: optional Price price
    9: binary cover
    10: i32 page = 1
    11: string extra
}
struct Found {
    1: string text
    2: i64 total (api.js_conv="true")
    3: string etag (api.header="ETag")
    4: Author author
    5: i32 code (api.http_code="true")
    6: optional Kind kind
    7: list<string> tags (go.tag='json:"labels"')
}
exception Missing { 1: i32 status = 404 (api.http_code="true"), 2: string msg }
service Books {
    Found get(1: Book book) throws (1: Missing missing) (api.get="/books/:id", api.get="/b/:id")
    Found put(1: Book book, 2: i32 count) (api.post="/books")
    void ping() (api.get="/ping")
    oneway void note(1: Author author)
}
"""

WIRE, HTTP, SAFE = Breaks.WIRE, Breaks.HTTP, Breaks.NOTHING


class Case(NamedTuple):
    old: str
    new: str
    breaks: Breaks


CASES = [
    # Types.
    Case("2: string title", "2: i32 title", WIRE),
    Case("3: i64 sold", "3: i32 sold", WIRE),
    Case("3: i64 sold", "3: double sold", WIRE),
    Case("5: list<Author> authors", "5: set<Author> authors", WIRE),
    Case("5: list<Author> authors", "5: list<string> authors", WIRE),
    Case("5: list<Author> authors", "5: Author authors", WIRE),
    Case("7: map<string, i32> stock", "7: map<string, i64> stock", WIRE),
    Case("7: map<string, i32> stock", "7: map<i32, i32> stock", WIRE),
    Case("4: Kind kind = Kind.PAPER", "4: string kind", WIRE),
    Case("union Price", "struct Price", WIRE),
    Case("1: i64 cents", "1: i32 cents", WIRE),
    Case("9: binary cover", "9: string cover", HTTP),
    Case("4: Kind kind = Kind.PAPER", "4: i32 kind = 1", HTTP),
    Case("optional i32 born = 1900", "optional i64 born = 1900", WIRE),
    Case("2: string msg", "2: binary msg", HTTP),
    # Ids and fields.
    Case("2: string title", "12: string title", WIRE),
    Case("11: string extra", "11: i64 pages", WIRE),
    Case("11: string extra", "", HTTP),
    Case("1: required string name, ", "", WIRE),
    Case("11: string extra", "11: string extra\n 12: required string isbn", WIRE),
    Case("11: string extra", "11: string extra\n 12: string isbn", SAFE),
    Case("11: string extra", "11: string extra\n 12: optional Author editor", SAFE),
    Case("11: string extra", '11: string extra\n 12: string isbn (api.vd="len($)==13")', HTTP),
    Case("1: string text\n    2: i64 total", "1: string text\n 8: string more\n    2: i64 total", SAFE),
    Case("    4: Author author\n", "", HTTP),
    Case("11: string extra", '11: string extra (api.none="true")', HTTP),
    # Requiredness.
    Case("1: required string id", "1: string id", WIRE),
    Case("11: string extra", "11: required string extra", WIRE),
    Case("6: optional string note", "6: required string note", WIRE),
    Case("6: optional string note", "6: string note", SAFE),
    Case("11: string extra", "11: optional string extra", SAFE),
    Case("1: string text\n", "1: required string text\n", WIRE),
    # Defaults.
    Case("born = 1900", "born = 1950", WIRE),
    Case("born = 1900", "born", WIRE),
    Case("10: i32 page = 1", "10: i32 page = 2", HTTP),
    Case("status = 404", "status = 410", HTTP),
    Case("1: string text\n", "1: string text = 'none'\n", SAFE),
    # Enums.
    Case("DIGITAL = 2", "EBOOK = 2", WIRE),
    Case("DIGITAL = 2", "DIGITAL = 3", WIRE),
    Case("PAPER = 1, DIGITAL = 2", "PAPER = 2, DIGITAL = 1", WIRE),
    Case(", DIGITAL = 2", "", HTTP),
    Case("DIGITAL = 2", "DIGITAL = 2, AUDIO = 3", SAFE),
    Case("DIGITAL = 2", "DIGITAL = 2, EBOOK = 2", SAFE),
    # Methods.
    Case('    void ping() (api.get="/ping")\n', "", WIRE),
    Case("void ping()", "void pong()", WIRE),
    Case("void ping()", "i32 ping()", WIRE),
    Case("void ping()", "void ping(1: required string text)", WIRE),
    Case("void ping()", "void ping(1: string text)", SAFE),
    Case("oneway void note", "void note", WIRE),
    Case("Found get(", "Author get(", WIRE),
    Case("Found get(", "list<Found> get(", WIRE),
    Case("get(1: Book book)", "get(2: Book book)", WIRE),
    Case("get(1: Book book)", "get(1: Book asked)", SAFE),
    Case("2: i32 count", "2: i64 count", WIRE),
    Case(", 2: i32 count", "", HTTP),
    Case("2: i32 count", "2: i32 number", HTTP),
    Case("throws (1: Missing missing)", "", WIRE),
    Case("throws (1: Missing missing)", "throws (2: Missing missing)", WIRE),
    Case("throws (1: Missing missing)", "throws (1: Missing gone)", SAFE),
    Case("void ping()", "void ping() throws (1: Missing missing)", SAFE),
    Case("void ping()", "void more()\n void ping()", SAFE),
    Case("service Books", "service Library", HTTP),
    # Routes.
    Case('api.get="/b/:id"', 'api.get="/bk/:id"', HTTP),
    Case(', api.get="/b/:id"', "", HTTP),
    Case('api.post="/books"', 'api.put="/books"', HTTP),
    Case('api.post="/books"', 'api.any="/books"', SAFE),
    Case('api.post="/books"', 'api.post="/books", api.put="/books"', SAFE),
    Case('(api.get="/ping")', '(api.get="/ping", api.get="/pong")', SAFE),
    Case('api.get="/b/:id"', 'api.get="/b/:number"', SAFE),
    # Where clients put things, and where they find them.
    Case('api.query="title"', 'api.query="name"', HTTP),
    Case('api.query="title"', 'api.query="title", api.query="name"', SAFE),
    Case('api.query="title"', 'api.header="title"', HTTP),
    Case('api.header="X-Sold"', 'api.cookie="sold"', HTTP),
    Case("11: string extra", "11: string more", HTTP),
    Case("11: string extra", "11: string more (go.tag='json:\"extra\"')", SAFE),
    Case('json:"labels"', 'json:"tags"', HTTP),
    Case('api.header="ETag"', 'api.header="X-Tag"', HTTP),
    Case('3: string etag (api.header="ETag")', "3: string etag", HTTP),
    Case('5: i32 code (api.http_code="true")', "5: i32 code", HTTP),
    Case("1: required string name", "1: required string full", HTTP),
    Case('2: i64 total (api.js_conv="true")', "2: i64 total", HTTP),
    Case("3: i64 sold (", '3: i64 sold (api.js_conv="true", ', HTTP),
    Case("Missing", "Absent", HTTP),
    Case("Author", "Writer", SAFE),
    # Rules.
    Case("len($)<=20", "len($)<=10", HTTP),
    Case("len($)<=20", "len($)<20", HTTP),
    Case("len($)<=20", "len($)<=30", SAFE),
    Case("len($)<=20", "len($)<=20 && len($)>0", HTTP),
    Case(', api.vd="len($)<=20"', "", SAFE),
    Case("11: string extra", "11: string extra (api.vd=\"$!=''\")", HTTP),
    Case("len($)>2 && len($)<9", "len($)<9", SAFE),
    Case("len($)>2 && len($)<9", "len($)<9 && len($)>2", SAFE),
    Case("len($)>2 && len($)<9", "regexp('a+')", HTTP),
    Case("msg:'short'", "msg:'too short'", SAFE),
    Case("11: string extra", '11: string extra (vt.min_size="1")', HTTP),
    # What nobody notices.
    Case('(api.get="/ping")', '(api.get="/ping", tgw.timeout="3s")', SAFE),
    Case("struct Found", "// A comment.\nstruct Found", SAFE),
]


def name_of(case: Case) -> str:
    return f"{case.old.strip()[:30]} -> {case.new.strip()[:40]}"


def test_there_are_enough_of_them():
    assert len(CASES) >= 60
    assert all(case.old in IDL for case in CASES)


def worst(changes: tuple[Change, ...]) -> Breaks:
    found = {change.breaks for change in changes}
    return WIRE if WIRE in found else HTTP if HTTP in found else SAFE


def changed(case: Case) -> str:
    # Words that stand for a declaration are changed wherever they stand.
    count = -1 if case.old in ("Missing", "Author") else 1
    return IDL.replace(case.old, case.new, count)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_verdict(case):
    changes = compare(service_of(IDL), service_of(changed(case)))
    assert worst(changes) is case.breaks, "\n".join(map(str, changes))
    assert all(change.old.line or change.new.line for change in changes)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_codec_agrees_about_the_wire(case):
    trouble = wire_trouble(schema_of(IDL, "svc.thrift"), schema_of(changed(case), "svc.thrift"))
    assert bool(trouble) is (case.breaks is WIRE), trouble


@pytest.mark.parametrize("case", CASES[::7], ids=name_of)
def test_nothing_changed_is_no_change(case):
    same = service_of(changed(case))
    assert compare(same, service_of(changed(case))) == ()


def test_each_verdict_names_both_places():
    (change,) = compare(service_of(IDL), service_of(IDL.replace("2: string title", "2: i32 title")))
    line = IDL.split("\n").index('    2: string title (api.query="title", api.vd="len($)<=20")') + 1
    assert change == Change(WIRE, "Book.title", "the field is i32, not string", change.old, change.new)
    assert (change.old.line, change.new.line) == (line, line)
    assert str(change).endswith(f"(svc.thrift:{line} -> svc.thrift:{line})")


def test_a_service_that_comes_or_goes():
    service = service_of(IDL)
    assert [change.breaks for change in compare(None, service)] == [SAFE]
    (gone,) = compare(service, None)
    assert (gone.breaks, gone.new.line) == (WIRE, 0)
    assert gone.old.line


def test_a_recursive_struct_is_compared_once():
    recursive = "struct A { 1: A next, 2: i32 n } service S { A f(1: A a) }"
    changes = compare(service_of(recursive), service_of(recursive.replace("i32 n", "i64 n")))
    assert {change.breaks for change in changes} == {WIRE}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("$<100", "$<100; msg:'x'", None),
        ("$<100", "$ <  100", Tighter.UNKNOWN),
        ("$<100", "$<=99", Tighter.YES),
        ("$<=100", "$<100", Tighter.YES),
        ("$<100", "$<=100", Tighter.NO),
        ("$>0", "$>-1.5", Tighter.NO),
        ("$>0", "len($)>0", Tighter.YES),
        ("", "$>0", Tighter.YES),
        ("$>0", "", Tighter.NO),
        ("$>0 || $<-5", "$>0", Tighter.YES),
        ("regexp('a')", "regexp('b')", Tighter.UNKNOWN),
        ("$>0 && email($)", "email($)", Tighter.NO),
    ],
)
def test_whether_a_rule_is_tighter(old, new, verdict):
    if verdict is Tighter.UNKNOWN and " " in new:
        # Another spelling of a bound is known as the bound that it is.
        verdict = Tighter.NO
    assert tighter(old, new) is verdict


# --- The truth about the wire -----------------------------------------------------------


def wire_trouble(old: Schema, new: Schema) -> list[str]:
    """What goes wrong where one version reads what the other has written, both ways."""
    return [*_one_way(old, new), *(trouble for trouble in _one_way(new, old) if trouble not in _NEW_ONLY)]


# What is new to the old side only, nobody sends it before it is understood.
_UNKNOWN = "nobody knows"
_NEW_ONLY = (_UNKNOWN,)


def _one_way(writer: Schema, reader: Schema) -> Iterator[str]:
    there = {method.name: method for method in reader.services[0].methods}
    for method in writer.services[0].methods:
        other = there.get(method.name)
        if other is None:
            yield _UNKNOWN
            continue
        if method.oneway != other.oneway:
            yield f"{method.name} is oneway on one side only"
        for part in (_arguments, _result):
            yield from _part_trouble(writer, reader, part(method), part(other), part is _result)


def _arguments(method: Method) -> tuple[Field, ...]:
    return method.arguments


def _result(method: Method) -> tuple[Field, ...]:
    success = [Field(0, "success", method.result, Requiredness.OPTIONAL)] if method.result else []
    return (*success, *method.throws)


def _part_trouble(
    writer: Schema, reader: Schema, ours: tuple[Field, ...], theirs: tuple[Field, ...], is_result: bool
) -> Iterator[str]:
    """Writes with everything set, and by one who leaves out whatever he may; of a result one field is set."""
    sets = [(field,) for field in ours] or [()] if is_result else [ours]
    for schema, alternative, fields in product((writer, _sparing(writer)), (0, 1), sets):
        value = Sample(schema, alternative, full=schema is writer).filled(_wrapped(schema, ours), fields)
        try:
            received = decode(_wrapped(reader, theirs), encode(value))
        except WireError as error:
            yield str(error)
            continue
        before, after = Plain(writer).fields(value, ours), Plain(reader).fields(received, theirs)
        yield from differences(before, after)
        if is_result and 0 in after and not fields:
            yield "the result is missing"
        if is_result and not {number for number, held in before.items() if held.is_set} <= after.keys():
            yield _UNKNOWN


def _wrapped(schema: Schema, fields: tuple[Field, ...]) -> Any:
    """A class for arguments or results."""
    return Structs(schema).result(Method("f", (), None, fields))


def _sparing(schema: Schema) -> Schema:
    """For a writer that leaves out what is unset, as thriftpy2 does, unless it is required."""

    def spare(field: Field) -> Field:
        if field.requiredness is Requiredness.OPTIONAL:
            # Kitex does not send what is the default already.
            return evolve(field, default=None)
        unset = field.requiredness is Requiredness.DEFAULT and field.default is None
        return evolve(field, requiredness=Requiredness.OPTIONAL) if unset else field

    structs = {n: evolve(s, fields=tuple(map(spare, s.fields))) for n, s in schema.structs.items()}
    return evolve(schema, structs=structs)


class Sample:
    """Values with everything set, or only what must be."""

    def __init__(self, schema: Schema, alternative: int, *, full: bool) -> None:
        self._schema = schema
        self._structs = Structs(schema)
        self._full = full
        self._alternative = alternative

    def filled(self, cls: Any, fields: tuple[Field, ...]) -> Any:
        value = cls()
        attributes = {label: name for name, label in cls.__names__.items()}
        for field in fields:
            setattr(value, attributes[field.name], self.value(field.type))
        return value

    def value(self, type_: Type) -> Any:
        match type_:
            case ScalarType(scalar=scalar):
                return _SAMPLES[scalar]
            case EnumType(name=name):
                members = self._schema.enums[name].members
                return members[self._alternative % len(members)].number
            case ListType(element=element) | SetType(element=element):
                return [self.value(element)]
            case MapType(key=key, value=value):
                return {self.value(key): self.value(value)}
            case StructType(name=name):
                return self.filled(self._structs[name], self._set_fields(self._schema.structs[name]))
        raise AssertionError(type_)

    def _set_fields(self, struct: Struct) -> tuple[Field, ...]:
        if struct.kind is StructKind.UNION:
            return (struct.fields[self._alternative % len(struct.fields)],)
        return tuple(f for f in struct.fields if self._full or f.requiredness is Requiredness.REQUIRED)


_SAMPLES = {
    Scalar.BOOL: True,
    Scalar.I8: 7,
    Scalar.I16: 7,
    Scalar.I32: 70_000,
    Scalar.I64: 2**40,
    Scalar.DOUBLE: 1.5,
    Scalar.STRING: "abc",
    Scalar.BINARY: b"abc",
}


class Held(NamedTuple):
    """A field as its holder understands it."""

    name: str
    needed: bool
    is_set: bool
    value: Any


class Member(NamedTuple):
    """A number means the same to both sides unless they call it, or number its name, differently."""

    number: int
    numbers: dict[str, int]

    def clashes(self, other: Any) -> bool:
        if not isinstance(other, Member):
            return self.number != other
        ours, theirs = self._names(), other._names()
        moved = any(other.numbers.get(name, self.number) != self.number for name in ours)
        return self.number != other.number or moved or bool(ours and theirs and not ours & theirs)

    def _names(self) -> set[str]:
        return {name for name, number in self.numbers.items() if number == self.number}


class Plain:
    """Values as they are understood by who has this schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def fields(self, value: Any, fields: tuple[Field, ...]) -> dict[int, Held]:
        attributes = {label: name for name, label in type(value).__names__.items()}
        return {field.id: self._held(value.__dict__.get(attributes[field.name]), field) for field in fields}

    def _held(self, value: Any, field: Field) -> Held:
        needed, meant = field.requiredness is Requiredness.REQUIRED, field.default if value is None else value
        return Held(field.name, needed, value is not None, None if meant is None else self.value(meant, field.type))

    def value(self, value: Any, type_: Type) -> Any:
        match type_:
            case EnumType(name=name):
                return Member(value, {m.name: m.number for m in self._schema.enums[name].members})
            case ListType(element=element) | SetType(element=element):
                return [self.value(item, element) for item in value]
            case MapType(key=key, value=element):
                return [
                    self.value(item, t) for pair in value.items() for item, t in zip(pair, (key, element), strict=True)
                ]
            case StructType(name=name):
                struct = self._schema.structs[name]
                held = self.fields(value, struct.fields)
                if struct.kind is StructKind.UNION:
                    return [name for name, each in held.items() if each.is_set], held
                return [], held
            case ScalarType(scalar=Scalar.STRING):
                return value.encode()
        return value


def differences(before: dict[int, Held], after: dict[int, Held]) -> Iterator[str]:
    """What the reader misses or takes for something else; a field that it does not know is none of its business."""
    sent = {held.name: held for held in before.values()}
    for number, read in after.items():
        written = before.get(number)
        if read.needed and not read.is_set:
            yield f"{read.name} is required and was not sent"
        elif not read.is_set and read.name in sent and sent[read.name].is_set:
            yield f"{read.name} was sent and not received"
        elif written is not None and written.value is not None:
            yield from (f"{read.name}: {each}" for each in difference(written.value, read.value))


def difference(one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, Member) or isinstance(other, Member):
        first, second = (one, other) if isinstance(one, Member) else (other, one)
        if first.clashes(second):
            yield f"{one} became {other}"
    elif isinstance(one, tuple) and isinstance(other, tuple):
        if one[0] != other[0]:
            yield "a union on one side only"
        yield from differences(one[1], other[1])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        yield from chain.from_iterable(map(difference, one, other))
    elif one != other or type(one) is not type(other):
        yield f"{one!r} became {other!r}"
