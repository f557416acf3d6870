"""Schemas of every shape that an IDL can describe, for property tests."""

from __future__ import annotations

import os
import re

from hypothesis import strategies as st

from txgateway.core.descriptor import (
    Annotation,
    Annotations,
    Constant,
    Enum,
    EnumMember,
    EnumType,
    Field,
    ListType,
    MapType,
    MapValue,
    Method,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    Service,
    SetType,
    Struct,
    StructKind,
    StructType,
    StructValue,
    Type,
    TypeName,
    Value,
)
from txgateway.core.idl import unescape

# How much longer than usual the property tests run: TGW_FUZZ=250 makes some 100,000 attempts of each.
SCALE = int(os.environ.get("TGW_FUZZ", "1"))
EXAMPLES = 25 * SCALE

# A file may speak of those behind it.
FILES = ("shop/root.thrift", "shop/parts/common.thrift", "base.thrift")

# Words that mean something elsewhere, in an IDL or in a language that code is generated for.
_WORDS = ("from", "self", "end", "list", "map", "set", "struct", "service", "const", "extends", "namespace", "id", "x")
# Only ever names: where a type may stand these are read as what they say.
_NAMES = (*_WORDS, "required", "optional", "void", "oneway", "throws", "i32", "string", "true")

names = st.sampled_from(_NAMES) | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
_pieces = st.sampled_from(
    ["a", "\\w", '"', "'", '\\"', "\\'", "\\\\", "\n", "图", "//", "/*", "#", " ", "{", "$<1; msg:"]
)


_literals = st.tuples(st.sampled_from("\"'"), st.lists(_pieces, max_size=6)).map(
    lambda parts: f"{parts[0]}{''.join(parts[1])}{parts[0]}"
)
_literal = re.compile(r""""(\\["']|[^"])*+"|'(\\["']|[^'])*+'""")


def texts() -> st.SearchStrategy[str]:
    """What a literal can hold: no text that ends in a backslash, for one."""
    return _literals.filter(lambda literal: _literal.fullmatch(literal) is not None).map(unescape)


annotations = st.lists(st.builds(Annotation, names, texts()), max_size=3).map(lambda a: Annotations(tuple(a)))
_sometimes = st.just(Annotations()) | annotations
_docs = st.sampled_from(["", "", "One line.", "Two\n  lines."])
_scalars = st.builds(ScalarType, st.sampled_from(Scalar), _sometimes)


