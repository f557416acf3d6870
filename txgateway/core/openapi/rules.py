"""The rules of a field: what they say as JSON Schema, in words, and of a request without the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from ..descriptor import (
    Annotations,
    Field,
    ListType,
    MapType,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructType,
    Type,
    TypeName,
)
from ..expression import RuleError, parse
from ..expression.shapes import Shapes
from ..expression.tree import Literal, Rule, Selector
from ..expression.walk import Reached, ReachedField, Walk
from ..go_names import go_name
from ..validation import ANNOTATION, as_written_for_go
from ..vt import compile_validator as compile_vt
from ..vt.rules import Written
from ..vt.sources import boolean
from ..vt.walk import written_rules
from . import vd_schema, vt_schema
from .json_schema import ANYTHING, Json
from .said import Said, all_of

_NO_RULE = Rule("")


@frozen
class FieldRules:
    """
    :ivar schema: what a value has to meet that is given.
    :ivar demanded: a request without the field is refused.
    :ivar written: a line for each rule: ``rule``, its text; ``message``, if it has one that is no expression; and
        ``in_schema``, whether the schema says all of it.
    :ivar words: of the check of each: how people read it.
    """

    schema: Json = ANYTHING
    demanded: bool = False
    written: tuple[Json, ...] = ()
    words: tuple[str, ...] = ()


NO_RULES = FieldRules()


@frozen
class Held:
    """Which rules hold in a place: those of a struct's fields do not wherever the struct stands."""

    vd: bool = True
    vt: bool = True


HELD, NOT_HELD = Held(), Held(False, False)


def inside(field: Field, held: Held) -> Held:
    """Which rules hold for the fields of the structs in a field."""
    if held == NOT_HELD:
        return NOT_HELD
    return Held(
        held.vd and not rule_of(field).ignored,
        held.vt and vt_schema.enters(written_rules(field.annotations), field.type),
    )


def has_vd(struct: Struct) -> bool:
    return any(ANNOTATION in field.annotations for field in struct.fields)


def has_vt(struct: Struct) -> bool:
    return bool(written_rules(struct.annotations)) or any(written_rules(field.annotations) for field in struct.fields)


def rule_of(field: Field) -> Rule:
    """The field's ``api.vd`` rule; one without a check if there is none."""
    annotation = field.annotations.first(ANNOTATION)
    if annotation is None:
        return _NO_RULE
    try:
        return parse(annotation.value)
    except RuleError:
        return as_written_for_go(annotation.value) or _NO_RULE


class Rules:
    """The rules of the fields of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._shapes = Shapes(schema, _access)
        self._roots = 0

    def of(self, field: Field, held: Held, *, raw: bool = False, is_zero: bool = False) -> FieldRules:
        """
        :param raw: see :class:`Subject`.
        :param is_zero: a field that is not given is sent as zero, whatever its requiredness.
        """
        rule = rule_of(field) if held.vd else _NO_RULE
        written = written_rules(field.annotations) if held.vt else []
        if rule.check is None and not written:
            return NO_RULES
        said, lines, words = [], [], []
        if rule.check is not None:
            by_vd = vd_schema.said_by(rule.check, field, raw=raw)
            said.append(by_vd)
            lines.append(_line(rule, by_vd))
            words.append(rule.text[rule.check.start : rule.check.end])
        for each in written:
            by_vt = vt_schema.said_by(self._schema, field.type, [each], raw=raw)
            lines.append({"rule": str(each), "in_schema": by_vt.exact})
            words.append(str(each))
        said.append(vt_schema.said_by(self._schema, field.type, written, raw=raw))
        absent = evolve(field, requiredness=Requiredness.DEFAULT) if is_zero else field
        demanded = self._vd_demands(absent, rule) or self._vt_demands(absent, written)
        return FieldRules(all_of(said).schema, demanded, tuple(lines), tuple(words))

    def of_whole(self, struct: Struct, held: Held) -> FieldRules:
        """The rules of a struct as a whole, all of which compare its fields."""
        written = written_rules(struct.annotations) if held.vt else []
        lines = ({"rule": str(each), "in_schema": False} for each in written)
        return FieldRules(written=tuple(lines), words=tuple(map(str, written)))

    def _vd_demands(self, field: Field, rule: Rule) -> bool:
        """Whether the rule fails where the field is not given, as far as that depends on the field alone."""
        if rule.check is None or not _is_about(field, rule):
            return False
        self._roots += 1
        struct = Struct(TypeName("", str(self._roots)), (field,))
        reached = {struct.name: Reached(struct, (ReachedField(field, evolve(rule, message=None)),))}
        check, _ = Walk(struct.name, reached, self._shapes).compile(collect=False)
        return check({}) is not None

    def _vt_demands(self, field: Field, written: list[Written]) -> bool:
        if isinstance(field.type, StructType):
            return any(each.key == "not_nil" and boolean(each.annotation.value) for each in written)
        alone = Annotations(tuple(each.annotation for each in written if _is_of_whole(each)))
        if not alone.items:
            return False
        # Nothing is in a field that is not given, so it does not matter of what.
        only = evolve(field, type=_bare(field.type), annotations=alone)
        struct = Struct(TypeName("", ""), (only,))
        validator = compile_vt(evolve(self._schema, structs={struct.name: struct}), struct.name, _access, lambda: 0)
        return validator is not None and validator.first({}) is not None


def _access(struct: Struct, field: Field) -> Callable[[Any], Any]:
    name = field.name
    return lambda value: value.get(name)


def _is_about(field: Field, rule: Rule) -> bool:
    """Whether the rule looks at its own field alone."""
    names = ((), (field.name,), (go_name(field.name),))
    assert rule.check is not None
    return all(node.path in names for node in rule.check.walk() if isinstance(node, Selector))


def _is_of_whole(written: Written) -> bool:
    """Whether the rule is about the value itself, not its parts, and compares it with a literal."""
    return written.key != "no_sparse" and "." not in written.key and not written.annotation.value.startswith(("$", "@"))


def _bare(type: Type) -> Type:
    number = ScalarType(Scalar.I32)
    match type:
        case ListType():
            return ListType(number)
        case SetType():
            return SetType(number)
        case MapType():
            return MapType(number, number)
    return type


def _line(rule: Rule, said: Said) -> Json:
    line: Json = {"rule": rule.text}
    if isinstance(rule.message, Literal) and isinstance(rule.message.value, str) and rule.message.value:
        line["message"] = rule.message.value
    return {**line, "in_schema": said.exact}
