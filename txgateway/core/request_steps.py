"""The steps from a request to the bytes of its arguments, and what rules see between them: the plain codec's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from .annotations import Access
from .binding import Bind
from .codec import binary, native
from .codec.limits import limit_for
from .codec.structs import Structs, ThriftStruct
from .descriptor import Field, ListType, MapType, Method, SetType, Struct, StructType
from .errors import BadRequest
from .inputs import PathParameters
from .message import Request


@frozen
class RequestSteps:
    """How the requests of a method become the bytes of its arguments.

    :ivar codec: the name of the codec that does it.
    :ivar bind: a request to arguments, of a kind that only these steps know.
    :ivar encode: arguments to the bytes of the argument struct.
    :ivar request: arguments to the request struct's object, into which ``access`` sees.
    :ivar access: gives for a field the function from its struct's object to its value, None if unset.
    """

    codec: str
    bind: Callable[[Request, PathParameters], Any]
    encode: Callable[[Any], bytes]
    request: Callable[[Any], Any]
    access: Access


# What the plain codec binds: the argument struct, and the size of what it was made of.
PlainArguments = tuple[ThriftStruct, int]


def plain_steps(structs: Structs, method: Method, bind: Bind, most: int) -> RequestSteps:
    """:param most: bytes that the arguments may have."""
    names = structs.arguments(method).__names__
    attribute = next(iter(names), "")
    return RequestSteps(
        codec=native.PLAIN,
        bind=lambda request, path: (bind(request, path), size_of(request)),
        encode=plain_encoder(most),
        request=lambda arguments: getattr(arguments[0], attribute),
        access=access_to(structs),
    )


def size_of(request: Request) -> int:
    """The bytes of a request by which the size of its arguments is judged."""
    return len(request.query) + len(request.body)


def plain_encoder(most: int) -> Callable[[PlainArguments], bytes]:
    """Gives the bytes of the argument struct.

    It raises BadRequest for what has passed as JSON, but is too deep or too large for Thrift.
    """

    def encode(arguments: PlainArguments) -> bytes:
        made, size = arguments
        try:
            encoded = binary.encode(made)
        except binary.EncodeError as error:
            raise BadRequest(f"The arguments cannot be sent: {error}") from None
        if len(encoded) > limit_for(most, size):
            raise too_large(limit_for(most, size))
        return encoded

    return encode


def too_large(limit: int) -> BadRequest:
    return BadRequest(f"The arguments cannot be sent: with the IDL's defaults they have more than {limit} bytes")


def access_to(structs: Structs) -> Access:
    """What a rule sees of a field: its value, or the one that will be sent for it.

    A container or struct that nobody gave is unset to a rule, though Thrift has it sent empty.
    """

    def access(struct: Struct, field: Field) -> Callable[[Any], Any]:
        names = structs[struct.name].__names__
        attribute = next(name for name, label in names.items() if label == field.name)
        if field.default is None and isinstance(field.type, ListType | SetType | MapType | StructType):
            return lambda value: value.__dict__.get(attribute)
        return lambda value: getattr(value, attribute)

    return access
