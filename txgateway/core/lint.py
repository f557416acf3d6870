"""Rules of ``api.vd`` that are well-formed and cannot be meant: warnings about them.

What a rule compares is known from its fields' types. Whether it can be met at all, or
missed at all, is tried: its fields take every value that its literals make interesting.
A rule that holds something which this cannot cover is left alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from attrs import evolve, frozen

from .descriptor import Annotation, Field, Schema, Struct
from .errors import Diagnostic, Severity
from .expression import RuleError, parse
from .expression.compiler import NIL, Compiler, Kind, Module, Operand, operand_of
from .expression.number_text import number_text, parse_number
from .expression.pattern_shape import can_match
from .expression.shapes import ContainerShape, FieldShape, ListShape, MapShape, ScalarShape, Shapes, StructShape
from .expression.tree import Binary, Call, Group, Literal, Logical, Node, Prefixed, RangeVariable, Rule, Selector
from .expression.values import passes
from .idl_words import nearest
from .rule_position import Lines, no_lines, place_in_value
from .validation import ANNOTATION

# So many combinations of values are tried before a rule is left alone.
_TRIALS = 4_000
# Texts and lists for `len($) <= n` are made up to this length.
_LENGTH = 2_000
_ARITHMETIC = ("+", "-", "*", "/", "%")
_COUNTS = {"len": (1, 1), "mblen": (1, 1), "in": (2, 1_000), "email": (1, 1), "phone": (1, 2)}
_WRONG_COUNT = {"len": "is always 0", "mblen": "is always 0", "in": "is always false"}


def lint(schema: Schema, *, lines: Lines = no_lines) -> tuple[Diagnostic, ...]:
    """Warnings about the rules of every struct; rules that are refused anyhow are passed over.

    :param lines: gives a line of an IDL file, to be shown with a warning.
    """
    # Nothing is read here: the shapes are wanted for their types.
    shapes = Shapes(schema, lambda struct, field: _no_value)
    return tuple(
        warning
        for struct in schema.structs.values()
        for field in struct.fields
        for warning in _field_warnings(struct, field, shapes, lines)
    )


def _no_value(value: Any) -> None:
    return None


@frozen
class _Remark:
    """What is odd, and which part of the rule it is about."""

    message: str
    node: Node | None = None
    hint: str = ""


def _field_warnings(struct: Struct, field: Field, shapes: Shapes, lines: Lines) -> Iterator[Diagnostic]:
    annotation = field.annotations.first(ANNOTATION)
    if annotation is None:
        return
    try:
        rule = parse(annotation.value)
    except RuleError:
        return
    for remark in _remarks(rule, _Fields(shapes.struct(struct), struct, field)):
        yield _warning(struct, field, annotation, remark, lines)


def _warning(struct: Struct, field: Field, annotation: Annotation, remark: _Remark, lines: Lines) -> Diagnostic:
    position = place_in_value(annotation, remark.node.start if remark.node else 0, lines)
    return Diagnostic(
        f"the rule of {struct.name}.{field.name}: {remark.message}",
        position,
        Severity.WARNING,
        lines(position.file, position.line),
        remark.hint,
    )


def _remarks(rule: Rule, fields: _Fields) -> Iterator[_Remark]:
    if rule.check is None and (rule.message or rule.others):
        yield _Remark("there is no check, so it never refuses anything", rule.message or rule.others[0])
    for other in rule.others:
        yield _Remark("only the check and `msg` are ever looked at", other)
    for part in (rule.check, rule.message):
        if part is not None:
            observer = _Observer(fields)
            operand = observer.compile(part)
            yield from observer.remarks
            if part is rule.message and operand.kind not in (Kind.TEXT, Kind.ANY):
                yield _Remark(f"the message is {_called(operand)}, and only a text is ever shown", part)
    if rule.check is not None:
        yield from _outcome(rule.check, fields)


class _Fields:
    """The fields that a rule can see, by their paths."""

    def __init__(self, shape: StructShape, struct: Struct, own: Field) -> None:
        self.shape = shape
        self.struct = struct
        self.own = own

    def find(self, path: tuple[str, ...]) -> FieldShape | None:
        struct: Any = self.shape
        found = None
        for name in path or (self.own.name,):
            found = struct.by_name.get(name) if isinstance(struct, StructShape) else None
            if found is None:
                return None
            struct = found.shape
        return found

    def is_nullable(self, path: tuple[str, ...], found: FieldShape) -> bool:
        """Whether the field may be nil: it is optional, or within another struct."""
        return found.zero is None or len(path) > 1

    def selector(self, path: tuple[str, ...]) -> Operand:
        found = self.find(path)
        if found is None:
            return NIL
        return operand_of("v", found.shape, nullable=self.is_nullable(path, found))


# What a rule compares


class _Observer(Compiler):
    """Compiles a rule to see the kinds of values that meet in it."""

    def __init__(self, fields: _Fields) -> None:
        super().__init__(Module(), fields)
        self.fields = fields
        self.remarks: list[_Remark] = []
        self._nodes: list[Node] = []

    def compile(self, node: Node) -> Operand:
        self._nodes.append(node)
        operand = super().compile(node)
        self._nodes.pop()
        match node:
            case Selector(path=path) if path and self.fields.find(path) is None:
                self._unknown_field(node, path)
            case RangeVariable(name=name) if not self.ranges:
                self.remarks.append(_Remark(f"{name} has a value only within range, here it is nil", node))
            case Call():
                self._call(node)
        return operand

    def _remark(self, message: str, hint: str = "") -> None:
        """About the part that is being compiled."""
        self.remarks.append(_Remark(message, self._nodes[-1], hint))

    def _unknown_field(self, node: Selector, path: tuple[str, ...]) -> None:
        known = [field.name for field in self.fields.struct.fields]
        near = nearest(path[0], known)
        hint = f"did you mean ({'.'.join((near, *path[1:]))})$?" if near and near != path[0] else ""
        self.remarks.append(
            _Remark(f"there is no field `{'.'.join(path)}` in {self.fields.struct.name}: it is nil", node, hint)
        )

    def _call(self, node: Call) -> None:
        least, most = _COUNTS.get(node.function, (0, 1_000))
        if not least <= len(node.arguments) <= most:
            effect = _WRONG_COUNT.get(node.function, "always fails")
            self.remarks.append(_Remark(f"{node.function} with {len(node.arguments)} arguments {effect}", node))
        if node.function == "regexp":
            pattern = node.arguments[0]
            assert isinstance(pattern, Literal)
            if not can_match(str(pattern.value)):
                self.remarks.append(_Remark("this pattern can not match any text", pattern))

    def _binary(self, operator: str, left: Operand, right: Operand) -> Operand:
        if operator in ("==", "!="):
            self._equality(left, right)
        elif operator not in _ARITHMETIC:
            self._order(left, right)
        return super()._binary(operator, left, right)

    def _equality(self, left: Operand, right: Operand) -> None:
        if Kind.NIL in (left.kind, right.kind):
            other = left if right.kind is Kind.NIL else right
            if other.kind not in (Kind.NIL, Kind.ANY, Kind.COMPOSITE) and not other.nullable:
                self._remark(f"this compares {_called(other)} that is never nil with nil", _zero_hint(other))
        else:
            self._same_kinds(left, right)

    def _order(self, left: Operand, right: Operand) -> None:
        for side in (left, right):
            if side.kind in (Kind.NIL, Kind.BOOL, Kind.COMPOSITE):
                self._remark(f"{_called(side)} has no order: this is always false")
                return
        self._same_kinds(left, right)

    def _same_kinds(self, left: Operand, right: Operand) -> None:
        kinds = {_group(left), _group(right)}
        if len(kinds) < 2 or Kind.ANY in kinds:
            return
        hint = ""
        if self._is_enum(left, right):
            hint = "an enum is its number here, never its name"
        elif any(isinstance(side.literal, str) and parse_number(side.literal)[1] for side in (left, right)):
            hint = "a number is written without quotes"
        self._remark(f"this compares {_called(left)} with {_called(right)}", hint)

    def _is_enum(self, left: Operand, right: Operand) -> bool:
        """Whether the rule's own field is an enum and is compared with a text."""
        shape = self.fields.shape.by_name[self.fields.own.name].shape
        is_named = isinstance(shape, ScalarShape) and shape.exact is int and not shape.go_type.startswith("int")
        return is_named and Kind.TEXT in (left.kind, right.kind)


