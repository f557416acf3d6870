"""A rule of ``api.vd`` at work: each of its parts with the value that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from .descriptor import (
    Annotation,
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
from .expression import RuleError, parse
from .expression.meter import Exhausted
from .expression.number_text import number_text
from .expression.results import Problem, Results, Value, is_number
from .expression.shapes import Shapes
from .expression.sprintf import plain_text
from .expression.tree import Call, Group, Literal, Node, Rule
from .expression.walk import Reached, ReachedField, Walk
from .validation import ANNOTATION, Failure, compile_validator

_FILE = "rule"
_ROOT = TypeName(_FILE, "request")


@frozen
class Part:
    """A part of the rule, how deep it stands, and its value; within ``range``, the values for all elements."""

    text: str
    depth: int
    value: str


@frozen
class Explanation:
    parts: tuple[Part, ...]
    failure: Failure | None


def explain_rule(
    text: str, value: Any, *, name: str = "value", type: str = "", siblings: Mapping[str, Any] | None = None
) -> Explanation:
    """What a rule makes of a value.

    :param value: as JSON gives it; None is a field that is not set.
    :param name: what the field is called in messages.
    :param type: its type as IDL writes it, such as ``list<i32>``; guessed from the value if it is empty.
    :param siblings: values of other fields of the same struct, which ``(name)$`` reaches.
    :raises RuleError: for a rule that is none, and for a type that is none.
    """
    rule = parse(text)
    request = {**(siblings or {}), name: value}
    guesser = _Guesser()
    types = {key: guesser.type_of(item, key) for key, item in request.items()}
    if type:
        types[name] = parse_type(type)
    schema = guesser.schema(types, name, text)
    walk = _walk(schema, name)
    parts = tuple(part.on(request) for part in compile_parts(walk, name, rule))
    validator = compile_validator(schema, _ROOT, _access)
    return Explanation(parts, None if validator is None else validator(request))


@frozen
class CompiledPart:
    """A part of a rule, and how its value is had of a struct's object.

    :ivar loops: what the loops around it go over.
    """

    text: str
    depth: int
    node: Node
    loops: tuple[Node, ...]
    read: Callable[[Any], Value]

    def on(self, struct: Any) -> Part:
        try:
            return Part(self.text, self.depth, shown(self.read(struct)))
        except Exhausted:
            return Part(self.text, self.depth, "too much to be computed")


def compile_parts(walk: Walk, name: str, rule: Rule) -> list[CompiledPart]:
    """The parts of the rule of a field ``name`` of the walk's root that are worth showing, outermost first."""
    return [
        CompiledPart(rule.text[node.start : node.end], depth, node, loops, walk.part(name, _in_loops(node, loops)))
        for tree in (rule.check, rule.message)
        if tree is not None
        for node, depth, loops in _parts(tree, 0, ())
    ]


def _walk(schema: Schema, name: str) -> Walk:
    fields = tuple(ReachedField(each, parse("")) for each in schema.structs[_ROOT].fields)
    reached = {_ROOT: Reached(schema.structs[_ROOT], fields)}
    return Walk(_ROOT, reached, Shapes(schema, _access))


def _access(struct: Struct, field: Field) -> Callable[[Any], Any]:
    return lambda value: value.get(field.name) if isinstance(value, Mapping) else None


def _parts(node: Node, depth: int, loops: tuple[Node, ...]) -> Any:
    """The parts worth showing, outermost first, each with the loops around it."""
    if isinstance(node, Group):
        if node.inner is not None:
            yield from _parts(node.inner, depth, loops)
        return
    if isinstance(node, Literal):
        return
    yield node, depth, loops
    for place, child in enumerate(node.children()):
        inside = isinstance(node, Call) and node.function == "range" and place == 1
        yield from _parts(child, depth + 1, (*loops, node.children()[0]) if inside else loops)


def _in_loops(node: Node, loops: tuple[Node, ...]) -> Node:
    """A part of a loop's body is looked at as the body of the same loop."""
    for target in reversed(loops):
        node = Call(node.start, node.end, "range", (target, node))
    return node


def shown(value: Value) -> str:
    """A value as the language writes it, where it can."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return number_text(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'") + "'"
    if isinstance(value, Problem):
        return f"error: {value.text}"
    if isinstance(value, Results):
        return f"[{', '.join(map(shown, value.items))}]"
    return plain_text(value)


# Types of values that come without one


class _Guesser:
    """Types for JSON; an object becomes a struct of its own."""

    def __init__(self) -> None:
        self._structs: dict[TypeName, Struct] = {}

    def type_of(self, value: Any, name: str) -> Type:
        if isinstance(value, bool):
            return ScalarType(Scalar.BOOL)
        if isinstance(value, int):
            return ScalarType(Scalar.I64)
        if isinstance(value, float):
            return ScalarType(Scalar.DOUBLE)
        if isinstance(value, list):
            return ListType(self.type_of(value[0], name) if value else ScalarType(Scalar.STRING))
        if isinstance(value, dict):
            return self._struct(value, TypeName(_FILE, name))
        return ScalarType(Scalar.STRING)

    def _struct(self, value: dict[str, Any], name: TypeName) -> StructType:
        while name in self._structs:
            name = evolve(name, name=name.name + "_")
        fields = [
            _optional(number, key, self.type_of(item, key)) for number, (key, item) in enumerate(value.items(), 1)
        ]
        self._structs[name] = Struct(name, tuple(fields))
        return StructType(name)

    def schema(self, types: Mapping[str, Type], name: str, rule: str) -> Schema:
        fields = [_optional(number, key, type) for number, (key, type) in enumerate(types.items(), 1)]
        annotations = Annotations((Annotation(ANNOTATION, rule),))
        ruled = [evolve(each, annotations=annotations) if each.name == name else each for each in fields]
        self._structs[_ROOT] = Struct(_ROOT, tuple(ruled))
        return Schema(_FILE, (), self._structs)


def _optional(number: int, name: str, type: Type) -> Field:
    return Field(number, name, type, Requiredness.OPTIONAL)


def parse_type(text: str) -> Type:
    """``map<string, list<i32>>``; names of structs mean nothing here."""
    text = text.strip()
    kind, _, rest = text.partition("<")
    if rest.endswith(">"):
        inside = rest[:-1]
        if kind == "list":
            return ListType(parse_type(inside))
        if kind == "set":
            return SetType(parse_type(inside))
        if kind == "map" and "," in inside:
            key, _, value = inside.partition(",")
            return MapType(parse_type(key), parse_type(value))
    try:
        return ScalarType(Scalar({"byte": "i8"}.get(text, text)))
    except ValueError:
        raise RuleError(f"`{text}` is no type that is known here", 0, "such as i64, string or list<double>") from None
