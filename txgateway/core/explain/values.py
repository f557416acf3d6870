"""Values of Thrift as texts to look at: JSON, cut where it grows long, without what is not to be shown."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from itertools import islice
from typing import Any

import orjson

from ..annotations import marked
from ..annotations.sensitive import SENSITIVE
from ..codec.structs import ThriftStruct
from ..descriptor import EnumType, ListType, MapType, Scalar, ScalarType, Schema, SetType, StructType, Type
from ..misfit import kind
from .story import HIDDEN
from .words import SHOWN, printable, shortened

# Of a list or map so many parts are shown, and of one value so many in all.
MOST_PARTS = 20
MOST_IN_ALL = 200


def value_text(value: Any, declared: Type, schema: Schema) -> str:
    """A value of this type as JSON text."""
    plain = _Plain(schema).of(value, declared)
    return shortened(orjson.dumps(plain, option=orjson.OPT_NON_STR_KEYS).decode())


def json_text(value: Any) -> str:
    """A value that came as JSON: a large one by its kind alone."""
    if isinstance(value, dict | list) and len(value) > MOST_PARTS:
        return f"{kind(value)} of {len(value)}"
    try:
        return shortened(orjson.dumps(value).decode())
    except orjson.JSONEncodeError:
        # It reads deeper values than it writes.
        return f"{kind(value)} of many levels"


class _Plain:
    """Makes a value plain: one that JSON can say."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._left = MOST_IN_ALL

    def of(self, value: Any, declared: Type) -> Any:
        self._left -= 1
        if value is None or self._left < 0:
            return None if value is None else "…"
        match declared:
            case EnumType(name):
                members = self._schema.enums[name].members
                member = next((each.name for each in members if each.number == value), "no member")
                return f"{int(value)} ({member})"
            case ListType(element) | SetType(element):
                return self._list(value, element)
            case MapType(key, item):
                return self._map(value, key, item)
            case StructType():
                return self._struct(value)
            case ScalarType(Scalar.BINARY):
                return base64.b64encode(bytes(value)[:SHOWN]).decode()
        return _scalar(value)

    def _list(self, values: Any, element: Type) -> list[Any]:
        items = [self.of(item, element) for item in islice(values, MOST_PARTS)]
        return [*items, f"… {len(values) - MOST_PARTS} more"] if len(values) > MOST_PARTS else items

    def _map(self, values: Mapping[Any, Any], key: Type, item: Type) -> dict[str, Any]:
        shown = {_key(self.of(k, key)): self.of(v, item) for k, v in islice(values.items(), MOST_PARTS)}
        return shown | {"…": f"{len(values) - MOST_PARTS} more"} if len(values) > MOST_PARTS else shown

    def _struct(self, value: ThriftStruct) -> dict[str, Any]:
        fields = zip(value.__names__, value.__declaration__.fields, strict=True)
        return {
            field.name: HIDDEN if marked(field, SENSITIVE) else self.of(value.__dict__[name], field.type)
            for name, field in fields
            if name in value.__dict__
        }


def _scalar(value: Any) -> Any:
    match value:
        case bytes():
            return printable(value)
        case str():
            return shortened(value.encode("utf-8", "replace").decode())
        case float() if not math.isfinite(value):
            return str(value)
    return value


def _key(key: Any) -> str:
    return key if isinstance(key, str) else orjson.dumps(key).decode()
