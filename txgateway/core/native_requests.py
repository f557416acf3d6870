"""The way of requests through the native codec: sources and keys to its rows, its output to a plan's arguments.

Arguments are then the bytes of the argument struct, with the values that rules look at
beside them if there are any. What the native codec is not sure of, a body that is wrong
for instance, goes through the plain one: that decides, and its words are what the client reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from attrs import define, field, frozen

from .annotations import Access, Source
from .annotations.body import Body
from .annotations.cookie import Cookie
from .annotations.form import Form
from .annotations.header import RequestHeader
from .annotations.path import Path
from .annotations.query import Query
from .annotations.raw_body import RawBody
from .annotations.raw_uri import RawUri
from .codec import native
from .codec.limits import limit_for
from .codec.structs import Structs, ThriftStruct
from .codec.tables import RequestTables, Unsupported
from .descriptor import EnumType, Field, Method, Requiredness, ScalarType, Struct, StructKind
from .inputs import BodyKind, PathParameters, body_kind
from .message import Request
from .places import Otherwise, Plain, Wanted
from .request_steps import RequestSteps, size_of, too_large

# The numbers of the bodies that the native codec reads.
_NO_BODY, _JSON, _FORM = 0, 1, 2
_KINDS = {BodyKind.NONE: _NO_BODY, BodyKind.JSON: _JSON, BodyKind.FORM: _FORM}

# The kind of a source's text, and the kind that is taken where there is none of it.
_KIND_OF: Mapping[type[Source], tuple[str, str | None]] = {
    Body: ("form", None),
    Cookie: ("cookie", None),
    Form: ("form", "query"),
    Path: ("path", None),
    # One of the two at most is looked at.
    Plain: ("plain", "form"),
    Query: ("query", None),
    RawBody: ("body", None),
    RawUri: ("target", None),
    RequestHeader: ("header", None),
}

# A slot of the texts, the slot where that has none, and how they are read: see ``_native.pyi``.
_PlaceRow = tuple[int, int | None, bool, bool]


@define
class _Slots:
    """The texts that the fields of a method want, each distinct one with a number."""

    _numbers: dict[tuple[str, bytes], int] = field(factory=dict)

    def place(self, source: Source) -> _PlaceRow:
        """The row of a source; raises Unsupported for one that another package brings."""
        if type(source) not in _KIND_OF:
            raise Unsupported
        kind, otherwise = _KIND_OF[type(source)]
        key = b"" if source.whole else source.key
        behind = None if otherwise is None else self._number(otherwise, key)
        return self._number(kind, key), behind, source.trims, source.whole

    def _number(self, kind: str, key: bytes) -> int:
        return self._numbers.setdefault((kind, key), len(self._numbers))

    def named(self, kind: str) -> list[tuple[bytes, int]]:
        """The names of this kind, with their numbers."""
        return [(key, number) for (each, key), number in self._numbers.items() if each == kind]

    def only(self, kind: str) -> int | None:
        """The number of a kind that has no names."""
        return self._numbers.get((kind, b""))


@frozen
class _Struct:
    """A request struct whose fields are to be found.

    :ivar hidden: the required fields that nobody can give.
    :ivar keys: of the JSON body, each with the place of its field.
    :ivar early: for each field where it is looked for before the JSON body,
    :ivar late: and after it.
    """

    declared: Struct
    hidden: Sequence[str]
    keys: Sequence[tuple[str, int]]
    early: Sequence[Sequence[_PlaceRow]]
    late: Sequence[Sequence[_PlaceRow]]
    slots: _Slots = field(factory=_Slots)


def native_steps(
    plain: RequestSteps,
    tables: RequestTables,
    declared: Struct,
    argument: int,
    wanted: Sequence[Wanted],
    looked_at: Collection[str],
    most: int,
) -> RequestSteps:
    """Binds requests by the sources of their fields; raises Unsupported.

    :param plain: takes what the native codec is not sure of.
    :param argument: the id of the argument.
    :param wanted: how each field comes to its value.
    :param looked_at: the fields whose values are needed as Python's.
    :param most: bytes that the arguments may have.
    """
    if any(each.inside is not None for each in wanted):
        raise Unsupported
    slots = _Slots()
    struct = _Struct(
        declared,
        [each.field.name for each in wanted if each.otherwise is Otherwise.ZERO],
        [(key, at) for at, each in enumerate(wanted) for key in each.places.keys],
        [[slots.place(source) for source in each.places.before] for each in wanted],
        [[slots.place(source) for source in each.places.after] for each in wanted],
        slots,
    )
    bind_native = _binder(tables, struct, argument, looked_at, most)
    otherwise = _plain_bind(plain, looked_at)

    def bind(request: Request, path: PathParameters) -> Any:
        body = request.body
        kind = _NO_BODY
        if body:
            kind = _KINDS.get(body_kind(request), -1)
            if kind < 0:
                return otherwise(request, path)
        try:
            bound = bind_native(request.query, path, request.headers, body, kind, request.target)
        except OverflowError:
            raise too_large(limit_for(most, size_of(request))) from None
        return otherwise(request, path) if bound is None else bound

    return _steps(plain, tables.structs, bind, looked_at)


def native_call_steps(
    plain: RequestSteps,
    tables: RequestTables,
    declared: Struct,
    argument: int,
    key_of: Callable[[Field], str | None],
    looked_at: Collection[str],
    most: int,
    body_of: Callable[[Request], bytes],
) -> RequestSteps:
    """The same for JSON calls, where the body is JSON whatever it says it is.

    :param key_of: the JSON key of a field, None if it has none.
    :param body_of: the JSON text of a request.
    """
    keys = [key_of(each) for each in declared.fields]
    named = [(key, at) for at, key in enumerate(keys) if key is not None]
    hidden = [each.name for each, key in zip(declared.fields, keys, strict=True) if key is None and _is_required(each)]
    nowhere: list[list[_PlaceRow]] = [[]] * len(keys)
    bind_native = _binder(tables, _Struct(declared, hidden, named, nowhere, nowhere), argument, looked_at, most)
    otherwise = _plain_bind(plain, looked_at)

    def bind(request: Request, path: PathParameters) -> Any:
        body = body_of(request)
        try:
            bound = bind_native(b"", {}, (), body, _JSON if body else _NO_BODY, b"")
        except OverflowError:
            raise too_large(limit_for(most, len(body))) from None
        return otherwise(request, path) if bound is None else bound

    return _steps(plain, tables.structs, bind, looked_at)


def nothing_to_bind(plain: RequestSteps, structs: Structs, method: Method) -> RequestSteps:
    """For a method without arguments, of which the same is always sent."""
    encoded = plain.encode((structs.arguments(method)(), 0))
    return RequestSteps(
        native.NATIVE, lambda request, path: encoded, lambda arguments: encoded, plain.request, plain.access
    )


def _binder(
    tables: RequestTables, struct: _Struct, argument: int, looked_at: Collection[str], most: int
) -> Callable[..., Any]:
    if any(name in looked_at for name in struct.hidden):
        raise Unsupported
    keys = [key for key, _ in struct.keys]
    if len(set(keys)) < len(keys):
        raise Unsupported
    named = struct.slots.named
    binder = tables.native.binder(
        tables.row(struct.declared, struct.hidden, looked_at),
        argument,
        struct.early,
        struct.late,
        struct.keys,
        (named("query"), named("plain"), named("form"), named("header"), named("cookie")),
        [(key.decode(), number) for key, number in named("path")],
        (struct.slots.only("body"), struct.slots.only("target")),
        tables.digits,
        most,
    )
    return binder.bind


def _is_required(field: Field) -> bool:
    return field.requiredness is Requiredness.REQUIRED and field.default is None


def _steps(
    plain: RequestSteps,
    structs: Structs,
    bind: Callable[[Request, PathParameters], Any],
    looked_at: Collection[str],
) -> RequestSteps:
    encode_plain = plain.encode

    def encode(arguments: Any) -> bytes:
        return arguments if arguments.__class__ is bytes else encode_plain(arguments)

    def encode_first(arguments: Any) -> bytes:
        first = arguments[0]
        return first if first.__class__ is bytes else encode_plain(first)

    return RequestSteps(native.NATIVE, bind, encode_first if looked_at else encode, itemgetter(1), _access(structs))


# Values that rules look at: a tuple for each struct, with the values of its fields at their
# places; None is one that is unset, or that no rule looks at.


def _plain_bind(plain: RequestSteps, looked_at: Collection[str]) -> Callable[[Request, PathParameters], Any]:
    """The plain codec's way to arguments that look like the native ones."""
    if not looked_at:
        return plain.bind

    def bind(request: Request, path: PathParameters) -> Any:
        arguments = plain.bind(request, path)
        return arguments, _held(plain.request(arguments))

    return bind


def _held(value: Any) -> Any:
    """A value of the plain codec, held like one that the native codec hands out."""
    if isinstance(value, ThriftStruct):
        return tuple(_held(value.__dict__.get(attribute)) for attribute in value.__names__)
    if isinstance(value, Mapping):
        return {_held(key): _held(item) for key, item in value.items()}
    return list(map(_held, value)) if isinstance(value, list | tuple) else value


def _access(structs: Structs) -> Access:
    def access(struct: Struct, field: Field) -> Callable[[Any], Any]:
        place = struct.fields.index(field)
        if not _has_rest(struct, field):
            return itemgetter(place)
        rest = _held(structs.zero(field))
        return lambda value: rest if value[place] is None else value[place]

    return access


def _has_rest(struct: Struct, field: Field) -> bool:
    """Whether a rule sees the IDL's default of a field that nobody gave; a scalar's it finds by itself."""
    return (
        field.default is not None
        and not isinstance(field.type, ScalarType | EnumType)
        and field.requiredness is not Requiredness.OPTIONAL
        and struct.kind is not StructKind.UNION
    )
