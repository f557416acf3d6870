"""A rule's tree to Python code: one expression per rule, specialised by the types of the fields it reads.

The code is put together from the fixed pieces of this module, from names that it makes up, and from
numbers. Nothing that a rule's author wrote gets into it: texts, patterns and formats are constants,
reached by a name.

Where the types are known, and they mostly are, ``$<100`` becomes ``v1 < 100``. Where they are not
(an index, an element of unknown kind, nil against a number) a function of :mod:`.values` decides at
run time. Both ways agree; tests hold them against each other.
"""

from __future__ import annotations

import builtins
import enum
import math
from collections.abc import Callable
from typing import Any, Protocol

from attrs import evolve, field, frozen

from . import functions, values
from .meter import PRICES, Exhausted, Meter
from .pattern import compile_pattern
from .results import Results, Value
from .shapes import (
    BYTE,
    Composite,
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    StructShape,
    as_text,
)
from .sprintf import read_format
from .tree import Binary, Call, Group, Literal, Logical, Node, Prefixed, RangeVariable, Selector


class Kind(enum.Enum):
    """What is known about a value before it is there."""

    NIL = "nil"
    BOOL = "boolean"
    INT = "integer"
    FLOAT = "number"
    TEXT = "text"
    # A raw container or struct; the shape says which.
    COMPOSITE = "composite"
    # Anything; containers and structs come as Composite.
    ANY = "any"


_NUMERIC = (Kind.INT, Kind.FLOAT)


@frozen
class Operand:
    """Code that yields a value, and what is known about the value.

    :ivar code: a Python expression.
    :ivar truth: one that is only good for its truth, if that is shorter.
    :ivar nullable: the value may be None instead, which is nil.
    :ivar simple: the code is a name or a number, and may stand twice.
    :ivar wide: an integer that binary64 may have to round.
    :ivar literal: the value itself, if it is a literal.
    """

    code: str
    kind: Kind
    shape: Shape | None = None
    truth: str = field(default="", eq=False)
    nullable: bool = False
    simple: bool = False
    wide: bool = False
    literal: Any = None

    @property
    def is_struct(self) -> bool:
        return isinstance(self.shape, StructShape)

    @property
    def condition(self) -> str:
        """Code that is true if the value counts as true."""
        if self.is_struct:
            return f"({self.code} is not None)"
        return self.truth or self.code


NIL = Operand("None", Kind.NIL, simple=True)
TRUE = Operand("True", Kind.BOOL, simple=True)
FALSE = Operand("False", Kind.BOOL, simple=True)


def operand_of(code: str, shape: Shape, *, nullable: bool) -> Operand:
    """A variable that holds a raw value of this shape."""
    if isinstance(shape, ScalarShape):
        kind = {int: Kind.INT, float: Kind.FLOAT, str: Kind.TEXT, bool: Kind.BOOL}[shape.exact]
        return Operand(code, kind, nullable=nullable, simple=True, wide=shape.go_type == "int64")
    return Operand(code, Kind.COMPOSITE, shape, simple=True)


class Module:
    """The names of one piece of generated code: what it refers to, and those not given out yet."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {
            "__builtins__": {name: getattr(builtins, name) for name in _BUILTINS},
            "Composite": Composite,
            "Exhausted": Exhausted,
            "Meter": Meter,
            "Results": Results,
            "as_text": as_text,
            "nan": math.nan,
            "inf": math.inf,
            **{name: getattr(values, name) for name in _HELPERS},
        }
        self.metered = False
        self._names = 0

    def name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}{self._names}"

    def constant(self, value: Any) -> str:
        name = self.name("c")
        self.namespace[name] = value
        return name


_BUILTINS = (
    "RecursionError",
    "all",
    "bool",
    "bytes",
    "dict",
    "enumerate",
    "float",
    "int",
    "len",
    "list",
    "reversed",
    "str",
    "tuple",
)
_HELPERS = (
    "add",
    "code_points",
    "contained",
    "count",
    "divide",
    "entries",
    "equal",
    "greater",
    "greater_or_equal",
    "is_nil",
    "length",
    "less",
    "less_or_equal",
    "negate",
    "number",
    "number_text",
    "pick",
    "remainder",
    "text",
)
_ORDER = {"<": "less", "<=": "less_or_equal", ">": "greater", ">=": "greater_or_equal"}


class Scope(Protocol):
    """What selectors of a rule can see."""

    def selector(self, path: tuple[str, ...]) -> Operand:
        """The field at this path; the rule's own for the empty one, NIL where there is none."""


