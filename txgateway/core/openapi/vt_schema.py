"""``vt.*`` rules as JSON Schema, as far as that goes: they speak of a value that is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..descriptor import Enum, EnumType, ListType, MapType, Scalar, ScalarType, Schema, SetType, StructType, Type
from ..expression import RuleError
from ..vt.rules import Written
from ..vt.sources import boolean, double_number, go_literal, whole_number
from .ecma import ecma, literal
from .said import ALWAYS, UNSAID, Said, Subject, all_of, bytes_between, characters_between, count_between, none_of

_BOUNDS = {"lt": "exclusiveMaximum", "le": "maximum", "gt": "exclusiveMinimum", "ge": "minimum"}
# They say nothing of a value that is there, or nothing that JSON could break.
_SILENT = ("not_nil", "skip", "no_sparse")


def said_by(schema: Schema, type: Type, written: Sequence[Written], *, raw: bool) -> Said:
    """What the rules of a field say of a value that is given for it.

    :param written: the annotations, without ``vt.`` in front.
    :param raw: see :class:`Subject`.
    """
    groups: dict[str, list[Written]] = {}
    for each in written:
        groups.setdefault(each.key, []).append(each)
    return all_of(_of_group(schema, type, key, group, raw) for key, group in groups.items())


def enters(written: Sequence[Written], type: Type) -> bool:
    """Whether the rules of the structs in a field of this type hold there; elements wait for a rule of their own."""
    match type:
        case StructType():
            return not any(each.key == "skip" and boolean(each.annotation.value) for each in written)
        case ListType(element) | SetType(element):
            return _enters_part(written, "elem", element)
        case MapType(key, value):
            return _enters_part(written, "value", value) or _enters_part(written, "key", key)
    return False


def _enters_part(written: Sequence[Written], part: str, type: Type) -> bool:
    inner = _below(part, written)
    return bool(inner) and enters(inner, type)


def _below(part: str, written: Sequence[Written]) -> list[Written]:
    prefix = f"{part}."
    return [Written(each.key.removeprefix(prefix), each.annotation) for each in written if each.key.startswith(prefix)]


def _of_group(schema: Schema, type: Type, key: str, group: Sequence[Written], raw: bool) -> Said:
    """The annotations of one key."""
    head, _, rest = key.partition(".")
    if rest:
        return _of_parts(schema, type, head, _below(head, group), raw)
    texts = [each.annotation.value for each in group]
    # What another field says, or a function, no schema does.
    if any(text.startswith(("$", "@")) for text in texts):
        return UNSAID
    try:
        return ALWAYS if key in _SILENT else _of_literals(schema, type, key, texts, raw)
    except RuleError:
        return UNSAID


def _of_parts(schema: Schema, type: Type, head: str, written: Sequence[Written], raw: bool) -> Said:
    match type, head:
        case ((ListType(element) | SetType(element)), "elem"):
            return _inside("items", said_by(schema, element, written, raw=raw))
        case MapType(key, value), _ if not isinstance(key, StructType):
            if head == "value":
                return _inside("additionalProperties", said_by(schema, value, written, raw=raw))
            is_text = key == ScalarType(Scalar.STRING, key.annotations)
            return _inside("propertyNames", said_by(schema, key, written, raw=raw)) if is_text else UNSAID
    return UNSAID


def _inside(word: str, said: Said) -> Said:
    return Said({word: said.schema} if said.schema else {}, said.exact)


def _of_literals(schema: Schema, type: Type, key: str, texts: list[str], raw: bool) -> Said:
    match type:
        case ScalarType(Scalar.BOOL):
            return _of_values(key, texts, boolean)
        case ScalarType(Scalar.STRING):
            return _of_text(key, texts)
        case ScalarType(Scalar.BINARY):
            return _of_size(key, texts, lambda *size: bytes_between(Subject(type, raw), *size))
        case ScalarType(Scalar.DOUBLE):
            return _of_number(key, texts, double_number)
        case ScalarType():
            return _of_number(key, texts, whole_number)
        case EnumType(name):
            return _of_enum(schema.enums[name], key, texts)
        case ListType() | SetType() | MapType():
            return _of_size(key, texts, lambda *size: count_between(Subject(type), *size))
    return UNSAID


def _of_number(key: str, texts: list[str], read: Callable[[str], float]) -> Said:
    if key in _BOUNDS:
        return all_of(Said({_BOUNDS[key]: read(text)}) for text in texts)
    return _of_values(key, texts, read)


def _of_values(key: str, texts: list[str], read: Callable[[str], Any]) -> Said:
    values = [read(text) for text in texts]
    match key:
        case "const":
            return all_of(Said({"const": value}) for value in values)
        case "in":
            return Said({"enum": values})
        case "not_in":
            return none_of(Said({"enum": values}))
    return UNSAID


def _of_text(key: str, texts: list[str]) -> Said:
    if key.endswith("_rune_size"):
        return _of_size(key.replace("_rune", ""), texts, characters_between)
    if key.endswith("_size"):
        return _of_size(key, texts, lambda *size: bytes_between(Subject(ScalarType(Scalar.STRING)), *size))
    if key in ("const", "in", "not_in"):
        return _of_values(key, texts, go_literal)
    return all_of(_of_pattern(key, go_literal(text)) for text in texts)


def _of_pattern(key: str, text: str) -> Said:
    match key:
        case "pattern":
            same = ecma(text)
            return UNSAID if same is None else Said({"pattern": same})
        case "prefix":
            return Said({"pattern": f"^{literal(text)}"})
        case "suffix":
            return Said({"pattern": f"{literal(text)}$"})
        case "contains":
            return Said({"pattern": literal(text)})
        case "not_contains":
            return Said({"not": {"pattern": literal(text)}})
    return UNSAID


def _of_size(key: str, texts: list[str], sized: Callable[[float, float], Said]) -> Said:
    match key:
        case "min_size":
            return all_of(sized(whole_number(text), math.inf) for text in texts)
        case "max_size":
            return all_of(sized(0, whole_number(text)) for text in texts)
    return UNSAID


def _of_enum(enum: Enum, key: str, texts: list[str]) -> Said:
    if key == "defined_only":
        numbers = list(dict.fromkeys(member.number for member in enum.members))
        return Said({"enum": numbers}) if boolean(texts[0]) else ALWAYS
    numbers_by_name = {member.name: member.number for member in enum.members}
    members = [numbers_by_name.get(text.rpartition(".")[2]) for text in texts]
    # A constant of the IDL may be meant, too.
    return UNSAID if None in members else _of_values(key, list(map(str, members)), int)
