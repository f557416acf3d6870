"""JSON to Thrift to JSON: for any types and values what comes out is what went in."""

from __future__ import annotations

import json
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.idl_schemas import SCALE
from txgateway.core.codec.binary import decode, encode
from txgateway.core.codec.json_to_thrift import JsonReaders
from txgateway.core.codec.structs import Structs
from txgateway.core.codec.thrift_to_json import JsonWriters, ReplyStructs
from txgateway.core.descriptor import (
    Enum,
    EnumMember,
    EnumType,
    Field,
    ListType,
    MapType,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    TypeName,
)
from txgateway.core.keys import converts, nested_key
from txgateway.core.text import RANGES, shortest

FILE = "any.thrift"
KIND = TypeName(FILE, "Kind")
ENUM = Enum(KIND, (EnumMember("A", 1),))
STRUCT_NAMES = [TypeName(FILE, f"S{number}") for number in range(3)]

scalars = st.sampled_from([scalar for scalar in Scalar if scalar is not Scalar.UUID]).map(ScalarType)
leaves = scalars | st.just(EnumType(KIND)) | st.sampled_from(STRUCT_NAMES).map(StructType)
types = st.recursive(
    leaves,
    lambda inner: inner.map(ListType) | inner.map(SetType) | st.builds(MapType, leaves, inner),
    max_leaves=4,
)


@st.composite
def schemas(draw):
    """Three structs of any fields, which may hold each other and themselves."""
    return Schema(FILE, (), {name: draw(structs(name)) for name in STRUCT_NAMES}, {KIND: ENUM})


@st.composite
def structs(draw, name):
    kind = draw(st.sampled_from([StructKind.STRUCT, StructKind.STRUCT, StructKind.UNION]))
    declared = draw(st.lists(types, min_size=1, max_size=5))
    names = draw(st.lists(field_names, min_size=len(declared), max_size=len(declared), unique=True))
    # All optional: what is absent stays absent, so that nothing is added on the way.
    fields = [Field(id, *each, Requiredness.OPTIONAL) for id, each in enumerate(zip(names, declared, strict=True), 1)]
    return Struct(name, tuple(fields), kind)


field_names = st.sampled_from(
    ["a", "b", "self", "from", "thrift_spec", "__dict__", "__class__", "__walk__", "mro", "x"]
)
texts = st.text(max_size=4)


@st.composite
def values(draw, schema, declared, depth=4):
    """A JSON value of the type, as our writers put it."""
    match declared:
        case ScalarType(Scalar.BOOL):
            return draw(st.booleans())
        case ScalarType(Scalar.DOUBLE):
            return draw(st.floats(allow_nan=False, allow_infinity=False))
        case ScalarType(Scalar.STRING):
            return draw(texts)
        case ScalarType(Scalar.BINARY):
            return draw(st.sampled_from(["", "aGk=", "/w==", "AAEC"]))
        case ScalarType(scalar):
            return draw(st.integers(*RANGES[scalar]))
        case EnumType():
            return draw(st.integers(-5, 5))
        case StructType(name):
            return draw(objects(schema, schema.structs[name], depth - 1))
        case ListType(element):
            return draw(st.lists(values(schema, element, depth - 1), max_size=2 if depth > 0 else 0))
        case SetType(element):
            return draw(unique(schema, element, depth - 1, 2 if depth > 0 else 0))
        case MapType(StructType() as key, value):
            keys = draw(unique(schema, key, depth - 1, 2 if depth > 0 else 0))
            return [[key, draw(values(schema, value, depth - 1))] for key in keys]
        case MapType(key, value):
            keys = draw(st.lists(map_keys(key), max_size=2 if depth > 0 else 0, unique=True))
            return {key: draw(values(schema, value, depth - 1)) for key in keys}


@st.composite
def unique(draw, schema, declared, depth, most):
    items = draw(st.lists(values(schema, declared, depth), max_size=most))
    return reduce(lambda kept, item: kept if any(same(item, k) for k in kept) else [*kept, item], items, [])


def same(one, other):
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) or one == other


def map_keys(declared):
    match declared:
        case ScalarType(Scalar.BOOL):
            return st.sampled_from(["true", "false"])
        case ScalarType(Scalar.DOUBLE):
            return st.floats(allow_nan=False).map(lambda number: shortest(number + 0.0))
        case ScalarType(Scalar.STRING | Scalar.BINARY):
            return texts
        case ScalarType(scalar):
            return st.integers(*RANGES[scalar]).map(str)
    return st.integers(-5, 5).map(str)


@st.composite
def objects(draw, schema, struct, depth):
    fields = [field for field in struct.fields if depth > 0 or not holds_structs(field.type)]
    if struct.kind is StructKind.UNION:
        if not fields:
            return draw(st.just({}))
        fields = [draw(st.sampled_from(fields))]
    return {
        field.name: draw(values(schema, field.type, depth))
        for field in fields
        if struct.kind is StructKind.UNION or draw(st.booleans())
    }


def holds_structs(declared):
    match declared:
        case StructType():
            return True
        case ListType(element) | SetType(element):
            return holds_structs(element)
        case MapType(key, value):
            return holds_structs(key) or holds_structs(value)
    return False


@st.composite
def cases(draw):
    schema = draw(schemas())
    declared = draw(types)
    return schema, declared, draw(values(schema, declared))


def is_sendable(schema, declared, value):
    """A union in which no member was possible cannot be sent, and is none of ours."""
    match declared:
        case StructType(name):
            struct = schema.structs[name]
            inner = {field.name: field.type for field in struct.fields}
            empty = struct.kind is StructKind.UNION and not value
            return not empty and all(is_sendable(schema, inner[key], held) for key, held in value.items())
        case ListType(element) | SetType(element):
            return all(is_sendable(schema, element, item) for item in value)
        case MapType(StructType() as key, element):
            return all(is_sendable(schema, key, k) and is_sendable(schema, element, v) for k, v in value)
        case MapType(_, element):
            return all(is_sendable(schema, element, item) for item in value.values())
    return True


@settings(max_examples=100 * SCALE)
@given(cases())
def test_json_goes_to_thrift_and_back_unchanged(case):
    schema, declared, value = case
    if not is_sendable(schema, declared, value):
        return
    holder = TypeName(FILE, "Holder")
    field = Field(1, "held", declared, Requiredness.OPTIONAL)
    schema = Schema(FILE, (), {**schema.structs, holder: Struct(holder, (field,))}, schema.enums)

    sent = JsonReaders(Structs(schema), nested_key, converts).struct(holder)({"held": value}, 60)
    replies = ReplyStructs(schema, nested_key)
    writers = JsonWriters(replies, converts)
    received = decode(replies[holder], encode(sent))
    writer = writers.value(StructType(holder)) or (lambda same_: same_)
    written = writers.dumps(StructType(holder))(writer(received))

    assert equal(json.loads(written), {"held": value})


def equal(one, other):
    """Equal by value, with -0.0 apart from 0.0 and true from 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other
