"""What values of the IDL's types are in JSON: in requests, where little is guessed, and in answers."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from ..annotations import marked
from ..annotations.sensitive import SENSITIVE
from ..descriptor import (
    Enum,
    EnumType,
    Field,
    ListType,
    MapType,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
)
from ..keys import call_argument_key, call_key, converts, embeds, nested_key
from ..places import is_demanded
from ..rendering import Answers, body_key
from ..text import RANGES
from .components import Component, Components, Direction, Family
from .constants import as_json
from .digits import integers
from .json_schema import BOUNDS, NOTHING, PARTS, Json, or_null, range_of, tightened
from .rules import NO_RULES, FieldRules, Rules, inside
from .words import described, with_rules

Key = Callable[[Field], str | None]

_KEYS: dict[Direction, Key] = {
    Direction.REQUEST: nested_key,
    Direction.REPLY: nested_key,
    Direction.CALL: call_argument_key,
    Direction.CALL_REPLY: call_key,
}
# Structs that a whole one holds.
_INNER = {Direction.ANSWER: Direction.REPLY}
_INCOMING = (Direction.REQUEST, Direction.CALL)
# What is no base64 in the strict reading is refused.
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
# Of all that Go reads as a number, what people write.
DECIMAL = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"

SCALARS: dict[Scalar, Json] = {
    Scalar.BOOL: {"type": "boolean"},
    Scalar.DOUBLE: {"type": "number", "format": "double"},
    Scalar.STRING: {"type": "string"},
    Scalar.UUID: {"type": "string", "format": "uuid"},
    **{
        scalar: {"type": "integer", "format": f"int{scalar.value[1:]}", "minimum": low, "maximum": high}
        for scalar, (low, high) in RANGES.items()
    },
}


@frozen
class FieldSchema:
    """
    :ivar demanded: by the IDL, or by a rule: a request without the field is refused.
    :ivar schema: of a value that is there.
    """

    demanded: bool
    schema: Json


class Types:
    """The JSON of the types of one schema.

    :param number: of the schema, by which ``components`` knows it.
    """

    def __init__(self, number: int, schema: Schema, components: Components) -> None:
        self.schema = schema
        self.rules = Rules(schema)
        self.writers = Answers(schema).writers
        self._number = number
        self._components = components

    def component(self, component: Component) -> Json:
        """The schema of what has a name."""
        if component.type in self.schema.enums:
            return _enum(self.schema.enums[component.type])
        return self.struct(self.schema.structs[component.type], component.family)

    def value(self, type: Type, family: Family, *, converted: bool = False) -> Json:
        """Any value of a type; ``converted`` as ``api.js_conv`` has it, which reaches into containers alone."""
        match type:
            case ScalarType(scalar):
                return self._scalar(scalar, family, converted)
            case EnumType(name):
                return self._number_or_text(self._components.enum(self._number, name), Scalar.I32, family, converted)
            case StructType(name):
                return self._components.struct(self._number, name, family)
            case ListType(element) | SetType(element):
                return {"type": "array", "items": self.value(element, family, converted=converted)}
            case MapType(StructType() as key, value):
                pair = [self.value(key, family), self.value(value, family, converted=converted)]
                return {"type": "array", "items": _tuple(pair)}
            case MapType(key, value):
                entries = {"type": "object", "additionalProperties": self.value(value, family, converted=converted)}
                return {**entries, **self._key(key, family)}

    def field(self, field: Field, family: Family) -> FieldSchema:
        """A field's value in JSON, with its rules and all that is said of it."""
        if family.direction not in _INCOMING:
            return FieldSchema(False, self.told(field, self.bare(field, family), family.direction))
        schema, rules = ruled(self.bare(field, family), self.rules.of(field, family.held))
        told = self.told(field, schema, family.direction, rules)
        return FieldSchema(is_demanded(field) or rules.demanded, told)

    def bare(self, field: Field, family: Family) -> Json:
        """A field's value in JSON, without its rules."""
        if embeds(field):
            return {}
        inner = Family(_INNER.get(family.direction, family.direction), inside(field, family.held))
        return self.value(field.type, inner, converted=converts(field))

    def told(self, field: Field, schema: Json, direction: Direction, rules: FieldRules = NO_RULES) -> Json:
        """The schema of a field with what is said of it in words."""
        if field.default is not None and not rules.demanded:
            texts = direction not in _INCOMING and converts(field)
            key_of = _KEYS[_INNER.get(direction, direction)]
            default = as_json(self.schema, field.type, field.default, key_of, texts=texts)
            schema = {**schema, "default": default}
        if marked(field, SENSITIVE) and schema.get("type") == "string" and "format" not in schema:
            schema = {**schema, "format": "password"}
        return with_rules(schema, rules, field.doc)

    def key_of(self, direction: Direction) -> Key:
        """The keys of the fields of a struct that travels so; none: JSON does not have the field."""
        if direction is Direction.ANSWER:
            return lambda field: body_key(field, self.writers)
        return _KEYS[direction]

    def named(self, struct: Struct, family: Family) -> Json:
        """A reference to the component of a struct."""
        return self._components.struct(self._number, struct.name, family)

    def struct(self, struct: Struct, family: Family) -> Json:
        """An object that becomes a struct, or became of one."""
        key_of = self.key_of(family.direction)
        keyed = [(field, key) for field in struct.fields if (key := key_of(field)) is not None]
        if family.direction in _INCOMING:
            schema = incoming(struct, [(key, self.field(field, family)) for field, key in keyed])
            return self.asserted(struct, schema, family)
        schema = outgoing(struct, [(field, key, self.field(field, family).schema) for field, key in keyed])
        return described(schema, struct.doc)

    def asserted(self, struct: Struct, schema: Json, family: Family) -> Json:
        """The schema with the rules of the struct as a whole, which are words to JSON Schema."""
        rules = self.rules.of_whole(struct, family.held)
        return with_rules(schema, rules, struct.doc)

    def _scalar(self, scalar: Scalar, family: Family, converted: bool) -> Json:
        is_incoming = family.direction in _INCOMING
        if scalar in RANGES:
            if is_incoming:
                return self._number_or_text(SCALARS[scalar], scalar, family, converted)
            return {"type": "string", "format": "int64"} if converted and scalar is Scalar.I64 else _shown(scalar)
        match scalar:
            case Scalar.BINARY:
                base64 = {"type": "string", "contentEncoding": "base64"}
                return {**base64, "pattern": _BASE64} if is_incoming else base64
            case Scalar.BOOL if converted and is_incoming:
                return {"enum": [True, False, "true", "false"]}
            case Scalar.DOUBLE if converted and is_incoming:
                return {"anyOf": [SCALARS[scalar], {"type": "string", "pattern": DECIMAL}]}
        return SCALARS[scalar]

    def _number_or_text(self, number: Json, scalar: Scalar, family: Family, converted: bool) -> Json:
        if family.direction is Direction.CALL or (converted and family.direction is Direction.REQUEST):
            return {"anyOf": [number, self._components.text(scalar.value)]}
        return number

    def _key(self, key: Type, family: Family) -> Json:
        """What is said of the names of an object's members, which are the keys of a map."""
        match key:
            case ScalarType(Scalar.BOOL):
                return {"propertyNames": {"enum": ["true", "false"]}}
            case ScalarType(Scalar.DOUBLE):
                return {"propertyNames": {"pattern": DECIMAL}} if family.direction in _INCOMING else {}
            case ScalarType(scalar) if scalar in RANGES:
                return {"propertyNames": self._components.text(scalar.value)}
            case EnumType():
                return {"propertyNames": self._components.text(Scalar.I32.value)}
        return {}