def _unique(draw: st.DrawFn, pool: st.SearchStrategy[str], low: int, high: int, taken: set[str]) -> list[str]:
    fresh = pool.filter(lambda name: name not in taken)
    found = draw(st.lists(fresh, min_size=low, max_size=high, unique=True))
    taken.update(found)
    return found


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A schema of three files, as the linker would build it: throws are optional, as are members of a union."""
    names_of: dict[str, set[str]] = {file: set() for file in FILES}
    type_names = st.sampled_from(_WORDS) | st.from_regex(r"[A-Z][a-z0-9]{0,4}", fullmatch=True)
    enums: dict[TypeName, Enum] = {}
    structs: dict[TypeName, Struct] = {}
    constants: dict[TypeName, Constant] = {}
    declared = {file: [TypeName(file, n) for n in _unique(draw, type_names, 1, 4, names_of[file])] for file in FILES}
    for name in (n for file in FILES for n in declared[file] if draw(st.booleans())):
        enums[name] = draw(_enum(name))
    for name in (n for file in FILES for n in declared[file] if n not in enums):
        structs[name] = Struct(name, ())

    def types(file: str) -> st.SearchStrategy[Type]:
        seen = [n for f in FILES[FILES.index(file) :] for n in declared[f]]
        leaves: st.SearchStrategy[Type] = _scalars | st.sampled_from(seen).flatmap(
            lambda n: st.builds(EnumType if n in enums else StructType, st.just(n), _sometimes)
        )
        return st.recursive(
            leaves,
            lambda inner: st.one_of(
                st.builds(ListType, inner, _sometimes),
                st.builds(SetType, inner, _sometimes),
                st.builds(MapType, inner, inner, _sometimes),
            ),
            max_leaves=3,
        )

    def field_list(file: str, needs: st.SearchStrategy[Requiredness], high: int = 4) -> tuple[Field, ...]:
        found = _unique(draw, names, 0, high, set())
        ids = draw(st.lists(st.integers(1, 2**15 - 1), min_size=len(found), max_size=len(found), unique=True))
        return tuple(
            Field(number, name, draw(types(file)), draw(needs), None, draw(_sometimes), draw(_docs))
            for number, name in zip(ids, found, strict=True)
        )

    def with_defaults(fields: tuple[Field, ...]) -> tuple[Field, ...]:
        return tuple(
            Field(f.id, f.name, f.type, f.requiredness, draw(st.none() | values(f.type)), f.annotations, f.doc)
            for f in fields
        )

    def values(type_: Type, depth: int = 0) -> st.SearchStrategy[Value]:
        return _values(type_, structs, enums, depth)

    for name in structs:
        kind = draw(st.sampled_from(StructKind))
        needs = st.just(Requiredness.OPTIONAL) if kind is StructKind.UNION else st.sampled_from(Requiredness)
        fields = field_list(name.file, needs)
        structs[name] = Struct(name, fields, kind, draw(annotations), draw(_docs))
    shapes = dict(structs)
    for name, struct in shapes.items():
        structs[name] = Struct(name, with_defaults(struct.fields), struct.kind, struct.annotations, struct.doc)
    for file in FILES:
        for short in _unique(draw, names, 0, 2, names_of[file]):
            name, type_ = TypeName(file, short), draw(types(file))
            constants[name] = Constant(name, type_, draw(values(type_)), draw(annotations), draw(_docs))

    def method(name: str, service: TypeName) -> Method:
        oneway = draw(st.booleans())
        arguments = field_list(service.file, st.sampled_from([Requiredness.DEFAULT, Requiredness.REQUIRED]), 2)
        throws = () if oneway else field_list(service.file, st.just(Requiredness.OPTIONAL), 2)
        result = None if oneway else draw(st.none() | types(service.file))
        return Method(name, with_defaults(arguments), result, throws, oneway, service, draw(annotations), draw(_docs))

    # A parent in another file, one in this file, and a child of each.
    services: list[Service] = []
    parents = {
        file: Service(TypeName(file, short), ())
        for file in FILES
        for short in _unique(draw, names, 1, 1, names_of[file])
    }
    for file in FILES[:0:-1]:
        name = parents[file].name
        own = tuple(method(n, name) for n in draw(st.lists(names, min_size=1, max_size=2, unique=True)))
        parents[file] = Service(name, own)
    for short in _unique(draw, names, 0, 3, names_of[FILES[0]]):
        name = TypeName(FILES[0], short)
        own = tuple(method(n, name) for n in draw(st.lists(names, max_size=3, unique=True)))
        parent = draw(st.sampled_from([None, *services, *(parents[f] for f in FILES[1:])]))
        taken = {m.name for m in own}
        inherited = tuple(m for m in parent.methods if m.name not in taken) if parent else ()
        extends = parent.name if parent else None
        services.append(Service(name, inherited + own, extends, draw(annotations), draw(_docs)))
    spaces = st.tuples(st.sampled_from(["go", "py", "*"]), st.sampled_from(["shop", "a.b.c", "odd name"]))
    return Schema(
        FILES[0], tuple(services), structs, enums, constants, tuple(draw(st.lists(spaces, max_size=2))),
        (FILES[0], *sorted(FILES[1:])),
    )  # fmt: skip


@st.composite
def _enum(draw: st.DrawFn, name: TypeName) -> Enum:
    found = _unique(draw, names, 0, 4, set())
    numbers = draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=len(found), max_size=len(found), unique=True))
    members = tuple(
        EnumMember(n, number, draw(_sometimes), draw(_docs)) for n, number in zip(found, numbers, strict=True)
    )
    return Enum(name, members, draw(annotations), draw(_docs))


_BITS = {Scalar.I8: 8, Scalar.I16: 16, Scalar.I32: 32, Scalar.I64: 64}


def _values(
    type_: Type, structs: dict[TypeName, Struct], enums: dict[TypeName, Enum], depth: int
) -> st.SearchStrategy[Value]:
    def inner(t: Type) -> st.SearchStrategy[Value]:
        return _values(t, structs, enums, depth + 1)

    size = 2 if depth < 3 else 0
    match type_:
        case ScalarType(scalar=Scalar.BOOL):
            return st.booleans()
        case ScalarType(scalar=Scalar.DOUBLE):
            return st.floats(allow_nan=False)
        case ScalarType(scalar=Scalar.BINARY):
            return texts().map(str.encode)
        case ScalarType(scalar=scalar) if scalar in _BITS:
            return st.integers(-(2 ** (_BITS[scalar] - 1)), 2 ** (_BITS[scalar] - 1) - 1)
        case ScalarType():
            return texts()
        case EnumType():
            return st.integers(-(2**31), 2**31 - 1)
        case ListType(element=element):
            return st.lists(inner(element), max_size=size).map(tuple)
        case SetType(element=element):
            return st.lists(inner(element), max_size=size, unique=True).map(tuple)
        case MapType(key=key, value=value):
            return st.lists(st.tuples(inner(key), inner(value)), max_size=size).map(lambda e: MapValue(tuple(e)))
        case StructType(name=name):
            fields = structs[name].fields[:size]
            chosen = st.tuples(*(st.none() | inner(f.type) for f in fields))
            return chosen.map(
                lambda values: StructValue(
                    name, tuple((f.name, v) for f, v in zip(fields, values, strict=True) if v is not None)
                )
            )
    raise AssertionError(type_)
