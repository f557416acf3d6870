"""Struct classes: their attributes, constructors, rest values and starts, and what no class can be built for."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapped import schema_of
from txgateway.core.codec.structs import Structs, attribute
from txgateway.core.errors import IdlError
from txgateway.core.linker import load


def structs_of(idl):
    return Structs(schema_of(idl))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("title", "title"),
        ("from", "from_"),
        ("from_", "from__"),
        ("self", "self"),
        ("args", "args"),
        ("thrift_spec", "thrift_spec_"),
        ("__init__", "__init___"),
        ("_x_", "_x_"),
    ],
)
def test_an_attribute_is_the_name_unless_that_is_taken(name, wanted):
    assert attribute(name) == wanted


def test_an_exception_has_names_of_its_own():
    assert attribute("args", exception=True) == "args_"
    assert attribute("with_traceback", exception=True) == "with_traceback_"


@given(st.lists(st.from_regex(r"_{0,2}(from|class|args|x|thrift_spec|init)_{0,4}", fullmatch=True), unique=True))
def test_two_fields_never_share_an_attribute(names):
    assert len({attribute(name, exception=True) for name in names}) == len(names)


def test_awkward_names_serve_as_keywords_and_attributes():
    odd = structs_of(
        "struct Odd { 1: i32 self, 2: i32 from, 3: i32 from_, 4: i32 __init__, 5: i32 thrift_spec }"
    ).named("Odd")
    made = odd(self=1, from_=2, from__=3, __init___=4, thrift_spec_=5)
    assert (made.self, made.from_, made.from__, made.__init___, made.thrift_spec_) == (1, 2, 3, 4, 5)
    assert repr(made) == "Odd(self=1, from_=2, from__=3, __init___=4, thrift_spec_=5)"


def test_an_unknown_keyword_is_refused_with_those_there_are():
    with pytest.raises(TypeError, match="Book has no field 'titel', only title"):
        structs_of("struct Book { 1: string title }").named("Book")(titel="x")


def test_a_declared_exception_can_be_raised():
    structs = structs_of("exception Missing { 1: i32 Status = 404, 2: string Msg, 3: string args }")
    missing = structs.named("Missing")
    with pytest.raises(missing) as caught:
        raise missing(Msg="no such book", args_="1")
    assert caught.value.Status == 404
    assert str(caught.value) == "Missing(Msg='no such book', args_='1')"


def test_a_field_that_is_not_set_reads_as_what_is_sent_for_it():
    structs = structs_of(
        """
        enum Kind { A = 3 }
        struct In { 1: i32 n = 7 }
        struct All {
            1: bool b, 2: i64 i, 3: double d, 4: string s, 5: binary y, 6: Kind k, 7: In inner
            8: optional i32 o, 9: required i32 r, 10: required i32 rd = 4, 11: i32 x = 5, 12: optional i32 od = 6
        }
        """
    )
    made = structs.named("All").__new__(structs.named("All"))
    assert [made.b, made.i, made.d, made.s, made.y, made.k] == [False, 0, 0.0, "", b"", 0]
    assert [made.o, made.r, made.rd, made.x, made.od] == [None, None, 4, 5, None]
    assert not made.inner
    assert made.inner.n == 7


def test_what_stands_for_an_absent_struct_cannot_be_changed():
    structs = structs_of("struct In { 1: i32 n }\nstruct Out { 1: In inner }")
    inner = structs.named("Out")().inner
    assert isinstance(inner, structs.named("In"))
    with pytest.raises(AttributeError, match="make a new one"):
        inner.n = 1


def test_a_new_instance_has_containers_and_optional_defaults_of_its_own():
    structs = structs_of(
        """
        struct S {
            1: list<string> l = ["a"], 2: map<string, i32> m, 3: optional i32 o = 5, 4: set<i32> e
            5: optional list<i32> ol, 6: optional list<i32> old = [1]
        }
        """
    )
    first, second = structs.named("S")(), structs.named("S")()
    first.l.append("b")
    first.m["x"] = 1
    first.old.append(2)
    assert (second.l, second.m, second.o, second.e, second.ol, second.old) == (["a"], {}, 5, [], None, [1])


def test_a_struct_default_is_a_value_of_its_own():
    structs = structs_of('struct In { 1: i32 n, 2: string s }\nstruct Out { 1: In i = {"n": 3} }')
    first, second = structs.named("Out")(), structs.named("Out")()
    first.i.n = 9
    assert (second.i.n, second.i.s) == (3, "")


def test_a_struct_can_be_a_key_and_in_a_set():
    key = structs_of("struct Key { 1: i32 a, 2: list<i32> b, 3: map<string, i32> c }").named("Key")
    one, other = key(a=1, b=[1, 2], c={"x": 1}), key(a=1, b=[1, 2], c={"x": 1})
    assert one == other
    assert {one: "found"}[other] == "found"
    assert one != key(a=2, b=[1, 2], c={"x": 1})


def test_the_result_has_success_and_the_exceptions_by_their_names():
    schema = schema_of(
        "exception E { 1: string m }\nservice S { i32 add(1: i32 a, 2: i32 b) throws (1: E success, 2: E late) }"
    )
    structs, method = Structs(schema), schema.services[0].methods[0]
    assert list(structs.result(method).__names__) == ["success", "success_", "late"]
    assert list(structs.arguments(method).__names__) == ["a", "b"]
    assert structs.arguments(method)().a is None
    assert structs.result(method)().success is None


def test_classes_are_built_once():
    schema = schema_of("struct A { 1: A next }\nservice S { A f(1: A a) }")
    structs, method = Structs(schema), schema.services[0].methods[0]
    assert structs.named("A") is structs.named("A")
    assert structs.arguments(method) is structs.arguments(method)


def test_included_structs_go_by_the_file_s_name():
    files = {
        "a.thrift": 'include "sub/base.thrift"\nstruct Id { 1: base.Id b }',
        "sub/base.thrift": "struct Id { 1: i32 n }",
    }

    structs = Structs(load("a.thrift", files.__getitem__).schema)
    assert list(structs.named("Id").__names__) == ["b"]
    assert list(structs.named("base.Id").__names__) == ["n"]
    with pytest.raises(KeyError):
        structs.named("nowhere.Id")


def test_an_enum_is_one_of_python_s():
    structs = structs_of("enum Kind { A = 1, mro = 2, B = 2, name = 3 }\nstruct S { 1: Kind k }")
    kind = structs.enum_named("Kind")
    assert (kind.A, kind.mro_, kind.B) == (1, 2, 2)
    assert kind(3).name == "name"


def test_a_long_chain_of_structs_is_no_deep_recursion():
    chain = "\n".join(f"struct S{i} {{ 1: optional S{i + 1} next }}" for i in range(3000))
    structs = structs_of(chain + "\nstruct S3000 { 1: i32 n }")
    assert structs.named("S0")().next is None


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("1: uuid id", "cannot carry uuid"),
        ("1: list<uuid> ids", "cannot carry uuid"),
        ("1: map<list<i32>, i32> m", "has a key that is a container"),
    ],
)
def test_what_the_codec_cannot_carry_is_refused_with_its_place(field, message):
    structs = structs_of(
        f"struct Bad {{ {field} }}\nstruct Good {{ 1: i32 n }}\nstruct Holds {{ 1: Good g, 2: Bad b }}"
    )
    for _ in range(2):  # A refusal leaves nothing half-built behind.
        with pytest.raises(IdlError, match=message) as refused:
            structs.named("Holds")
        assert refused.value.diagnostics[0].position.line == 1
    assert structs.named("Good")().n == 0


def test_nothing_of_an_instance_is_lost_on_a_copy():
    made = structs_of("struct S { 1: list<i32> l }").named("S")(l=[1])
    twin = copy.deepcopy(made)
    twin.l.append(2)
    assert made.l == [1]
