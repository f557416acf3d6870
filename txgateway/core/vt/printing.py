"""Values in the messages of ``vt`` rules: what ``%v`` makes of the types that thriftgo generates."""

from __future__ import annotations

import math
from typing import Any

from ..descriptor import Enum, EnumType, ListType, MapType, Requiredness, ScalarType, Schema, SetType, StructType, Type
from ..expression.number_text import number_text
from ..expression.shapes import Shapes, as_text, utf8
from ..go_names import go_name


class Printer:
    """Prints raw values by their declared types."""

    def __init__(self, schema: Schema, shapes: Shapes) -> None:
        self._schema = schema
        self._shapes = shapes

    def text(self, raw: Any, type: Type) -> str:
        match type:
            case EnumType(name=name):
                return enum_text(raw, self._schema.enums[name])
            case ListType(element=element) | SetType(element=element):
                return f"[{' '.join([self.text(item, element) for item in raw or ()])}]"
            case MapType(key=key, value=value):
                entries = sorted((raw or {}).items(), key=lambda entry: _order(entry[0]))
                return f"map[{' '.join([f'{self.text(k, key)}:{self.text(v, value)}' for k, v in entries])}]"
            case StructType(name=name):
                return self._struct(raw, type)
            case ScalarType():
                return scalar_text(self._shapes.of(type).read(raw))

    def _struct(self, raw: Any, type: StructType) -> str:
        if raw is None:
            return "<nil>"
        struct = self._schema.structs[type.name]
        shape = self._shapes.struct(struct)
        parts = []
        for declared, found in zip(struct.fields, shape.fields, strict=True):
            value = found.raw(raw)
            optional = declared.requiredness is Requiredness.OPTIONAL and isinstance(
                declared.type, ScalarType | EnumType
            )
            # A pointer: Go prints the address of a value, we print the value.
            shown = "<nil>" if value is None and optional else self.text(value, declared.type)
            parts.append(f"{go_name(declared.name)}:{shown}")
        return f"{struct.name}({{{' '.join(parts)}}})"


def enum_text(number: int, enum: Enum) -> str:
    """The member's name, as the generated String method has it."""
    return next((member.name for member in enum.members if member.number == number), "<UNSET>")


def scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, str):
        return value
    raw = getattr(value, "raw", None) or b""
    return f"[{' '.join(map(str, raw))}]"


def _order(key: Any) -> Any:
    """Go's order of map keys; structs have none, and keep theirs."""
    if isinstance(key, str | bytes):
        return utf8(as_text(key))
    if isinstance(key, int | float):
        return -math.inf if key != key else key
    return 0
