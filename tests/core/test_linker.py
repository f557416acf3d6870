"""Files and their includes become one schema; what cannot be linked is refused with its place."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Mapping
from pathlib import Path

import pytest

from txgateway.core.descriptor import (
    Annotation,
    Annotations,
    EnumType,
    ListType,
    MapType,
    MapValue,
    Method,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    Service,
    StructType,
    StructValue,
    TypeName,
    Value,
)
from txgateway.core.errors import IdlError, Severity
from txgateway.core.linker import MAX_DIAGNOSTICS, MAX_INCLUDE_DEPTH, Cache, Loaded, load

ROOT = Path(__file__).parents[2]


def loaded(files: str | Mapping[str, str], path: str = "a.thrift", dirs: tuple[str, ...] = ()) -> Loaded:
    texts = {path: files} if isinstance(files, str) else files

    def read(name: str) -> str:
        if name not in texts:
            raise FileNotFoundError(name)
        return texts[name]

    return load(path, read, dirs)


def schema(files: str | Mapping[str, str], path: str = "a.thrift", dirs: tuple[str, ...] = ()) -> Schema:
    return loaded(files, path, dirs).schema


def refused(files: str | Mapping[str, str], path: str = "a.thrift") -> list[str]:
    with pytest.raises(IdlError) as caught:
        loaded(files, path)
    return [str(d) for d in caught.value.diagnostics if d.severity is Severity.ERROR]


def warned(text: str) -> list[str]:
    return [str(w) for w in loaded(text).warnings]


def constant(text: str, name: str = "C") -> Value:
    return schema(text).constants[TypeName("a.thrift", name)].value


# --- Types ------------------------------------------------------------------------------

I32 = ScalarType(Scalar.I32)
STRING = ScalarType(Scalar.STRING)


def test_every_scalar_by_every_name() -> None:
    fields = (
        schema(
            "struct S { 1: bool a, 2: byte b, 3: i8 c, 4: i16 d, 5: i32 e, 6: i64 f, 7: double g, 8: string h, "
            "9: binary i, 10: uuid j, 11: slist k }"
        )
        .structs[TypeName("a.thrift", "S")]
        .fields
    )
    assert [str(f.type) for f in fields] == (
        ["bool", "i8", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid", "string"]
    )


def test_a_declared_uuid_is_the_declared_one() -> None:
    fields = schema("typedef string uuid struct S { 1: uuid a }").structs[TypeName("a.thrift", "S")].fields
    assert fields[0].type == STRING


def test_types_are_found_before_they_are_declared_and_in_themselves() -> None:
    fields = (
        schema("struct S { 1: optional S again, 2: list<T> later, 3: E kind } union T { 1: S back } enum E {}")
        .structs[TypeName("a.thrift", "S")]
        .fields
    )
    assert [f.type for f in fields] == [
        StructType(TypeName("a.thrift", "S")),
        ListType(StructType(TypeName("a.thrift", "T"))),
        EnumType(TypeName("a.thrift", "E")),
    ]


def test_typedefs_are_resolved_across_files_and_keep_their_annotations() -> None:
    files = {
        "a.thrift": 'include "b.thrift" typedef list<b.Id (x = "1")> (y = "2") Ids struct S { 1: Ids (z = "3") ids }',
        "b.thrift": 'typedef i64 (u = "4") Number typedef Number Id (v = "5")',
    }
    (field,) = schema(files).structs[TypeName("a.thrift", "S")].fields

    def noted(*pairs: str) -> Annotations:
        return Annotations(tuple(Annotation(p[0], p[1]) for p in pairs))

    element = ScalarType(Scalar.I64, noted("x1", "u4", "v5"))
    assert field.type == ListType(element, noted("z3", "y2"))


def test_includes_are_found_beside_the_file_then_in_the_folders() -> None:
    files = {
        "idl/a/root.thrift": 'include "b.thrift" include "../c.thrift" include "d/e.thrift"'
        " struct S { 1: b.T b, 2: e.T e }",
        "idl/a/b.thrift": "struct T { 1: i32 beside }",
        "idl/c.thrift": "",
        "lib/b.thrift": "struct T { 1: i32 hidden }",
        "lib/d/e.thrift": 'include "../../idl/a/b.thrift" struct T { 1: b.T same }',
    }
    result = schema(files, "./idl/a/../a/root.thrift", ("lib",))
    assert result.files == ("idl/a/root.thrift", "idl/a/b.thrift", "idl/c.thrift", "lib/d/e.thrift")
    assert [f.type for f in result.structs[TypeName("idl/a/root.thrift", "S")].fields] == [
        StructType(TypeName("idl/a/b.thrift", "T")),
        StructType(TypeName("lib/d/e.thrift", "T")),
    ]
    assert len(result.structs) == 3


def test_two_includes_of_one_name_are_both_searched_the_first_one_first() -> None:
    files = {
        "a.thrift": 'include "x/t.thrift" include "y/t.thrift" struct S { 1: t.Both a, 2: t.OnlyY b }',
        "x/t.thrift": "struct Both {}",
        "y/t.thrift": "struct Both {} struct OnlyY {}",
    }
    assert [f.type for f in schema(files).structs[TypeName("a.thrift", "S")].fields] == [
        StructType(TypeName("x/t.thrift", "Both")),
        StructType(TypeName("y/t.thrift", "OnlyY")),
    ]


def test_ids_that_are_not_written_go_on_counting() -> None:
    fields = schema("struct S { i32 a, 5: i32 b, i32 c, -2: i32 d, i32 e }").structs[TypeName("a.thrift", "S")].fields
    assert [f.id for f in fields] == [1, 5, 6, -2, -1]


def test_requiredness_is_settled_by_where_a_field_stands() -> None:
    result = schema(
        "union U { 1: required i32 a } exception E {} struct S { 1: required i32 a 2: i32 b }"
        "service V { void f(1: optional i32 a, 2: required i32 b) throws (1: required E e) }"
    )
    method = result.services[0].methods[0]
    assert result.structs[TypeName("a.thrift", "U")].fields[0].requiredness is Requiredness.OPTIONAL
    assert [f.requiredness for f in result.structs[TypeName("a.thrift", "S")].fields] == [
        Requiredness.REQUIRED,
        Requiredness.DEFAULT,
    ]
    assert [f.requiredness for f in method.arguments] == [Requiredness.DEFAULT, Requiredness.REQUIRED]
    assert method.throws[0].requiredness is Requiredness.OPTIONAL


def test_required_and_optional_need_no_blank_behind_them() -> None:
    result = loaded(
        "struct S { 1: optionalstring a, 2: requiredS b, 3: optional_type c, 4: requiredlist<i32> d }"
        "typedef i32 optional_type"
    )
    fields = result.schema.structs[TypeName("a.thrift", "S")].fields
    assert [(f.requiredness, str(f.type)) for f in fields] == [
        (Requiredness.OPTIONAL, "string"),
        (Requiredness.REQUIRED, "S"),
        (Requiredness.DEFAULT, "i32"),
        (Requiredness.REQUIRED, "list<i32>"),
    ]
    assert len(result.warnings) == 2


def test_enum_members_are_counted_from_the_one_before() -> None:
    enum = schema("enum E { A, B = 0x10, C, D = -5, F }").enums[TypeName("a.thrift", "E")]
    assert [(m.name, m.number) for m in enum.members] == [("A", 0), ("B", 16), ("C", 17), ("D", -5), ("F", -4)]


def test_places_and_comments_are_kept() -> None:
    (service,) = schema("// What it is.\nservice S {\n  // What it does.\n  void f(1: i32 a)\n}").services
    assert (service.doc, str(service.position)) == ("What it is.", "a.thrift:2:9")
    assert (service.methods[0].doc, str(service.methods[0].position)) == ("What it does.", "a.thrift:4:8")
    assert str(service.methods[0].arguments[0].position) == "a.thrift:4:17"


# --- Constants --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("const i32 C = 5", 5),
        ("const i64 C = -0x10", -16),
        ("const i32 C = true", 1),
        ("const i32 C = 2.0", 2),
        ("const bool C = 1", True),
        ("const bool C = false", False),
        ("const double C = 3", 3.0),
        ("const double C = true", 1.0),
        ("const string C = 'x'", "x"),
        ("const binary C = 'é'", "é".encode()),
        ("const list<i32> C = [1, 2]", (1, 2)),
        ("const set<string> C = ['a']", ("a",)),
        ("const list<i32> C = {}", ()),
        ("const map<string, i32> C = []", MapValue(())),
        ("const map<string, list<double>> C = {'a': [1]}", MapValue((("a", (1.0,)),))),
        ("const E C = E.B enum E { A, B = 7 }", 7),
        ("const E C = B enum E { A, B = 7 }", 7),
        ("const E C = 7 enum E { A, B = 7 }", 7),
        ("const i32 C = E.B enum E { A, B = 7 }", 7),
        ("const Alias C = Alias.B enum E { A, B = 7 } typedef E Alias", 7),
        ("const double C = D const i32 D = 4", 4.0),
        ("const list<i32> C = [D, D] const i32 D = 4", (4, 4)),
        ("const list<i32> C = D const list<i32> D = [4]", (4,)),
        (
            "const S C = {'a': 1, 'next': {'b': 'x'}} struct S { 1: i64 a 2: string b 3: S next }",
            StructValue(
                TypeName("a.thrift", "S"), (("a", 1), ("next", StructValue(TypeName("a.thrift", "S"), (("b", "x"),))))
            ),
        ),
        # A flag whose highest bit is the sign.
        ("const i32 C = 0x80000000", -(2**31)),
    ],
)
def test_a_constant_is_a_value_of_its_type(text: str, value: Value) -> None:
    found = constant(text)
    assert (found, type(found)) == (value, type(value))


def test_constants_and_enum_members_of_other_files() -> None:
    files = {
        "a.thrift": (
            'include "b.thrift" const i32 C = b.C const b.E K = b.E.Y const list<b.E> L = [b.E.X, Y, 0]'
            "const Mine M = Mine.Y typedef b.E Mine const b.S S = {'e': b.E.Y, 'c': b.C}"
        ),
        "b.thrift": "const i64 C = D const i64 D = 6 enum E { X, Y } struct S { 1: E e = E.Y, 2: i32 c = C }",
    }
    values = {name.name: c.value for name, c in schema(files).constants.items() if name.file == "a.thrift"}
    assert values == {
        "C": 6,
        "K": 1,
        "L": (0, 1, 0),
        "M": 1,
        "S": StructValue(TypeName("b.thrift", "S"), (("e", 1), ("c", 6))),
    }
    assert [f.default for f in schema(files).structs[TypeName("b.thrift", "S")].fields] == [1, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("const i32 C = 'x'", "a value of type i32 was expected here, not a string"),
        ("const i32 C = 1.5", "a value of type i32 was expected here, not a number"),
        ("const i8 C = 256", "256 does not fit i8"),
        ("const string C = 5", "a value of type string was expected here, not a whole number"),
        ("const string C = true", "a value of type string was expected here, not a name"),
        ("const list<i32> C = {1: 2}", "a value of type list<i32> was expected here, not a map"),
        ("const map<i32, i32> C = 5", "a value of type map<i32,i32> was expected here, not a whole number"),
        ("const S C = {'b': 1} struct S { 1: i32 a }", "'S' has no field 'b'"),
        ("const S C = {'a': 1, 'a': 2} struct S { 1: i32 a }", "the field 'a' is given twice"),
        ("const S C = {1: 1} struct S { 1: i32 a }", "a field of 'S' was expected here, its name in quotes"),
        ("const S C = D struct S { 1: i32 a } const T D = {} struct T {}", ""),
        ("const E C = 'A' enum E { A }", "a value of type E was expected here, not a string"),
        ("const i32 C = D const i32 D = C", "leads to itself"),
        ("const list<i32> C = [C]", "a value of type i32 was expected here, not a list"),
        ("const i32 C = D const i64 D = C", "leads to itself"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_left_out_with_a_warning(text: str, message: str) -> None:
    # thriftgo reads such files and refuses only to generate code for them.
    result = loaded(text)
    if message:
        assert TypeName("a.thrift", "C") not in result.schema.constants
        assert any(message in str(w) for w in result.warnings)


def test_a_set_that_names_an_element_twice_has_it_once() -> None:
    text = """const i32 N = 2
    struct P { 1: i32 x }
    struct S { 1: set<i32> a = [3, N, 2, 3], 2: set<list<i32>> b = [[1], [1]], 3: set<P> c = [{"x": 1}, {"x": 1}] }"""
    a, b, c = (f.default for f in schema({"a.thrift": text}).structs[TypeName("a.thrift", "S")].fields)
    assert (a, b) == ((3, 2), ((1,),))
    assert isinstance(c, tuple)
    assert len(c) == 1


def test_a_default_that_is_not_of_its_type_is_none() -> None:
    result = loaded("struct S { 1: i32 a = 'x', 2: i32 b = 5 }")
    assert [f.default for f in result.schema.structs[TypeName("a.thrift", "S")].fields] == [None, 5]
    assert "there is no default" in str(result.warnings[0])


def test_an_enum_may_hold_a_number_that_has_no_name() -> None:
    result = loaded("const E C = 9 enum E { A }")
    assert result.schema.constants[TypeName("a.thrift", "C")].value == 9
    assert "no member of enum 'E' has the number 9" in str(result.warnings[0])


# --- Services ---------------------------------------------------------------------------


def methods(service: Service) -> list[tuple[str, str]]:
    return [(m.name, str(m.declared_in)) for m in service.methods]


def test_inherited_methods_come_first_and_know_where_they_are_declared() -> None:
    files = {
        "a.thrift": 'include "b.thrift" service Child extends Mid { void c() } service Mid extends b.Top { void m() }',
        "b.thrift": "service Top extends Root { void t() } service Root { void r(1: Arg a) } struct Arg {}",
    }
    child, mid = schema(files).services
    assert methods(child) == [("r", "Root"), ("t", "Top"), ("m", "Mid"), ("c", "Child")]
    assert methods(mid) == [("r", "Root"), ("t", "Top"), ("m", "Mid")]
    assert (child.extends, mid.extends) == (TypeName("a.thrift", "Mid"), TypeName("b.thrift", "Top"))
    assert child.methods[0].arguments[0].type == StructType(TypeName("b.thrift", "Arg"))


def test_a_method_declared_again_replaces_the_inherited_one() -> None:
    _, child = schema("service P { void a() void b() } service C extends P { i32 a() }").services
    assert methods(child) == [("b", "P"), ("a", "C")]
    assert child.methods[1].result == I32


def test_a_method_with_all_its_parts() -> None:
    (service,) = schema(
        'exception E {} service S { map<string, i32> f(1: i32 a = 3) throws (1: E e) (api.get = "/f", api.get = "/g") '
        "oneway void g() }"
    ).services
    f, g = service.methods
    assert (f.result, f.arguments[0].default) == (MapType(STRING, I32), 3)
    assert [a.value for a in f.annotations.all("API.GET")] == ["/f", "/g"]
    assert (g.oneway, g.result, g.throws) == (True, None, ())
    assert isinstance(f, Method)
    assert f.throws[0].type == StructType(TypeName("a.thrift", "E"))


# --- What is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("struct S {} enum S {}", "1:18: error: 'S' is declared twice", "first as a struct in line 1"),
        ("struct S { 1: i32 a, 1: i32 b }", "1:22: error: 'b' has the id of 'a', 1, in struct 'S'", ""),
        ("union S { 1: i32 a, 2: i32 a }", "'a' is declared twice in union 'S'", ""),
        ("struct S { 40000: i32 a }", "the id 40000 does not fit 16 bits", ""),
        ("enum E { A, A }", "'A' is declared twice in enum 'E'", ""),
        ("enum E { A = 2147483648 }", "2147483648 does not fit an enum", ""),
        ("struct Book {} struct S { 1: Bok b }", "there is no type 'Bok'", "did you mean 'Book'?"),
        ("struct S { 1: strng b }", "there is no type 'strng'", "did you mean 'string'?"),
        ("struct S { 1: list<map<i32, Nix>> b }", "there is no type 'Nix'", ""),
        ("struct S { 1: base.Base b }", "no include is called 'base'", ""),
        ("const i32 C = 5 struct S { 1: C b }", "'C' is a constant, not a type", ""),
        ("service V {} struct S { 1: V b }", "'V' is a service, not a type", ""),
        ("typedef A B typedef B A", "leads to itself", ""),
        ("typedef list<A> A", "leads to itself", ""),
        (
            "const i32 LIMIT = 5 const i32 C = LIMTI",
            "there is no constant or enum member 'LIMTI'",
            "did you mean 'LIMIT'?",
        ),
        ("enum E { A } const E C = E.B", "there is no constant or enum member 'E.B'", ""),
        ("struct S { 1: i32 a = NIX }", "there is no constant or enum member 'NIX'", ""),
        ("service S { void f() i32 f() }", "'f' is declared twice in service 'S'", ""),
        ("service S { void f(1: i32 a, 1: i32 b) }", "'b' has the id of 'a', 1, in the arguments of method 'f'", ""),
        ("service S { void f(1: i32 a, 2: i32 a) }", "'a' is declared twice in the arguments of method 'f'", ""),
        ("exception E {} service S { i32 f() throws (0: E e) }", "0 is the id of what the method returns", ""),
        ("service S { oneway i32 f() }", "method 'f' is oneway, so it returns nothing", ""),
        (
            "exception E {} service S { oneway void f() throws (1: E e) }",
            "method 'f' is oneway, so it cannot throw",
            "",
        ),
        ("service Parent {} service S extends Parnet {}", "there is no service 'Parnet'", "did you mean 'Parent'?"),
        ("struct P {} service S extends P {}", "there is no service 'P'", ""),
        ("service A extends B {} service B extends A {}", "a service cannot extend itself", "A -> B -> A"),
        ("service A extends A {}", "a service cannot extend itself", "A -> A"),
    ],
)
def test_what_does_not_link_is_refused_with_its_place(text: str, message: str, hint: str) -> None:
    found = "\n".join(refused(text))
    assert message in found
    assert hint in found


def test_all_errors_of_a_file_are_reported() -> None:
    found = refused("struct A { 1: X x }\nstruct B { 1: Y y }\nservice S { Z f(1: A a, 1: B b) }")
    assert [e.split("\n")[0] for e in found] == [
        "a.thrift:1:15: error: there is no type 'X'",
        "a.thrift:2:15: error: there is no type 'Y'",
        "a.thrift:3:13: error: there is no type 'Z'",
        "a.thrift:3:25: error: 'b' has the id of 'a', 1, in the arguments of method 'f'",
    ]


def test_errors_of_several_files_come_together() -> None:
    found = refused(
        {
            "a.thrift": 'include "b.thrift" include "c.thrift" struct A { 1: Nix x, 2: b.B b, 3: c.C c }',
            "b.thrift": "struct B { 1: Nix x }",
            "c.thrift": "struct C { 1: i32 }",
        }
    )
    places = [e.split(": error")[0] for e in found]
    assert places == ["c.thrift:1:19", "b.thrift:1:15", "a.thrift:1:53"]


def test_there_is_an_end_to_errors() -> None:
    found = refused("\n".join(f"struct S{i} {{ 1: Nix{i} x }}" for i in range(300)))
    assert len(found) == MAX_DIAGNOSTICS + 1
    assert "and 200 more of this kind" in found[-1]


def test_missing_and_circular_includes_name_their_chain() -> None:
    (found,) = refused({"a.thrift": 'include "b.thrift"', "b.thrift": '\ninclude "nix.thrift" struct S { 1: nix.T t }'})
    assert found.split("\n")[0] == "b.thrift:2:9: error: there is no 'nix.thrift' here or in an include folder"
    assert "included by a.thrift -> b.thrift" in found
    (found,) = refused({"a.thrift": 'include "b.thrift"', "b.thrift": 'include "a.thrift"'})
    assert "b.thrift:1:9: error: the files include each other" in found
    assert "a.thrift -> b.thrift -> a.thrift" in found
    (found,) = refused({"a.thrift": 'include "a.thrift"'})
    assert "a.thrift -> a.thrift" in found


def test_a_file_that_cannot_be_read_is_named() -> None:
    def read(path: str) -> str:
        raise {"folder": IsADirectoryError, "secret": PermissionError, "odd": OSError}.get(path, FileNotFoundError)(
            path
        )

    for path, why in (
        ("folder", "is a folder"),
        ("secret", "may not be read"),
        ("odd", "cannot be read"),
        ("x", "does not exist"),
    ):
        with pytest.raises(IdlError, match=f"{path}:0:0: error: the file {why}"):
            load(path, read)


def test_an_include_may_have_any_name() -> None:
    for name in ("", ".", "..", "/", "a\x00b", "x" * 5000):
        with pytest.raises(IdlError) as caught:
            loaded({"a.thrift": f'include "{name}" struct S {{ 1: Nix x }}'})
        assert caught.value.diagnostics


# --- Bounds -----------------------------------------------------------------------------


def test_includes_have_a_depth() -> None:
    files = {f"f{i}.thrift": f'include "f{i + 1}.thrift"' for i in range(MAX_INCLUDE_DEPTH + 5)}
    assert "includes are nested more than 64 deep" in refused(files, "f0.thrift")[0]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"typedef T{i + 1} T{i}" for i in range(300)) + "\ntypedef i32 T300",
        "\n".join(f"typedef list<T{i + 1}> T{i}" for i in range(300)) + "\ntypedef i32 T300",
        "typedef i32 T0\n" + "\n".join(f"typedef map<T{i}, T{i}> T{i + 1}" for i in range(40)),
        "service S0 {}\n" + "\n".join(f"service S{i + 1} extends S{i} {{}}" for i in range(300))
        + "\n" + "\n".join(f"service R{i} extends R{i + 1} {{}}" for i in range(300)) + "\nservice R300 {}",
    ],
    ids=["typedef chain", "typedefs inside each other", "typedefs that double", "services"],
)  # fmt: skip
def test_what_grows_without_bound_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"const i32 C{i} = C{i + 1}" for i in range(300)) + "\nconst i32 C300 = 1",
        "const list<i32> C0 = [1]\n" + "\n".join(f"const list<i32> C{i + 1} = C{i}" for i in range(300)),
        "typedef list<i32> T0\nconst T0 C0 = [1, 1]\n"
        + "\n".join(f"typedef list<T{i}> T{i + 1}\nconst T{i + 1} C{i + 1} = [C{i}, C{i}]" for i in range(40)),
    ],
    ids=["chain from behind", "chain from the front", "constants that double"],
)
def test_constants_that_grow_without_bound_are_left_out(text: str) -> None:
    result = loaded(text)
    assert len(result.schema.constants) < 302
    assert len(repr(result.schema.constants)) < 10_000_000


# --- Annotations that do nothing --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "struct S { 1: i32 a (api.qeury = 'a') }",
            "the annotation 'api.qeury' is unknown",
            "did you mean 'api.query'?",
        ),
        ("service S { void f() (api.gte = '/f') }", "the annotation 'api.gte' is unknown", "did you mean 'api.get'?"),
        ("service S { void f() (tgw.timeuot = '1') }", "'tgw.timeuot' is unknown", "did you mean 'tgw.timeout'?"),
        ("struct S { 1: i32 a (api.validate = 'a') }", "the annotation 'api.validate' is unknown", ""),
        ("struct S { 1: i32 a (api.get = '/f') }", "'api.get' does nothing on a field", "it belongs to a method"),
        ("struct S { 1: i32 (api.query = 'f') a }", "'api.query' does nothing on a type", "it belongs to a field"),
        ("service S {} (api.query = 'f')", "'api.query' does nothing on a service", "it belongs to a field"),
        ("enum E { A (tgw.name = 'f') }", "'tgw.name' does nothing on an enum member", "it belongs to a service"),
    ],
)
def test_annotations_that_do_nothing_are_warned_of(text: str, message: str, hint: str) -> None:
    (found,) = warned(text)
    assert "1:" in found
    assert message in found
    assert hint in found


def test_annotations_of_other_tools_are_none_of_our_business() -> None:
    assert (
        warned(
            "struct S { 1: i32 a (go.tag = 'a', API.Query = 'a', vt.gt = '1', deprecated, swagger.x = 'y') } (a = 'b')"
        )
        == []
    )


def test_odd_enums_and_throws_are_warned_of() -> None:
    assert "'B' has the number of 'A', 1" in warned("enum E { A = 1, B = 1 }")[0]
    assert "a string is no exception" in warned("service S { void f() throws (1: string s) }")[0]


# --- Loading many -----------------------------------------------------------------------


def test_files_of_one_name_in_two_folders_are_two_files() -> None:
    files = {
        "a/root.thrift": 'include "types.thrift" struct S { 1: types.Id id }',
        "b/root.thrift": 'include "types.thrift" struct S { 1: types.Id id }',
        "a/types.thrift": "typedef i32 Id",
        "b/types.thrift": "struct Id {}",
    }
    cache = Cache()
    for folder, type_ in (("a", I32), ("b", StructType(TypeName("b/types.thrift", "Id")))):
        path = f"{folder}/root.thrift"
        for _ in range(2):
            result = load(path, files.__getitem__, cache=cache)
            assert result.schema.structs[TypeName(path, "S")].fields[0].type == type_


def test_a_cache_shares_includes_and_sees_every_change() -> None:
    files = {
        "a.thrift": 'include "c.thrift" struct A { 1: c.C c }',
        "b.thrift": 'include "c.thrift" struct B { 1: c.C c }',
        "c.thrift": "struct C { 1: i32 old }",
    }
    reads: list[str] = []

    def read(path: str) -> str:
        reads.append(path)
        return files[path]

    cache = Cache()
    name = TypeName("c.thrift", "C")
    first = load("a.thrift", read, cache=cache).schema
    assert load("b.thrift", read, cache=cache).schema.structs[name] is first.structs[name]
    assert load("a.thrift", read, cache=cache).schema == first
    files["c.thrift"] = "struct C { 1: i32 new }"
    assert load("a.thrift", read, cache=cache).schema.structs[name].fields[0].name == "new"
    assert first.structs[name].fields[0].name == "old"
    cache.keep(["a.thrift"])
    files["c.thrift"] = "struct C {"
    for _ in range(2):
        with pytest.raises(IdlError, match=r"c\.thrift:1:11"):
            load("a.thrift", read, cache=cache)


def test_the_texts_come_along() -> None:
    files = {"a.thrift": 'include "b.thrift"', "b.thrift": "struct B {}"}
    assert loaded(files).sources == files


# --- Recorded files ---------------------------------------------------------------------

REFUSED = {"badsyntax", "badtype", "dupid", "inccirca", "inccircb", "incmissing"}
RECORDED = sorted(ROOT.glob("tests/vectors/*/idl/*.thrift"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_recorded_files_load_or_are_refused_as_recorded(path: Path) -> None:
    if path.stem in REFUSED:
        with pytest.raises(IdlError):
            load(str(path), lambda p: Path(p).read_text())
    else:
        assert load(str(path), lambda p: Path(p).read_text()).schema.file == str(path)


def test_every_recorded_load_error_of_plain_idl_is_among_them() -> None:
    cases = json.loads((ROOT / "tests/vectors/http/service.json").read_text())["cases"]
    names = {c["idl"].removesuffix(".thrift") for c in cases if c["expected"]["outcome"] == "load_error"}
    # A file without a service is fine by itself: others include it.
    assert names - {"noservice"} <= REFUSED


def test_a_linked_file_is_in_no_circle():
    """Or it would stay until the garbage collector has looked through everything."""
    texts = {
        "a.thrift": 'include "b.thrift"\nconst i32 N = b.N\nconst i8 BAD = 1000\nstruct A { 1: i32 n = N, 2: b.B b }',
        "b.thrift": "const i32 N = 1\nstruct B { 1: optional B b, 2: list<string> l = ['x'] }",
    }
    cache = Cache()
    gc.disable()
    try:
        load("a.thrift", texts.__getitem__, cache=cache)
        files = [weakref.ref(known[2]) for known in cache._linked.values()]
        cache.keep([])
        assert len(files) == 2
        assert all(file() is None for file in files)
    finally:
        gc.enable()
