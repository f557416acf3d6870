"""Structs to bytes and back: what is written, what is believed, and what never is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapped import schema_of
from tests.recorded.http import read_struct
from tests.wire_trees import encode as tree_bytes
from tests.wire_trees import trees
from txgateway.core.codec.binary import EncodeError, decode, encode, encode_checked
from txgateway.core.codec.structs import Structs
from txgateway.core.errors import WireError

IDL = """
enum Kind { A = 1 }
union U { 1: i32 n, 2: string s }
struct In { 1: required i32 n, 2: optional string s }
struct All {
    1: optional bool b, 2: optional i8 i8v, 3: optional i16 i16v, 4: optional i32 i32v, 5: optional i64 i64v
    6: optional double d, 7: optional string s, 8: optional binary y, 9: optional Kind k, 10: optional In inner
    11: optional list<i32> li, 12: optional list<string> ls, 13: optional set<i64> si, 14: optional map<string, i32> m
    15: optional map<i64, In> mi, 16: optional list<list<In>> ll, 17: optional U u, 18: optional All more
    19: optional map<In, i32> ms, 20: optional map<string, string> mss, 21: optional list<U> lu
    22: optional map<i64, U> mu
}
struct Rest { 1: i32 n = 5, 2: list<string> l = ["a"], 3: In inner, 4: optional i32 o = 3, 5: map<string, i32> m }
"""
STRUCTS = Structs(schema_of(IDL))
ALL, IN, U, REST = (STRUCTS.named(name) for name in ("All", "In", "U", "Rest"))


def structs_of(idl):
    return Structs(schema_of(idl))


# Strict classes, as replies are read with.
STRICT = type("Strict", (Structs,), {"lenient": False})(schema_of(IDL)).named("All")

floats = st.floats(allow_nan=False)
ins = st.builds(IN, n=st.integers(-(2**31), 2**31 - 1), s=st.none() | st.text(max_size=5))
alls = st.deferred(
    lambda: st.builds(
        ALL,
        b=st.booleans(),
        i8v=st.integers(-128, 127),
        i16v=st.integers(-(2**15), 2**15 - 1),
        i32v=st.integers(-(2**31), 2**31 - 1),
        i64v=st.integers(-(2**63), 2**63 - 1),
        d=floats,
        s=st.text(max_size=9),
        y=st.binary(max_size=9),
        k=st.integers(0, 9),
        inner=st.none() | ins,
        li=st.lists(st.integers(-5, 5), max_size=3),
        ls=st.lists(st.text(max_size=3), max_size=3),
        si=st.lists(st.integers(-5, 5), max_size=3, unique=True),
        m=st.dictionaries(st.text(max_size=3), st.integers(-5, 5), max_size=3),
        mi=st.dictionaries(st.integers(-5, 5), ins, max_size=2),
        ll=st.lists(st.lists(ins, max_size=2), max_size=2),
        u=st.none() | st.builds(U, n=st.integers(-5, 5)) | st.builds(U, s=st.text(max_size=3)),
        more=st.none() | alls,
        ms=st.dictionaries(ins, st.integers(-5, 5), max_size=2),
        mss=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    )
)


@given(alls)
def test_decode_undoes_encode(value):
    encoded = encode_checked(value)
    assert encode(decode(ALL, encoded)) == encoded
    assert encode(decode(STRICT, encoded)) == encoded


FLAGS = Structs(
    schema_of("""
    struct Flag { 1: optional bool b }
    struct Flags {
        1: optional bool b, 2: optional list<bool> l, 3: optional set<bool> s, 4: optional map<bool, bool> m
        5: optional list<Flag> fl, 6: optional map<string, bool> mb, 7: optional i8 n
    }
