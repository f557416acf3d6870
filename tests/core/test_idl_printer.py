"""Descriptors printed as IDL and read again are the same descriptors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from txgateway.core.descriptor import Annotation, Annotations, Schema, Struct, StructType, TypeName
from txgateway.core.idl_printer import print_schema
from txgateway.core.linker import load

from .idl_schemas import EXAMPLES, schemas
from .test_linker import RECORDED, REFUSED


def again(schema: Schema) -> Schema:
    return load(schema.file, print_schema(schema).__getitem__).schema


@given(schemas())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_print_then_load_is_the_identity(schema: Schema) -> None:
    found = again(schema)
    assert found == schema
    assert docs(found) == docs(schema)


@pytest.mark.parametrize(
    "path", [p for p in RECORDED if p.stem not in REFUSED], ids=lambda p: f"{p.parts[-3]}/{p.stem}"
)
def test_recorded_files_survive_printing(path: Path) -> None:
    schema = load(str(path), lambda p: Path(p).read_text()).schema
    assert again(schema) == schema


def docs(schema: Schema) -> list[str]:
    fields = [f for s in schema.structs.values() for f in s.fields]
    members = [m for e in schema.enums.values() for m in e.members]
    methods = [m for s in schema.services for m in s.methods]
    every = (*schema.structs.values(), *schema.enums.values(), *schema.constants.values(), *schema.services)
    return sorted(d.doc for d in (*every, *fields, *members, *methods))


def test_a_printed_file_reads_well() -> None:
    text = """namespace go book

include "../base.thrift"

enum Kind {
    PAPER = 1
    DIGITAL = 7 (note = "soon")
}

// A book.
struct Book {
    // Its number.
    1: required i64 id = 5 (api.path = "id", api.vd = "$>0")
    2: map<string (a = "b"), list<base.Part>> parts
} (c = 'd"e')

const list<double> RATES = [0.5, 1.0]

service Books extends base.Parent {
    Book get(1: Book book) throws (1: base.Oops oops) (api.get = "/books/:id")
    oneway void note(1: string text = "it's")
}
"""
    base = "exception Oops {} struct Part {} service Parent { void ping() }"
    files = {"idl/book.thrift": text, "base.thrift": base}
    printed = print_schema(load("idl/book.thrift", files.__getitem__).schema)["idl/book.thrift"]
    assert printed == text.replace("'d\"e'", '"d\\"e"')


def test_a_parent_has_its_methods_in_their_order_whatever_its_children_declare_anew() -> None:
    files = {
        "a.thrift": """include "base.thrift"
            service One extends base.P { void a() }
            service Two extends base.P { void b() }
            service Three extends base.P { void c() void d() }""",
        "base.thrift": "service P { void a() void b() void c() void d() }",
    }
    schema = load("a.thrift", files.__getitem__).schema
    assert again(schema) == schema


def test_what_no_idl_can_say_is_refused() -> None:
    def schema(annotation: str) -> Schema:
        name = TypeName("a.thrift", "S")
        struct = Struct(name, (), annotations=Annotations((Annotation("k", annotation),)))
        return Schema("a.thrift", (), {name: struct}, files=("a.thrift",))

    assert again(schema("a\\b")) == schema("a\\b")
    with pytest.raises(ValueError, match="no literal"):
        print_schema(schema("ends in \\"))


def test_two_types_of_one_name_cannot_be_told_apart() -> None:
    files = {
        "a.thrift": 'include "x/t.thrift" include "b.thrift" struct S { 1: t.T x, 2: b.Y y }',
        "b.thrift": 'include "y/t.thrift" typedef t.T Y',
        "x/t.thrift": "struct T {}",
        "y/t.thrift": "struct T {}",
    }
    schema = load("a.thrift", files.__getitem__).schema
    assert schema.structs[TypeName("a.thrift", "S")].fields[1].type == StructType(TypeName("y/t.thrift", "T"))
    with pytest.raises(ValueError, match=r"'t\.T' would mean two types"):
        print_schema(schema)
