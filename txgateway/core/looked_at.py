"""Which fields of a request its rules look at: their values must be at hand as Python's, the others' need not."""

from __future__ import annotations

from collections.abc import Iterator

from .codec.structs import inner_structs, reaching
from .descriptor import Annotations, Field, Schema, Struct, StructType, Type, TypeName
from .expression import Rule, RuleError, parse
from .expression.tree import Selector
from .go_names import go_name
from .validation import ANNOTATION, as_written_for_go

# The checks whose rules are understood here, by their names; what others look at nobody knows.
KNOWN_CHECKS = frozenset({ANNOTATION, "vt"})

_VT = "vt."


def looked_at(schema: Schema) -> dict[TypeName, set[str]]:
    """The names of such fields in each struct that has rules, or leads to one.

    A field is one of them if a rule stands on it or names it, if it is in something that a
    rule names as a whole, and if it leads to a struct with rules. A ``vt`` rule counts as
    one on each field of its struct.
    """
    return _Looking(schema).found


class _Looking:
    def __init__(self, schema: Schema) -> None:
        self.found: dict[TypeName, set[str]] = {}
        self._schema = schema
        self._whole: set[TypeName] = set()
        carriers = reaching(schema, _has_rules)
        for name in carriers:
            struct = schema.structs[name]
            for field in struct.fields:
                if not carriers.isdisjoint(inner_structs(field.type)):
                    self._add(struct, field)
            self._take(struct)

    def _take(self, struct: Struct) -> None:
        """Takes what the rules in a struct look at."""
        self.found.setdefault(struct.name, set())
        if _has_vt(struct.annotations) or any(_has_vt(field.annotations) for field in struct.fields):
            for field in struct.fields:
                self._take_whole(struct, field)
        for field in struct.fields:
            for path in _paths(field):
                self._select(struct, path or (field.name,))

    def _select(self, struct: Struct, path: tuple[str, ...]) -> None:
        first, *rest = path
        field = _field_named(struct, first)
        if field is None:
            return
        if not rest:
            self._take_whole(struct, field)
        elif isinstance(field.type, StructType):
            self._add(struct, field)
            self._select(self._schema.structs[field.type.name], tuple(rest))

    def _take_whole(self, struct: Struct, field: Field) -> None:
        """Takes a field with all that is in it."""
        self._add(struct, field)
        waiting: list[Type] = [field.type]
        for declared in waiting:
            for name in inner_structs(declared):
                if name not in self._whole:
                    self._whole.add(name)
                    inner = self._schema.structs[name]
                    for each in inner.fields:
                        self._add(inner, each)
                        waiting.append(each.type)

    def _add(self, struct: Struct, field: Field) -> None:
        self.found.setdefault(struct.name, set()).add(field.name)


def _has_rules(struct: Struct) -> bool:
    return _has_vt(struct.annotations) or any(
        ANNOTATION in field.annotations or _has_vt(field.annotations) for field in struct.fields
    )


def _has_vt(annotations: Annotations) -> bool:
    return any(each.key.startswith(_VT) for each in annotations)


def _paths(field: Field) -> Iterator[tuple[str, ...]]:
    """The paths of the fields that the field's own rule names; an empty one is the field itself."""
    annotation = field.annotations.first(ANNOTATION)
    if annotation is None:
        return
    yield ()
    for part in (rule.check, rule.message) if (rule := _rule(annotation.value)) else ():
        for node in part.walk() if part is not None else ():
            if isinstance(node, Selector):
                yield node.path


def _rule(text: str) -> Rule | None:
    try:
        return parse(text)
    except RuleError:
        return as_written_for_go(text)


def _field_named(struct: Struct, name: str) -> Field | None:
    """By the IDL's own name, or by Go's spelling of it."""
    return struct.field_named(name) or next((each for each in struct.fields if go_name(each.name) == name), None)