""")
).named("Flags")


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ("02 0001 01", "b", True),
        ("02 0001 02", "b", False),
        ("02 0001 ff", "b", False),
        ("0f 0002 02 00000004 01 02 00 ff", "l", [True, False, False, False]),
        ("0e 0003 02 00000002 80 01", "s", [False, True]),
        ("0d 0004 02 02 00000002 01 03 02 01", "m", {True: False, False: True}),
        ("0f 0005 0c 00000002 02 0001 07 00 02 0001 01 00", "fl", [False, True]),
        ("0d 0006 0b 02 00000001 00000001 61 02", "mb", {"a": False}),
    ],
)
def test_a_bool_is_true_if_it_is_1(data: str, field: str, value: object) -> None:
    # The number behind it would be changed too if more than the bools were touched.
    held = decode(FLAGS, bytes.fromhex(data + "03 0007 02 00"))
    found = getattr(held, field)
    assert ([flag.b for flag in found] if field == "fl" else found) == value
    assert held.n == 2


def test_an_odd_bool_excuses_nothing_behind_it() -> None:
    for rest in ("", "0b 0009 7fffffff 00", "63 0009 00", "0f 0002 02 00000009 01 00"):
        with pytest.raises(WireError):
            decode(FLAGS, bytes.fromhex("02 0001 02" + rest))


@given(alls, st.data())
def test_no_part_of_a_struct_is_taken_for_all_of_it(value, data):
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(WireError):
        decode(ALL, encoded[:cut])


@settings(max_examples=300)
@given(alls, st.data())
def test_changed_bytes_are_read_or_refused_but_never_read_beyond_their_end(value, data):
    encoded = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    # What lies behind the bytes in memory would differ between the two: nothing of it may be seen.
    assert outcome(bytes(encoded)) == outcome(bytes(encoded))


def outcome(data):
    try:
        return repr(decode(ALL, data))
    except WireError as error:
        return str(error)


@given(trees())
def test_the_bytes_of_a_stranger_are_read_or_refused(tree):
    for cls in (ALL, STRICT):
        try:
            decode(cls, tree_bytes(tree))
        except WireError:
            continue


def test_unset_fields_are_written_by_their_requiredness():
    assert read_struct(encode(REST.__new__(REST))) == {
        "1:i32": 5,
        "2:list<string>": ["a"],
        "3:struct": {},
        "5:map<string,i32>": [],
    }


def test_a_reader_puts_defaults_back():
    read = decode(REST, b"\0")
    assert (read.n, read.l, read.o, read.m, bool(read.inner)) == (5, ["a"], 3, {}, False)
    read.l.append("b")
    assert decode(REST, b"\0").l == ["a"]


def test_bytes_that_are_no_text_stay_bytes():
    assert decode(ALL, b"\x0b\0\x07\0\0\0\x02\xff\xfe\0").s == b"\xff\xfe"
    assert decode(ALL, b"\x0b\0\x08\0\0\0\x02ab\0").y == b"ab"


@pytest.mark.parametrize(
    ("members", "got"),
    [([], "none"), ([[1, "i32", 5], [2, "string", "x"]], "n, s"), ([[9, "i32", 5]], "none")],
    ids=["none", "two", "unknown"],
)
@pytest.mark.parametrize(
    ("path", "around"),
    [
        ("u", lambda members: [[17, "struct", members]]),
        ("more.u", lambda members: [[18, "struct", [[17, "struct", members]]]]),
        ("lu[1]", lambda members: [[21, "list", {"of": "struct", "items": [[[1, "i32", 0]], members]}]]),
        ("mu[7]", lambda members: [[22, "map", {"key": "i64", "value": "struct", "pairs": [[7, members]]}]]),
    ],
)
def test_a_union_that_is_read_has_exactly_one_member(path, around, members, got):
    with pytest.raises(WireError) as refused:
        decode(ALL, tree_bytes(around(members)))
    assert str(refused.value) == f"{path}: expected exactly one member of U, got {got}"
    assert decode(ALL, tree_bytes(around([[2, "string", ""]])))


def test_an_argument_that_is_a_union_is_held_to_the_same():
    structs = structs_of("union U { 1: i32 n, 2: string s } service S { void f(1: U u), void g(1: i32 a, 2: i32 b) }")
    first, second = structs.schema.services[0].methods
    with pytest.raises(WireError, match=r"^u: expected exactly one member of U, got n, s$"):
        decode(structs.arguments(first), tree_bytes([[1, "struct", [[1, "i32", 5], [2, "string", "x"]]]]))
    # What holds the arguments is no union of the IDL's, though nothing is written in it but what is set.
    assert decode(structs.arguments(second), tree_bytes([[1, "i32", 1], [2, "i32", 2]])).__dict__ == {"a": 1, "b": 2}
    assert decode(structs.arguments(first), b"\0").__dict__ == {}


def test_a_union_that_was_not_given_may_be_empty_where_kitex_writes_it_so():
    structs = structs_of("union U { 1: i32 n } struct S { 1: U u, 2: required U r } service V { void f(1: U u) }")
    cls, arguments = structs.named("S"), structs.arguments(structs.schema.services[0].methods[0])
    r = [2, "struct", [[1, "i32", 1]]]
    for unset in ([r], [[1, "struct", []], r]):
        assert decode(cls, tree_bytes(unset)).r.n == 1
    assert decode(cls, encode(cls(r=structs.named("U")(n=1)))).r.n == 1
    assert decode(arguments, tree_bytes([[1, "struct", []]])).u.n is None
    with pytest.raises(WireError, match=r"^r: expected exactly one member of U, got none$"):
        decode(cls, tree_bytes([[2, "struct", []]]))


def test_a_missing_required_field_is_named_with_its_path():
    sent = encode(ALL(mi={3: IN(n=1)}, ll=[[], [IN(n=1), IN.__new__(IN)]]))
    with pytest.raises(WireError, match=r"required field ll\[1\]\[1\]\.n is missing"):
        decode(ALL, sent)


@pytest.mark.parametrize(
    "data",
    [
        "0b0007ffffffff00",  # a string of length -1
        "0b0007040000006162 00",  # of 64 MiB, on two bytes
        "0b00077fffffff6162 00",
        "0f000b08ffffffff00",  # a list of -1
        "0f000b087fffffff0000000100",  # of 2^31-1
        "0f0063017fffffff00",  # of no type that exists, in an unknown field
        "0d006300007fffffff00",
        "6300050000",  # an unknown type
        "08000400",  # cut short
        "",
    ],
)
def test_what_thriftpy2_would_stumble_over_never_reaches_it(data):
    for cls in (ALL, STRICT):
        with pytest.raises(WireError):
            decode(cls, bytes.fromhex(data))


@pytest.mark.parametrize(("key", "value"), [(11, 8), (10, 11), (11, 11)])
def test_a_map_of_strings_where_numbers_are_declared_is_not_misread(key, value):
    # thriftpy2 would take the length of a text for the number, and go on out of step.
    entries = {11: struct.pack(">i", 2) + b"ab", 8: struct.pack(">i", 1), 10: struct.pack(">q", 1)}
    data = b"\x0d\0\x0f" + bytes([key, value]) + struct.pack(">i", 1) + entries[key] + entries[value] + b"\0"
    for cls in (ALL, STRICT):
        with pytest.raises(WireError, match="the entries of a map are not of the types"):
            decode(cls, data)


def test_a_field_of_another_type_is_skipped_or_refused():
    data = b"\x0b\0\x04\0\0\0\x01x\x08\0\x63\0\0\0\x05\0"  # i32v as a text, and a field that nobody knows
    assert decode(ALL, data).i32v is None
    with pytest.raises(WireError, match="field 4 is not of the type"):
        decode(STRICT, data)


def test_empty_containers_may_name_any_type():
    data = b"\x0d\0\x0e\0\0\0\0\0\0\x0f\0\x0b\x0b\0\0\0\0\0"
    read = decode(STRICT, data)
    assert (read.m, read.li) == ({}, [])


@pytest.mark.parametrize("levels", [63, 64])
def test_levels_are_bounded_both_ways(levels):
    value = ALL()
    for _ in range(levels):
        value = ALL(more=value)
    if levels < 64:
        assert repr(decode(ALL, encode_checked(value))) == repr(value)
        return
    for write in (encode, encode_checked):
        with pytest.raises(EncodeError, match="64"):
            write(value)
    with pytest.raises(WireError, match="64 levels"):
        decode(ALL, b"\x0c\0\x12" * levels + b"\0" * (levels + 1))


def test_unknown_fields_are_bounded_in_depth_as_well():
    with pytest.raises(WireError, match="64 levels"):
        decode(ALL, b"\x0c\0\x63" * 1000 + b"\0" * 1001)
    with pytest.raises(WireError, match="64 levels"):
        decode(ALL, b"\x0f\0\x63" + b"\x0f\0\0\0\x01" * 1000)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: ALL(i32v=5.7), "i32v: expected an int from -2147483648 to 2147483647, got 5.7"),
        (lambda: ALL(i32v=True), "i32v: expected an int .*, got a bool"),
        (lambda: ALL(i8v=128), "i8v: expected an int from -128 to 127, got 128"),
        (lambda: ALL(b=1), "b: expected a bool, got 1"),
        (lambda: ALL(d="1"), "d: expected a double, got a str"),
        (lambda: ALL(d=True), "d: expected a double, got a bool"),
        (lambda: ALL(s=5), "s: expected a str, got 5"),
        (lambda: ALL(y="text"), "y: expected bytes, got a str"),
        (lambda: ALL(k=2**31), "k: expected an int"),
        (lambda: ALL(ls="abc"), "ls: expected a list, got a str"),
        (lambda: ALL(li=[1, None]), r"li\[1\]: expected an int .*, got a NoneType"),
        (lambda: ALL(m=[("a", 1)]), "m: expected a dict, got a list"),
        (lambda: ALL(m={"a": "b"}), r"m\['a'\]: expected an int .*, got a str"),
        (lambda: ALL(inner=U(n=1)), "inner: expected a In, got a U"),
        (lambda: ALL(inner={"n": 1}), "inner: expected a In, got a dict"),
        (lambda: ALL(more=ALL(mi={7: IN()})), r"more\.mi\['7'\]\.n: is required"),
        (lambda: ALL(u=U()), "u: expected exactly one member of U, got none"),
        (lambda: ALL(u=U(n=1, s="x")), "u: expected exactly one member of U, got n, s"),
        (lambda: ALL(s="\ud800"), "All.s cannot hold a str"),
    ],
)
def test_what_a_stranger_fills_in_is_checked(made, message):
    with pytest.raises(EncodeError, match=message):
        encode_checked(made())


def test_what_reads_alike_may_be_written_alike():
    kind = STRUCTS.enum_named("Kind")
    echoed = REST(inner=REST.__new__(REST).inner)
    encode_checked(echoed)
    assert read_struct(encode_checked(ALL(k=kind.A, si={1}, li=(1, 2), d=3, s=b"\xff"))) == {
        "9:i32": 1,
        "13:set<i64>": ["1"],
        "11:list<i32>": [1, 2],
        "6:double": 3.0,
        "7:string": {"b64": "/w=="},
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [(ALL(i32v="x"), "All.i32v cannot hold a str"), (ALL(y="\ud800"), "lone surrogate"), (ALL(li=5), "All.li cannot")],
)
def test_unchecked_values_fail_in_our_own_words(value, message):
    with pytest.raises(EncodeError, match=message):
        encode(value)


def test_what_lies_behind_the_struct_is_ignored():
    assert decode(IN, encode(IN(n=1)) + b"rubbish").n == 1