def text_of(integer: str) -> Json:
    """The component of the texts of an integer."""
    return {
        "type": "string",
        "pattern": integers(*RANGES[Scalar(integer)]),
        "description": f"The decimal digits of an {integer}, with an optional sign.",
    }


def ruled(schema: Json, rules: FieldRules) -> tuple[Json, FieldRules]:
    """The schema with what rules demand; and the rules, of which it may say less than of plain numbers."""
    both, is_all = _with_texts(schema, rules.schema)
    return both, rules if is_all else _said_in_part(rules)


def _with_texts(schema: Json, further: Json) -> tuple[Json, bool]:
    """What both take, and whether that is said of the texts of numbers, too."""
    if not further:
        return schema, True
    match schema:
        case {"anyOf": [{"type": "integer"} as number, {"$ref": _}]}:
            bounded = tightened(number, further)
            text = {"type": "string", "pattern": integers(*range_of(bounded))}
            return {"anyOf": [bounded, text]}, further.keys() <= BOUNDS
        case {"anyOf": [_, _]}:
            return tightened(schema, further), False
    of_parts = {word: _with_texts(schema[word], further[word]) for word in PARTS if word in schema and word in further}
    both = tightened(schema, {word: value for word, value in further.items() if word not in of_parts})
    parts = {word: part for word, (part, _) in of_parts.items()}
    return {**both, **parts}, all(is_all for _, is_all in of_parts.values())