def _group(operand: Operand) -> Any:
    if operand.kind is Kind.COMPOSITE:
        return type(operand.shape)
    return Kind.FLOAT if operand.kind is Kind.INT else operand.kind


def _called(operand: Operand) -> str:
    match operand.shape:
        case ListShape(is_set=is_set):
            return "a set" if is_set else "a list"
        case MapShape():
            return "a map"
        case StructShape():
            return "a struct"
        case ContainerShape():
            return "a binary"
    return {Kind.NIL: "nil", Kind.BOOL: "a boolean", Kind.INT: "a number", Kind.FLOAT: "a number"}.get(
        operand.kind, "a text"
    )


def _zero_hint(operand: Operand) -> str:
    zero = {Kind.TEXT: "''", Kind.BOOL: "false"}.get(operand.kind, "0")
    return f"a field that is not optional holds {zero} when it is not sent" if operand.simple else ""


# What comes of a rule


def _outcome(check: Node, fields: _Fields) -> Iterator[_Remark]:
    """Whether the rule is met by all values, or by none."""
    trial = _Trial(fields)
    try:
        node = trial.simplified(check)
        results = trial.results(node)
    except _Uncovered:
        return
    if all(results):
        yield _Remark("every value meets this rule", check)
    elif not any(results):
        yield _Remark("no value can meet this rule", check)


