"""The way of requests through the native codec: its output to a plan's arguments.

Arguments are then the bytes of the argument struct, with the values that rules look at
beside them if there are any. What the native codec is not sure of, a body that is wrong
for instance, goes through the plain one: that decides, and its words are what the client reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import itemgetter
from typing import Any

from .annotations import Access
from .codec import native
from .codec.limits import limit_for
from .codec.structs import Structs, ThriftStruct
from .codec.tables import RequestTables
from .descriptor import EnumType, Field, Method, Requiredness, ScalarType, Struct, StructKind
from .inputs import BodyKind, PathParameters, body_kind
from .message import Request
from .native_sources import Sought
from .request_steps import RequestSteps, size_of, too_large

# The numbers of the bodies that the native codec reads.
_NO_BODY, _JSON, _FORM = 0, 1, 2
_KINDS = {BodyKind.NONE: _NO_BODY, BodyKind.JSON: _JSON, BodyKind.FORM: _FORM}


def native_steps(
    plain: RequestSteps, tables: RequestTables, sought: Sought, looked_at: Collection[str], most: int
) -> RequestSteps:
    """Binds requests by a route; raises Unsupported.

    :param plain: takes what the native codec is not sure of.
    :param looked_at: the fields whose values are needed as Python's.
    :param most: bytes that the arguments may have.
    """
    bind_native = sought.binder(tables, most).bind
    otherwise = _plain_bind(plain, looked_at, sought.argument is not None)

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

    return _steps(plain, tables.structs, sought, bind, looked_at)


def native_call_steps(
    plain: RequestSteps,
    tables: RequestTables,
    sought: Sought,
    looked_at: Collection[str],
    most: int,
    body_of: Callable[[Request], bytes],
) -> RequestSteps:
    """The same for JSON calls, where the body is JSON whatever it says it is.

    :param body_of: the JSON text of a request.
    """
    bind_native = sought.binder(tables, most).bind
    otherwise = _plain_bind(plain, looked_at, sought.argument is not None)

    def bind(request: Request, path: PathParameters) -> Any:
        body = body_of(request)
        try:
            bound = bind_native(b"", {}, (), body, _JSON if body else _NO_BODY, b"")
        except OverflowError:
            raise too_large(limit_for(most, len(body))) from None
        return otherwise(request, path) if bound is None else bound

    return _steps(plain, tables.structs, sought, bind, looked_at)


def nothing_to_bind(plain: RequestSteps, structs: Structs, method: Method) -> RequestSteps:
    """For a method without arguments, of which the same is always sent."""
    encoded = plain.encode((structs.arguments(method)(), 0))
    return RequestSteps(
        native.NATIVE, lambda request, path: encoded, lambda arguments: encoded, plain.request, plain.access
    )


def _steps(
    plain: RequestSteps,
    structs: Structs,
    sought: Sought,
    bind: Callable[[Request, PathParameters], Any],
    looked_at: Collection[str],
) -> RequestSteps:
    encode_plain = plain.encode

    def encode(arguments: Any) -> bytes:
        return arguments if arguments.__class__ is bytes else encode_plain(arguments)

    def encode_first(arguments: Any) -> bytes:
        first = arguments[0]
        return first if first.__class__ is bytes else encode_plain(first)

    # An argument that is no struct is the first and only field of what is handed out.
    request = itemgetter(1) if sought.argument is not None else lambda arguments: arguments[1][0]
    return RequestSteps(native.NATIVE, bind, encode_first if looked_at else encode, request, _access(structs))


# Values that rules look at: a tuple for each struct, with the values of its fields at their
# places; None is one that is unset, or that no rule looks at.


def _plain_bind(
    plain: RequestSteps, looked_at: Collection[str], is_struct: bool
) -> Callable[[Request, PathParameters], Any]:
    """The plain codec's way to arguments that look like the native ones."""
    if not looked_at:
        return plain.bind

    def bind(request: Request, path: PathParameters) -> Any:
        arguments = plain.bind(request, path)
        value = _held(plain.request(arguments))
        return arguments, (value if is_struct else (value,))

    return bind


def _held(value: Any) -> Any:
    """A value of the plain codec, held like one that the native codec hands out."""
    if isinstance(value, ThriftStruct):
        return tuple(_held(value.__dict__.get(attribute)) for attribute in value.__names__)
    if isinstance(value, Mapping):
        return {_hashable(_held(key)): _held(item) for key, item in value.items()}
    return list(map(_held, value)) if isinstance(value, list | tuple) else value


def _hashable(key: Any) -> Any:
    """A key of a map, which as a struct may hold lists, sets and maps."""
    if isinstance(key, dict):
        return tuple((each, _hashable(item)) for each, item in key.items())
    return tuple(map(_hashable, key)) if isinstance(key, list | tuple) else key


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
