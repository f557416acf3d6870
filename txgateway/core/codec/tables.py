"""The structs of a schema as the native codec's tables: rows of plain values, compiled once per mapping.

What an absent field is sent as, or shown as, is what the plain codec makes of it, so the
two cannot differ there. A struct with something that the native codec does not do is left
out, and so is each that leads to it; a method that needs one is served by the plain codec.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import orjson
from attrs import frozen

from ..descriptor import (
    EnumType,
    Field,
    ListType,
    MapType,
    Method,
    Requiredness,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
    TypeName,
)
from ..errors import IdlError, UnusableReply
from . import binary, native
from .structs import SCALARS, Structs, ThriftStruct, inner_structs
from .thrift_to_json import JsonWriters, ReplyStructs
from .walking import field_ends
from .wire_type import I32, LIST, MAP, SET, STRUCT

if TYPE_CHECKING:
    from ._native import ReplyRow, RequestRow, TypeRow

R = TypeVar("R")

# The JSON key of a field; None: JSON does not have it.
KeyOf = Callable[[Field], str | None]
Test = Callable[[Field], bool]


class Unsupported(Exception):
    """The native codec does not do this."""


@frozen
class RequestTables:
    """The structs that requests are read into.

    :ivar structs: gives the classes of the plain codec.
    :ivar index: of each struct in the native table.
    :ivar digits: whether every integer may come as text.
    """

    structs: Structs
    native: native.Requests
    index: Mapping[TypeName, int]
    converts: Test
    digits: bool

    def row(
        self, cls: type[ThriftStruct], hidden: Collection[str], wanted: Collection[str], *, exact: bool = True
    ) -> RequestRow:
        """The row of an outermost struct, whose fields have their keys elsewhere; raises Unsupported.

        :param hidden: the fields that are sent as zero where nobody gives them.
        :param wanted: the fields whose values are handed out.
        :param exact: whether a union must have exactly one member.
        """
        row = _request_row(self.structs, cls, self.index, lambda field: None, self.converts, hidden, wanted)
        return row if exact else (row[0], False)


def request_tables(
    structs: Structs,
    key_of: KeyOf,
    converts: Test,
    embeds: Test,
    digits: bool,
    wanted: Mapping[TypeName, Collection[str]],
    breathe: Callable[[], None],
) -> RequestTables:
    """The tables of all structs that the first arguments of the schema's methods lead to.

    :param wanted: the fields of each struct whose values are handed out.
    :param breathe: called after each struct.
    """
    schema = structs.schema
    roots = (argument.type for method in _methods(schema) for argument in method.arguments[:1])

    def row(struct: Struct, index: Mapping[TypeName, int]) -> RequestRow:
        if any(map(embeds, struct.fields)) or not _are_distinct(map(key_of, struct.fields)):
            raise Unsupported
        hidden = [field.name for field in struct.fields if key_of(field) is None and _is_required(field)]
        cls, looked_at = structs[struct.name], wanted.get(struct.name, ())
        return _request_row(structs, cls, index, key_of, converts, hidden, looked_at)

    rows, index = _table(schema, roots, row, breathe)
    return RequestTables(structs, native.Requests(rows), index, converts, digits)


def _request_row(
    structs: Structs,
    cls: type[ThriftStruct],
    index: Mapping[TypeName, int],
    key_of: KeyOf,
    converts: Test,
    hidden: Collection[str],
    wanted: Collection[str],
) -> RequestRow:
    struct = cls.__declaration__
    absent = _absent(structs, cls, hidden)
    is_union = struct.kind is StructKind.UNION and not cls.__message__
    if is_union and absent:
        raise Unsupported
    fields = tuple(
        (
            field.id,
            key_of(field),
            type_row(field.type, index),
            converts(field),
            _is_required(field) and field.name not in hidden,
            absent.get(field.id, b""),
            _pick(place, field) if field.name in wanted else None,
        )
        for place, field in enumerate(struct.fields)
    )
    return fields, is_union


def _pick(place: int, field: Field) -> int:
    # Structs are handed out as tuples, which are no keys if there is a list in one.
    if _has_struct_keys(field.type):
        raise Unsupported
    return place


def _has_struct_keys(declared: Type) -> bool:
    match declared:
        case ListType(element) | SetType(element):
            return _has_struct_keys(element)
        case MapType(key, value):
            return isinstance(key, StructType) or _has_struct_keys(value)
    return False


def _absent(structs: Structs, cls: type[ThriftStruct], hidden: Collection[str]) -> dict[int, bytes]:
    """What is sent for each field that nobody gives, its type and id in front."""
    made: ThriftStruct = cls.__new__(cls)
    for attribute, field in zip(cls.__names__, cls.__declaration__.fields, strict=True):
        if field.name in hidden:
            setattr(made, attribute, structs.zero(field))
    data = binary.encode(made)
    ends = [0, *field_ends(data)]
    spans = (data[start:end] for start, end in pairwise(ends))
    return {int.from_bytes(span[1:3], "big", signed=True): span for span in spans}


@frozen
class ReplyTables:
    """The structs that replies are read from.

    :ivar index: of each struct in the native table.
    :ivar outermost: the same for those that are a whole result; None if these are shown as any other struct.
    """

    native: native.Replies
    index: Mapping[TypeName, int]
    outermost: Mapping[TypeName, int] | None


@frozen
class Outermost:
    """How a struct is shown that is a whole result.

    :ivar key_of: its fields' keys.
    :ivar picks: tells the fields whose values are handed out; raises Unsupported.
    """

    key_of: KeyOf
    picks: Callable[[Field], bool]


def reply_tables(
    structs: ReplyStructs,
    writers: JsonWriters,
    converts: Test,
    embeds: Test,
    outermost: Outermost | None,
    breathe: Callable[[], None],
) -> ReplyTables:
    """The tables of all structs that results and exceptions of the schema's methods lead to.

    :param outermost: None if a whole result is shown as any other struct.
    :param breathe: called after each struct.
    """
    schema, key_of = structs.schema, structs.key_of

    def row(struct: Struct, index: Mapping[TypeName, int]) -> ReplyRow:
        if any(map(embeds, struct.fields)) or not _are_distinct(map(key_of, struct.fields)):
            raise Unsupported
        return _reply_row(structs, writers, struct, index, key_of, converts, lambda field: False)

    results = (type_ for method in _methods(schema) for type_ in (method.result, *(t.type for t in method.throws)))
    roots = list(dict.fromkeys(type_ for type_ in results if type_ is not None))
    rows, index = _table(schema, roots, row, breathe)
    found: dict[TypeName, int] = {}
    for root in roots:
        if outermost is not None and isinstance(root, StructType) and root.name in index and root.name not in found:
            struct = schema.structs[root.name]
            try:
                made = _outermost_row(structs, writers, struct, index, outermost, converts)
            except Unsupported:
                continue
            found[root.name] = len(rows)
            rows.append(made)
            breathe()
    return ReplyTables(native.Replies(rows), index, None if outermost is None else found)


def _outermost_row(
    structs: ReplyStructs,
    writers: JsonWriters,
    struct: Struct,
    index: Mapping[TypeName, int],
    outermost: Outermost,
    converts: Test,
) -> ReplyRow:
    if not _are_distinct(map(outermost.key_of, struct.fields)):
        raise Unsupported
    return _reply_row(structs, writers, struct, index, outermost.key_of, converts, outermost.picks)


def _reply_row(
    structs: ReplyStructs,
    writers: JsonWriters,
    struct: Struct,
    index: Mapping[TypeName, int],
    key_of: KeyOf,
    converts: Test,
    picks: Test,
) -> ReplyRow:
    return tuple(
        (
            field.id,
            None if (key := key_of(field)) is None else orjson.dumps(key) + b":",
            type_row(field.type, index),
            converts(field),
            field.requiredness is Requiredness.REQUIRED and structs.start(struct, field) is None,
            _default(structs, writers, struct, field),
            place if picks(field) else None,
        )
        for place, field in enumerate(struct.fields)
    )


def _default(structs: ReplyStructs, writers: JsonWriters, struct: Struct, field: Field) -> bytes | None:
    """The JSON of what a field is shown as that the service left out."""
    make = structs.start(struct, field)
    if make is None:
        return None
    write = writers.field(field)
    value = make()
    try:
        return writers.dumps(field.type)(value if write is None else write(value))
    except UnusableReply:
        raise Unsupported from None


def type_row(declared: Type, index: Mapping[TypeName, int]) -> TypeRow:
    """The type's row; raises Unsupported if it leads to a struct that is not in the table."""
    row = partial(type_row, index=index)
    match declared:
        case ScalarType(scalar) if scalar in SCALARS:
            return SCALARS[scalar]
        case EnumType():
            return I32
        case StructType(name) if name in index:
            return (STRUCT, index[name])
        case ListType(element):
            return (LIST, row(element))
        case SetType(element):
            return (SET, row(element))
        case MapType(key, value):
            return (MAP, row(key), row(value))
    raise Unsupported


