"""bind for JSON calls: the body's JSON text to the method's arguments, whatever its content type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from .arguments import ARGUMENT_DEPTH, Argument, bad_request
from .binding import Bind, named
from .codec.json_to_thrift import JsonReaders
from .codec.structs import Structs, ThriftStruct
from .descriptor import Field, Method, Scalar, ScalarType
from .errors import BadRequest
from .inputs import parse_json
from .keys import call_argument_key, converts, embeds
from .message import Request
from .misfit import Misfit

# The only key of a body in the old form; its value is the JSON text.
ENVELOPE_KEY = "biz_params"


class CallBinders:
    """Makes the binders of one schema's methods."""

    def __init__(self, structs: Structs) -> None:
        self._structs = structs
        self._readers = JsonReaders(structs, call_argument_key, converts, digits=True, embeds=embeds)

    def call(self, method: Method) -> tuple[Bind, Bind]:
        """Binds a JSON call in its present form, and in its old one (see :func:`is_enveloped`)."""
        read = self._reader(method)
        return (
            lambda request, path: read(request.body),
            lambda request, path: read(call_body(request, enveloped=True)),
        )

    def _reader(self, method: Method) -> Callable[[bytes], ThriftStruct]:
        if not method.arguments:
            nothing = self._structs.arguments(method)()
            return lambda body: nothing
        argument = Argument(self._structs, method)
        reader = self._readers.field(argument.field)
        if not argument.is_struct:
            reader = named(reader, argument.field.name)
        parse = body_parser(argument.field)

        def read(body: bytes) -> ThriftStruct:
            value = parse(body) if body else None
            try:
                if value is None and not argument.is_struct:
                    return argument.absent()
                return argument.holding(reader({} if value is None else value, ARGUMENT_DEPTH))
            except Misfit as misfit:
                raise bad_request(misfit) from None

        return read


def is_enveloped(body: bytes) -> bool:
    """Whether a JSON call comes in the old form, ``{"biz_params": "<json text>"}``."""
    if b'"biz_params"' not in body:
        return False
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return type(value) is dict and value.keys() == {ENVELOPE_KEY} and type(value[ENVELOPE_KEY]) is str


def body_parser(argument: Field) -> Callable[[bytes], Any]:
    """What reads the body of a call with this argument; raises BadRequest."""
    is_text = argument.type == ScalarType(Scalar.STRING, argument.type.annotations)
    return _bare_text if is_text else parse_json


def call_body(request: Request, enveloped: bool) -> bytes:
    """The JSON text of a call's argument, in the present or the old form."""
    return parse_json(request.body)[ENVELOPE_KEY].encode() if enveloped else request.body


def _bare_text(body: bytes) -> Any:
    """A string argument may come as JSON, or just so."""
    try:
        return parse_json(body)
    except BadRequest:
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise BadRequest("The body is neither JSON nor UTF-8 text") from None
