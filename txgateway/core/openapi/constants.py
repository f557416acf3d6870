"""Constants of an IDL as JSON has them, for the defaults of fields."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from ..descriptor import (
    Field,
    ListType,
    MapType,
    MapValue,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    StructType,
    StructValue,
    Type,
    Value,
)
from ..text import written


def as_json(
    schema: Schema, declared: Type, value: Value, key_of: Callable[[Field], str | None], *, texts: bool = False
) -> Any:
    """
    :param key_of: the JSON key of a field in a nested struct; None: JSON does not have it.
    :param texts: each i64 is a text, down to the next struct.
    """

    def inside(type: Type, item: Value, texts: bool = texts) -> Any:
        return as_json(schema, type, item, key_of, texts=texts)

    match declared, value:
        case ScalarType(Scalar.BINARY), bytes():
            return b64encode(value).decode("ascii")
        case ((ListType(element) | SetType(element)), tuple()):
            return [inside(element, item) for item in value]
        case MapType(StructType() as key, item), MapValue(entries):
            return [[inside(key, k, False), inside(item, v)] for k, v in entries]
        case MapType(_, item), MapValue(entries):
            return {written(k).decode("utf-8", "replace"): inside(item, v) for k, v in entries}
        case StructType(name), StructValue(_, fields):
            given = dict(fields)
            keys = ((key_of(field), field) for field in schema.structs[name].fields if field.name in given)
            return {key: inside(field.type, given[field.name], False) for key, field in keys if key is not None}
        case ScalarType(Scalar.I64), int() if texts:
            return str(value)
    return value