def _said_in_part(rules: FieldRules) -> FieldRules:
    return evolve(rules, written=tuple({**line, "in_schema": False} for line in rules.written))


def incoming(struct: Struct, fields: list[tuple[str, FieldSchema]]) -> Json:
    """An object of these members. Others are passed over, and a null is as good as no member."""
    if struct.kind is StructKind.UNION:
        return {"type": "object", **_one_of(fields)}
    schema: Json = {"type": "object", "properties": _members(fields)}
    required = list(dict.fromkeys(key for key, field in fields if field.demanded))
    return {**schema, "required": required} if required else schema


def _members(fields: list[tuple[str, FieldSchema]]) -> Json:
    members: Json = {}
    for key, field in fields:
        schema = field.schema if field.demanded else or_null(field.schema)
        # Two fields of one key both take its value.
        members[key] = {"allOf": [members[key], schema]} if key in members else schema
    return members


def _one_of(fields: list[tuple[str, FieldSchema]]) -> Json:
    """Exactly one member; each way has a type of its own, in which the others are nothing."""
    if not fields:
        return NOTHING
    nothing = {key: {"type": "null"} for key, _ in fields}
    ways = [{"title": key, "properties": {**nothing, key: field.schema}, "required": [key]} for key, field in fields]
    return {"oneOf": ways}


def outgoing(struct: Struct, fields: list[tuple[Field, str, Json]]) -> Json:
    """An object as the gateway writes it: what the service has not set is not there, unless it has a default."""
    schema: Json = {"type": "object", "properties": {key: field for _, key, field in fields}}
    if struct.kind is StructKind.UNION:
        return {**schema, "maxProperties": 1}
    required = [key for field, key, _ in fields if is_always_there(field)]
    return {**schema, "required": required} if required else schema


def is_always_there(field: Field) -> bool:
    """Whether an answer without the field cannot be: a reply without it is refused, or its default takes its place."""
    return field.requiredness is Requiredness.REQUIRED or field.default is not None


def _tuple(items: list[Json]) -> Json:
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _shown(scalar: Scalar) -> Json:
    """An integer that is answered; its bounds are those of its format."""
    return {"type": "integer", "format": SCALARS[scalar]["format"]}


def _enum(enum: Enum) -> Json:
    """Any number may travel, also one without a name: the next version of the IDL may have one for it."""
    lines = "\n".join(
        f"- `{member.number}` {member.name}{f': {member.doc}' if member.doc else ''}" for member in enum.members
    )
    names = {"x-tgw-enum": {member.name: member.number for member in enum.members}}
    return described({**SCALARS[Scalar.I32], **names}, enum.doc, lines)