@frozen
class _Range:
    """The variables of one ``range``, innermost last."""

    key: Operand
    value: Operand
    count: Operand
    # Whether the loop looks at each thing of the request once, as do all loops around it.
    is_linear: bool = True


class Compiler:
    """Compiles the expressions of one rule."""

    def __init__(self, module: Module, scope: Scope) -> None:
        self.module = module
        self.scope = scope
        self.ranges: list[_Range] = []
        # Whether the code needs a variable `meter`, and may raise Exhausted.
        self.metered = False

    def compile(self, node: Node) -> Operand:
        match node:
            case Literal(value=value):
                return self._literal(value)
            case Selector():
                return self._selector(node)
            case RangeVariable(name=name):
                return self._range_variable(name)
            case Group(inner=inner):
                return NIL if inner is None else self.compile(inner)
            case Logical(operator=operator, operands=operands):
                return self._logical(operator, operands)
            case Prefixed(operator=operator, operand=operand):
                return self._prefixed(operator, operand)
            case Binary(operator=operator, left=left, right=right):
                return self._binary(operator, self.compile(left), self.compile(right))
            case Call(function=function, arguments=arguments):
                compiled: Callable[[tuple[Node, ...]], Operand] = getattr(self, f"_call_{function}")
                return compiled(arguments)
        raise AssertionError(node)

    def boxed(self, operand: Operand) -> str:
        """Code for the same value as the run-time functions take it."""
        if operand.kind is not Kind.COMPOSITE:
            return operand.code
        shape = self.module.constant(operand.shape)
        if not operand.is_struct:
            return f"Composite({operand.code}, {shape})"
        name, code = self._named(operand)
        return f"(None if {code} is None else Composite({name}, {shape}))"

    def read(self, operand: Operand, price: int = 0) -> str:
        """The same, for work that looks at all of it: within a loop that is paid for."""
        code = self.boxed(operand)
        scalar = operand.kind not in (Kind.TEXT, Kind.COMPOSITE, Kind.ANY) or operand.literal is not None
        return code if scalar and not price else self._paid(code, price)

    def _paid(self, code: str, price: int = 0) -> str:
        if not self.ranges:
            return code
        return f"{self._meter()}.read({code}{f', {price}' if price else ''})"

    def _meter(self) -> str:
        self.metered = self.module.metered = True
        return "meter"

    def _named(self, operand: Operand) -> tuple[str, str]:
        """A name for the value, and the code that binds it when it is evaluated first."""
        if operand.simple:
            return operand.code, operand.code
        name = self.module.name("t")
        return name, f"({name} := {operand.code})"

    # Operands

    def _literal(self, value: Value) -> Operand:
        if value is None:
            return NIL
        if value.__class__ is bool:
            return TRUE if value else FALSE
        if isinstance(value, str):
            return Operand(self.module.constant(value), Kind.TEXT, simple=True, literal=value)
        kind = Kind.INT if isinstance(value, int) else Kind.FLOAT
        return Operand(f"({value!r})", kind, simple=True, wide=abs(value) > 2**53, literal=value)

    def _selector(self, node: Selector) -> Operand:
        whole = self.scope.selector(node.path)
        if not node.indices or whole.kind is Kind.NIL:
            return whole
        keys = "".join(f"{self.boxed(self.compile(index))}, " for index in node.indices)
        # The parts of a list are at hand, those of a text or a set have to be found.
        found = whole.kind is Kind.TEXT or (isinstance(whole.shape, ListShape) and whole.shape.is_set)
        return Operand(f"pick({self.read(whole) if found else self.boxed(whole)}, ({keys}))", Kind.ANY)

    def _range_variable(self, name: str) -> Operand:
        if not self.ranges:
            return NIL
        innermost = self.ranges[-1]
        return {"#k": innermost.key, "#v": innermost.value, "##": innermost.count}[name]

    # Operators

    def _logical(self, operator: str, operands: tuple[Node, ...]) -> Operand:
        word = " and " if operator == "&&" else " or "
        truth = f"({word.join([self.compile(operand).condition for operand in operands])})"
        return Operand(f"(not not {truth})", Kind.BOOL, truth=truth)

    def _prefixed(self, operator: str, node: Node) -> Operand:
        if isinstance(node, Call) and node.function == "range":
            return self._range(node.arguments, operator)
        return _with_prefix(self.compile(node), operator, self)

    def negated(self, operand: Operand) -> Operand:
        if operand.kind in _NUMERIC and not operand.nullable:
            return Operand(f"(-{self._float(operand)})", Kind.FLOAT)
        if operand.kind in _NUMERIC:
            return Operand(f"negate({operand.code})", Kind.FLOAT, nullable=True)
        return Operand(f"negate({operand.code})", Kind.ANY) if operand.kind is Kind.ANY else operand

    def _binary(self, operator: str, left: Operand, right: Operand) -> Operand:
        match operator:
            case "==":
                return self._equal(left, right)
            case "!=":
                same = self._equal(left, right)
                return Operand(f"(not {same.code})", Kind.BOOL)
            case "+":
                return self._sum(left, right)
            case "-" | "*":
                return Operand(f"({self._arithmetic(left, operator, right)})", Kind.FLOAT)
            case "/":
                return self._quotient(left, right)
            case "%":
                return Operand(f"remainder({self._float(left)}, {self._float(right)})", Kind.FLOAT)
        return self._ordered(operator, left, right)

    def _ordered(self, operator: str, left: Operand, right: Operand) -> Operand:
        """``<`` and its kin: the left side decides how."""
        unordered = (Kind.NIL, Kind.COMPOSITE)
        if left.kind in (*unordered, Kind.BOOL) or right.kind in unordered:
            return FALSE
        if left.kind in _NUMERIC and right.kind is Kind.BOOL:
            return FALSE
        if self._compares_directly(left, right):
            left_code, right_code, guard = self._guarded(left, right)
            return Operand(f"({guard}{left_code} {operator} {right_code})", Kind.BOOL)
        return Operand(f"{_ORDER[operator]}({self.read(left)}, {self.read(right)})", Kind.BOOL)

    def _compares_directly(self, left: Operand, right: Operand) -> bool:
        """Whether Python's own comparison gives the right answer, nil aside."""
        if left.kind is Kind.TEXT:
            return right.kind is Kind.TEXT
        if left.kind in _NUMERIC and right.kind in _NUMERIC:
            # Python compares an int with a float exactly; a rule rounds the int first.
            return left.kind is right.kind or not (left.wide or right.wide)
        return False

    def _guarded(self, *operands: Operand) -> tuple[str, ...]:
        """The codes of the operands, and a guard ahead of them that lets no nil pass."""
        guard = ""
        codes = []
        for operand in operands:
            code = operand.code
            if operand.nullable:
                code, binding = self._named(operand)
                guard += f"{binding} is not None and "
            codes.append(code)
        return (*codes, guard)

    def _equal(self, left: Operand, right: Operand) -> Operand:
        if Kind.NIL in (left.kind, right.kind):
            return self._is_nil(left if right.kind is Kind.NIL else right)
        if self._compares_directly(left, right) or left.kind is right.kind is Kind.BOOL:
            # None equals None in Python as nil does here.
            return Operand(f"({left.code} == {right.code})", Kind.BOOL)
        if left.kind is Kind.BOOL and right.kind in (*_NUMERIC, Kind.TEXT) and not (left.nullable and right.nullable):
            return FALSE
        return Operand(f"equal({self.read(left)}, {self.read(right)})", Kind.BOOL)

    def _is_nil(self, operand: Operand) -> Operand:
        if operand.kind is Kind.NIL:
            return TRUE
        if operand.kind is Kind.ANY:
            return Operand(f"is_nil({operand.code})", Kind.BOOL)
        if operand.nullable or operand.kind is Kind.COMPOSITE:
            return Operand(f"({operand.code} is None)", Kind.BOOL)
        return FALSE

    def _float(self, operand: Operand) -> str:
        """The operand as binary64."""
        if isinstance(operand.literal, int):
            return self._literal(float(operand.literal)).code
        if operand.kind is Kind.FLOAT and not operand.nullable:
            return operand.code
        if operand.kind is Kind.INT and not operand.nullable:
            return f"float({operand.code})"
        if operand.kind in (Kind.NIL, Kind.BOOL, Kind.COMPOSITE):
            return "0.0"
        return f"number({self.read(operand)})"

    def _arithmetic(self, left: Operand, operator: str, right: Operand) -> str:
        return f"{self._float(left)} {operator} {self._float(right)}"

    def _sum(self, left: Operand, right: Operand) -> Operand:
        if left.kind in (Kind.NIL, Kind.BOOL, Kind.COMPOSITE):
            return left
        if left.kind in _NUMERIC and not left.nullable:
            return Operand(f"({self._arithmetic(left, '+', right)})", Kind.FLOAT)
        if left.kind is Kind.TEXT and not left.nullable:
            return Operand(self._paid(f"({left.code} + {self._text(right)})"), Kind.TEXT)
        return Operand(f"add({self.read(left)}, {self.read(right)})", Kind.ANY)

    def _text(self, operand: Operand) -> str:
        if operand.kind is Kind.TEXT and not operand.nullable:
            return operand.code
        if operand.kind in _NUMERIC and not operand.nullable:
            return f"number_text({operand.code})"
        return f"text({self.read(operand)})"

    def _quotient(self, left: Operand, right: Operand) -> Operand:
        if right.literal and right.kind in _NUMERIC:
            return Operand(f"({self._arithmetic(left, '/', right)})", Kind.FLOAT)
        return Operand(f"divide({self._float(left)}, {self._float(right)})", Kind.FLOAT)

    # Functions

    def _call_len(self, arguments: tuple[Node, ...]) -> Operand:
        return self._length(arguments, "length({})")

    def _call_mblen(self, arguments: tuple[Node, ...]) -> Operand:
        return self._length(arguments, "len({})")

    def _length(self, arguments: tuple[Node, ...], of_text: str) -> Operand:
        zero = self._literal(0)
        if len(arguments) != 1:
            return zero
        operand = self.compile(arguments[0])
        name, code = self._named(operand)
        if operand.kind is Kind.TEXT:
            size = of_text.format(name)
            if operand.nullable:
                return Operand(f"(0 if {code} is None else {size})", Kind.INT)
            if of_text == "length({})":
                # Most texts are ASCII: their length is that of their bytes, and costs no encoding.
                return Operand(f"(len({name}) if {code}.isascii() else {size})", Kind.INT)
            return Operand(of_text.format(operand.code), Kind.INT)
        if operand.kind is Kind.COMPOSITE and not operand.is_struct:
            return Operand(f"(0 if {code} is None else len({name}))", Kind.INT)
        if operand.kind is Kind.ANY:
            function = "length" if of_text == "length({})" else "code_points"
            return Operand(f"{function}({operand.code})", Kind.INT)
        return zero

    def _call_in(self, arguments: tuple[Node, ...]) -> Operand:
        if len(arguments) < 2:
            return FALSE
        subject, *items = [self.compile(argument) for argument in arguments]
        found = self._in_literals(subject, items)
        if found is not None:
            return found
        boxes = "".join(f"{self.read(item)}, " for item in items)
        return Operand(f"contained({self.read(subject)}, ({boxes}))", Kind.BOOL)

    def _in_literals(self, subject: Operand, items: list[Operand]) -> Operand | None:
        """Membership in a set that is known beforehand: of the same kind, and exact."""
        comparable: tuple[Kind, ...]
        match subject.kind:
            case Kind.TEXT:
                comparable = (Kind.TEXT,)
            case Kind.INT:
                comparable = (Kind.INT,) if subject.wide else _NUMERIC
            case _:
                return None
        if any(item.literal is None and item.kind is not Kind.NIL for item in items):
            return None
        if subject.wide and any(item.kind is Kind.FLOAT for item in items):
            return None
        members = {item.literal for item in items if item.kind in comparable}
        if any(item.kind is Kind.NIL for item in items):
            members.add(None)
        return Operand(f"({subject.code} in {self.module.constant(frozenset(members))})", Kind.BOOL)

    def _call_regexp(self, arguments: tuple[Node, ...]) -> Operand:
        pattern = arguments[0]
        assert isinstance(pattern, Literal)
        found = compile_pattern(pattern.value)
        subject = self.compile(arguments[1]) if len(arguments) > 1 else self.scope.selector(())
        price = PRICES["regexp"]
        if subject.kind is Kind.TEXT:
            name, binding = self._named(subject)
            function = self.module.constant(found)
            if subject.nullable:
                return Operand(f"({binding} is not None and {function}({self._paid(name, price)}))", Kind.BOOL)
            return Operand(f"{function}({self._paid(subject.code, price)})", Kind.BOOL)
        if subject.kind is Kind.ANY:
            return Operand(f"{self.module.constant(functions.matching(found))}({self.read(subject, price)})", Kind.BOOL)
        return FALSE

    def _call_sprintf(self, arguments: tuple[Node, ...]) -> Operand:
        template, *rest = arguments
        assert isinstance(template, Literal)
        form = read_format(template.value, len(rest))  # type: ignore[arg-type]
        boxes = ", ".join([self.read(self.compile(argument)) for argument in rest])
        return Operand(self._paid(f"{self.module.constant(form)}({boxes})", PRICES["sprintf"]), Kind.TEXT)

    def _call_email(self, arguments: tuple[Node, ...]) -> Operand:
        return self._checked(functions.email, arguments, PRICES["email"])

    def _call_phone(self, arguments: tuple[Node, ...]) -> Operand:
        return self._checked(functions.phone, arguments, PRICES["phone"])

    def _checked(self, function: Callable[..., Value], arguments: tuple[Node, ...], price: int) -> Operand:
        boxes = ", ".join([self.read(self.compile(argument), price) for argument in arguments])
        return Operand(f"{self.module.constant(function)}({boxes})", Kind.ANY)

    def _call_range(self, arguments: tuple[Node, ...]) -> Operand:
        return self._range(arguments, "")

    def _range(self, arguments: tuple[Node, ...], prefix: str) -> Operand:
        """A loop. A prefix before it applies to each result."""
        target, body_node = arguments
        operand = self.compile(target)
        if operand.kind not in (Kind.COMPOSITE, Kind.ANY) or operand.is_struct:
            return Operand("Results([])", Kind.ANY, truth="True")
        name, binding = self._named(operand)
        if operand.kind is Kind.ANY:
            names, items, variables = self._untyped_loop(name)
        else:
            names, items, variables = self._typed_loop(operand.shape, name, body_node)
        is_linear = not self.ranges or (self.ranges[-1].is_linear and target == _ELEMENT)
        self.ranges.append(evolve(variables, is_linear=is_linear))
        body = _with_prefix(self.compile(body_node), prefix, self)
        self.ranges.pop()
        if not is_linear:
            # The same things are looked at again and again: each round is paid for, by the size of the body.
            weight = sum(1 for _ in body_node.walk()) // 3 + 1
            items = f"{self._meter()}.loop({items}, {variables.count.code}, {weight})"
        elif self.metered:
            items = f"{self._meter()}.allow({items}, {variables.count.code})"
        truth = f"all({body.condition} for {names} in {items})"
        code = f"Results([{self.boxed(body)} for {names} in {items}])"
        if name != operand.code:
            # A loop may not bind a name in its own head.
            truth, code = f"({binding}, {truth})[1]", f"({binding}, {code})[1]"
        return Operand(code, Kind.ANY, truth=truth)

    def _untyped_loop(self, name: str) -> tuple[str, str, _Range]:
        key, value = self.module.name("k"), self.module.name("e")
        variables = _Range(
            Operand(key, Kind.ANY, simple=True),
            Operand(value, Kind.ANY, simple=True),
            Operand(f"count({name})", Kind.INT),
        )
        return f"{key}, {value}", f"entries({name})", variables

    def _typed_loop(self, shape: Shape | None, name: str, body: Node) -> tuple[str, str, _Range]:
        """The names of a loop over a container of known type, what it runs over, and its variables."""
        key, value = self.module.name("k"), self.module.name("e")
        count = Operand(f"len({name} or ())", Kind.INT)
        if isinstance(shape, MapShape):
            variables = _Range(_element(key, shape.key), _element(value, shape.value), count)
            return f"{key}, {value}", f"({name}.items() if {name} else ())", variables
        element = _element(value, shape.element if isinstance(shape, ListShape) else BYTE)
        variables = _Range(Operand(key, Kind.INT, simple=True), element, count)
        if _uses_key(body):
            return f"{key}, {value}", f"enumerate({name} or ())", variables
        return value, f"({name} or ())", variables


_ELEMENT = RangeVariable(0, 0, "#v")


def _with_prefix(operand: Operand, prefix: str, compiler: Compiler) -> Operand:
    if prefix == "-":
        return compiler.negated(operand)
    if prefix == "!":
        return Operand(f"(not {operand.condition})", Kind.BOOL)
    return Operand(f"(not not {operand.condition})", Kind.BOOL, truth=operand.condition) if prefix else operand


def _element(name: str, shape: Shape) -> Operand:
    """An element of a container. It is as it came, and a text may be bytes."""
    operand = operand_of(name, shape, nullable=False)
    if operand.kind is Kind.TEXT:
        return evolve(operand, code=f"({name} if {name}.__class__ is str else as_text({name}))")
    return operand


def _uses_key(body: Node) -> bool:
    """Whether an expression asks for the key of the loop that it is the body of."""
    if isinstance(body, RangeVariable):
        return body.name == "#k"
    if isinstance(body, Call) and body.function == "range":
        # The inner loop has variables of its own, but not yet in its first argument.
        return _uses_key(body.arguments[0])
    return any(map(_uses_key, body.children()))