class _Uncovered(Exception):
    """The rule holds something whose values can not be listed."""


class _Trial:
    """Runs a rule over the values that matter to it."""

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields
        self._variables: dict[tuple[str, ...], Operand] = {}
        self._numbers: set[float] = {0, 1}
        self._texts: set[str] = {"", "a"}

    def simplified(self, node: Node, *, is_condition: bool = True) -> Node:
        """The rule with a free boolean in the place of each function that may give either; Uncovered if that fails.

        :param is_condition: whether only the truth of the part matters.
        """
        match node:
            case Literal(value=value):
                self._note(value)
                return node
            case RangeVariable():
                # Outside of a loop, for loops are looked at as a whole.
                return Literal(node.start, node.end, None)
            case Selector(path=path, indices=()):
                self._add_field(path or (self._fields.own.name,))
                return node
            case Group(inner=inner):
                return node if inner is None else evolve(node, inner=self.simplified(inner, is_condition=is_condition))
            case Logical(operands=operands):
                return evolve(node, operands=tuple(map(self.simplified, operands)))
            case Prefixed(operator=operator, operand=operand):
                return evolve(node, operand=self.simplified(operand, is_condition=operator != "-"))
            case Binary(operator=operator) if operator in _ARITHMETIC:
                return self._folded(node)
            case Binary(left=left, right=right):
                return evolve(node, left=self._value(left), right=self._value(right))
            case Call(function="len" | "mblen" | "in", arguments=arguments):
                return evolve(node, arguments=tuple(map(self._value, arguments)))
            case Call(function="range") if is_condition:
                return self._free_boolean(node)
            case Call(function="regexp" | "email" | "phone"):
                return self._free_boolean(node)
        raise _Uncovered

    def _value(self, node: Node) -> Node:
        return self.simplified(node, is_condition=False)

    def _folded(self, node: Node) -> Node:
        """Arithmetic between literals is a literal; with a field in it, the values that matter are anyone's guess."""
        if any(isinstance(part, Selector | Call | RangeVariable) for part in node.walk()):
            raise _Uncovered
        value = _evaluate(node, _NoFields())(())
        self._note(value)
        return Literal(node.start, node.end, value)

    def _note(self, value: Any) -> None:
        if isinstance(value, str):
            self._texts.add(value)
            number, ok = parse_number(value)
            if ok:
                self._numbers.add(number)
        elif value.__class__ in (int, float):
            self._numbers.add(value)

    def _free_boolean(self, node: Node) -> Selector:
        # No field can have such a name.
        path = (f"#{len(self._variables)}",)
        self._variables[path] = Operand(f"s[{len(self._variables)}]", Kind.BOOL, simple=True)
        return Selector(node.start, node.end, path, ())

    def _add_field(self, path: tuple[str, ...]) -> None:
        found = self._fields.find(path)
        if path not in self._variables and found is not None:
            nullable = self._fields.is_nullable(path, found)
            self._variables[path] = operand_of(f"s[{len(self._variables)}]", found.shape, nullable=nullable)

    def selector(self, path: tuple[str, ...]) -> Operand:
        return self._variables.get(path or (self._fields.own.name,), NIL)

    def results(self, node: Node) -> list[bool]:
        choices = [self._values(path, operand) for path, operand in self._variables.items()]
        if math.prod(map(len, choices)) > _TRIALS:
            raise _Uncovered
        run = _evaluate(node, self)
        return [passes(run(sample)) for sample in itertools.product(*choices)]

    def _values(self, path: tuple[str, ...], operand: Operand) -> list[Any]:
        values: list[Any] = [None] if operand.nullable else []
        match operand.kind:
            case Kind.BOOL:
                return [*values, False, True]
            case Kind.INT:
                return values + self._integers(path)
            case Kind.FLOAT:
                return [*values, *self._doubles(), math.inf, -math.inf, math.nan]
            case Kind.TEXT:
                return values + self._some_texts()
        if operand.is_struct:
            return [None, object()]
        make: Callable[[int], Any] = {ListShape: _zeros, MapShape: _entries}.get(type(operand.shape), bytes)
        return [None, *map(make, self._lengths())]

    def _integers(self, path: tuple[str, ...]) -> list[Any]:
        found = self._fields.find(path)
        bits = {"int8": 8, "int16": 16, "int64": 64}.get(found.shape.go_type if found else "", 32)
        top = 2 ** (bits - 1)
        near = {math.floor(n) + d for n in self._numbers if math.isfinite(n) for d in (-1, 0, 1, 2)}
        return [n for n in sorted({*near, -top, top - 1}) if -top <= n < top]

    def _doubles(self) -> set[float]:
        """The rule's numbers, and one between each and the next."""
        known = sorted(float(n) for n in self._numbers if math.isfinite(n))
        return {*known, *((a + b) / 2 for a, b in itertools.pairwise(known)), known[0] - 1, known[-1] + 1}

    def _lengths(self) -> list[int]:
        if max(self._numbers) > _LENGTH:
            raise _Uncovered
        near = {int(n) + d for n in self._numbers if 0 <= n <= _LENGTH for d in (-1, 0, 1)}
        return sorted(n for n in near if n >= 0)

    def _some_texts(self) -> list[str]:
        """The rule's own texts and their neighbours, and texts of each length that it mentions."""
        texts = {*self._texts, *(text + "a" for text in self._texts), "\x00", "\U0010ffff"}
        texts |= {number_text(n) for n in self._numbers}
        # Of one, three and four bytes to a character.
        return sorted(texts.union(*({c * n for n in self._lengths()} for c in "a\u754c\U00020000")))


def _zeros(count: int) -> list[int]:
    return [0] * count


def _entries(count: int) -> dict[int, None]:
    return dict.fromkeys(range(count))


class _NoFields:
    def selector(self, path: tuple[str, ...]) -> Operand:
        return NIL


def _evaluate(node: Node, scope: Any) -> Callable[[tuple[Any, ...]], Any]:
    """The expression as a function of the values of its variables, which its code calls ``s[0]``, ``s[1]``..."""
    module = Module()
    compiler = Compiler(module, scope)
    source = f"lambda s: {compiler.boxed(compiler.compile(node))}"
    run: Callable[[tuple[Any, ...]], Any] = eval(source, module.namespace)
    return run