def _table(
    schema: Schema,
    roots: Iterable[Type],
    row: Callable[[Struct, Mapping[TypeName, int]], R],
    breathe: Callable[[], None],
) -> tuple[list[R], dict[TypeName, int]]:
    """The rows of all structs below the roots that can have one, and the place of each."""
    names = _reached(schema, roots)
    every = {name: place for place, name in enumerate(names)}
    made: dict[TypeName, R] = {}
    for name in names:
        # What no codec carries is complained of where a method needs it.
        with suppress(Unsupported, IdlError):
            made[name] = row(schema.structs[name], every)
        breathe()
    index = {name: place for place, name in enumerate(_supported(schema, made))}
    if len(index) == len(names):
        return list(made.values()), index
    # The places have moved.
    return [row(schema.structs[name], index) for name in index], index


def _reached(schema: Schema, roots: Iterable[Type]) -> list[TypeName]:
    """The structs that the types lead to, each once."""
    waiting = list(dict.fromkeys(name for root in roots for name in inner_structs(root)))
    reached = dict.fromkeys(waiting)
    for name in waiting:
        for field in schema.structs[name].fields:
            for inner in inner_structs(field.type):
                if inner not in reached:
                    reached[inner] = None
                    waiting.append(inner)
    return waiting


def _supported(schema: Schema, made: Collection[TypeName]) -> list[TypeName]:
    """Those of the structs that lead to none that is not among them."""
    kept = dict.fromkeys(made)
    size = -1
    while size != (size := len(kept)):
        for name in list(kept):
            inner = (each for field in schema.structs[name].fields for each in inner_structs(field.type))
            if not all(each in kept for each in inner):
                del kept[name]
    return list(kept)


def _methods(schema: Schema) -> list[Method]:
    return [method for service in schema.services for method in service.methods]


def _are_distinct(keys: Iterable[str | None]) -> bool:
    present = [key for key in keys if key is not None]
    return len(set(present)) == len(present)


def _is_required(field: Field) -> bool:
    return field.requiredness is Requiredness.REQUIRED and field.default is None
