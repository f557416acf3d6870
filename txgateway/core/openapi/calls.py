"""What a JSON call takes: the method's argument as a JSON body."""

from __future__ import annotations

from collections.abc import Sequence

from ..descriptor import Field, Scalar, ScalarType, StructKind, StructType
from ..keys import call_argument_key, converts
from ..places import is_demanded
from .components import Direction, Family
from .json_schema import Json, or_null
from .requests import JSON, TEXT, RequestParts
from .rules import NOT_HELD, Held
from .types import Types


def call_request(types: Types, arguments: Sequence[Field], held: Held) -> RequestParts:
    """
    :param arguments: of the method; the first is the one that counts.
    :param held: which rules are held against requests at all.
    """
    return RequestParts(body=_body(types, arguments[0], held) if arguments else None)


def _body(types: Types, argument: Field, held: Held) -> Json:
    if not isinstance(argument.type, StructType):
        schema = types.value(argument.type, Family(Direction.CALL, NOT_HELD), converted=converts(argument))
        demanded = is_demanded(argument)
        schema = types.told(argument, schema if demanded else or_null(schema), Direction.CALL)
        content = {JSON: {"schema": schema}}
        if argument.type == ScalarType(Scalar.STRING, argument.type.annotations):
            # What is no JSON is the text itself.
            content[TEXT] = {"schema": {"type": "string"}}
        return {"required": demanded, "content": content}
    struct, family = types.schema.structs[argument.type.name], Family(Direction.CALL, held)
    required = struct.kind is StructKind.UNION or any(
        types.field(field, family).demanded for field in struct.fields if call_argument_key(field)
    )
    return {"required": required, "content": {JSON: {"schema": types.named(struct, family)}}}
