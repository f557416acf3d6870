"""``api.vd`` rules as JSON Schema, as far as that goes: they speak of a value that is there."""

from __future__ import annotations

import math
from collections.abc import Iterator

from attrs import evolve, frozen

from ..descriptor import EnumType, Field, ListType, MapType, Scalar, ScalarType, SetType, StructType, Type
from ..expression.tree import Binary, Call, Group, Literal, Logical, Node, Prefixed, RangeVariable, Selector
from ..go_names import go_name
from .ecma import ecma
from .said import (
    ALWAYS,
    NEVER,
    UNSAID,
    Said,
    Subject,
    all_of,
    any_of,
    bytes_between,
    characters_between,
    count_between,
    none_of,
)

# What the function takes, which is not all that the format means.
EMAIL = r"^[A-Za-z0-9_\-.\u4e00-\u9fa5]+@[A-Za-z0-9_\-.]+\.[A-Za-z]{2,8}$"

_WHOLE = (Scalar.I8, Scalar.I16, Scalar.I32, Scalar.I64)
# What holds of the other side if it stands on the left.
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_BOUNDS = {"<": "exclusiveMaximum", "<=": "maximum", ">": "exclusiveMinimum", ">=": "minimum"}


@frozen
class _Own(Subject):
    """The value that the rule is about: of its field, or of an element of that.

    :ivar names: of the field; none: it is the ``variable`` of a loop.
    """

    names: tuple[str, ...] = ()
    variable: str = ""

    def is_meant(self, node: Node) -> bool:
        match _bare(node):
            case Selector(path=path, indices=()):
                return bool(self.names) and (not path or (len(path) == 1 and path[0] in self.names))
            case RangeVariable(name=name):
                return name == self.variable
        return False

    @property
    def is_number(self) -> bool:
        return self.is_whole or self.type == ScalarType(Scalar.DOUBLE, self.type.annotations)

    @property
    def is_whole(self) -> bool:
        return isinstance(self.type, EnumType) or (isinstance(self.type, ScalarType) and self.type.scalar in _WHOLE)

    @property
    def is_bool(self) -> bool:
        return self.type == ScalarType(Scalar.BOOL, self.type.annotations)


def said_by(check: Node, field: Field, *, raw: bool) -> Said:
    """What the check of a field's rule says of a value that is given for the field.

    :param raw: see :class:`Subject`.
    """
    return _truth(check, _Own(field.type, raw, names=(field.name, go_name(field.name))))


def conjuncts(node: Node) -> Iterator[Node]:
    """The parts that must all be true."""
    node = _bare(node)
    if isinstance(node, Logical) and node.operator == "&&":
        for operand in node.operands:
            yield from conjuncts(operand)
    else:
        yield node


def _bare(node: Node) -> Node:
    while isinstance(node, Group) and node.inner is not None:
        node = node.inner
    return node


def _truth(node: Node, own: _Own) -> Said:
    """That a part of the rule is true."""
    node = _bare(node)
    if own.is_meant(node):
        return _filled(own)
    match node:
        case Logical(operator="&&", operands=operands):
            return all_of(_truth(operand, own) for operand in operands)
        case Logical(operands=operands):
            return any_of(_truth(operand, own) for operand in operands)
        case Prefixed(operator="!", operand=Call(function="range", arguments=(target, body))):
            return _range(target, body, own, negated=True)
        case Prefixed(operator="!", operand=operand):
            return none_of(_truth(operand, own))
        case Prefixed(operator="!!", operand=operand):
            return _truth(operand, own)
        case Binary(operator=operator, left=left, right=right) if operator in _MIRRORED:
            said = _comparison(operator, left, right, own)
            return said or _comparison(_MIRRORED[operator], right, left, own) or UNSAID
        case Call(function="in", arguments=(subject, *items)) if own.is_meant(subject):
            return _in(items, own)
        case Call(function="regexp", arguments=(pattern, *subject)):
            return _regexp(pattern, subject, own)
        case Call(function="email", arguments=(subject,)) if own.is_meant(subject):
            return Said({"format": "email", "pattern": EMAIL}) if own.is_text else NEVER
        case Call(function="range", arguments=(target, body)):
            return _range(target, body, own)
        case Literal(value=value) if value is not None:
            return ALWAYS if value else NEVER
    return UNSAID


def _filled(own: _Own) -> Said:
    """That the value itself counts as true."""
    if own.is_bool:
        return Said({"const": True})
    if own.is_number:
        return Said({"not": {"const": 0}})
    if own.is_text or own.is_binary:
        return bytes_between(own, 1, math.inf)
    return ALWAYS if isinstance(own.type, StructType) else count_between(own, 1, math.inf)


def _comparison(operator: str, left: Node, right: Node, own: _Own) -> Said | None:
    """Of something of ours on the left with a literal on the right; None if it is another one."""
    number = _number(right)
    if own.is_meant(left):
        literal = _bare(right)
        if number is not None:
            return _number_compared(operator, number, own)
        return _literal_compared(operator, literal, own) if isinstance(literal, Literal) else None
    if number is None:
        return None
    match _bare(left):
        case Call(function="len" | "mblen" as function, arguments=(subject,)) if own.is_meant(subject):
            return _length(function, operator, number, own)
        case Binary(operator="%", left=subject, right=divisor) if own.is_meant(subject):
            return _divided(operator, _number(divisor), number, own)
    return None


def _number(node: Node) -> float | None:
    """The number that a literal says."""
    match _bare(node):
        case Literal(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case Prefixed(operator="-", operand=operand):
            inner = _number(operand)
            return None if inner is None else -inner
    return None


def _number_compared(operator: str, number: float, own: _Own) -> Said | None:
    if not own.is_number:
        return None
    if operator in _BOUNDS:
        return Said({_BOUNDS[operator]: number})
    return Said({"const": number}) if operator == "==" else Said({"not": {"const": number}})


def _literal_compared(operator: str, literal: Literal, own: _Own) -> Said | None:
    if operator not in ("==", "!="):
        return None
    if literal.value is None:
        return NEVER if operator == "==" else ALWAYS
    fits = own.is_text if isinstance(literal.value, str) else own.is_bool
    if not fits:
        return None
    return Said({"const": literal.value}) if operator == "==" else Said({"not": {"const": literal.value}})


def _divided(operator: str, divisor: float | None, rest: float, own: _Own) -> Said | None:
    # Beyond 32 bits the rest is one of a rounded number.
    if not own.is_whole or own.type == ScalarType(Scalar.I64, own.type.annotations):
        return None
    if rest or operator not in ("==", "!=") or not isinstance(divisor, int) or divisor < 1:
        return None
    said = Said({"multipleOf": divisor})
    return said if operator == "==" else none_of(said)


def _length(function: str, operator: str, number: float, own: _Own) -> Said:
    least, most = 0.0, math.inf
    match operator:
        case "<":
            most = math.ceil(number) - 1
        case "<=":
            most = math.floor(number)
        case ">":
            least = math.floor(number) + 1
        case ">=":
            least = math.ceil(number)
        case "==":
            least = most = number
            if number != int(number):
                return NEVER
        case _:
            return none_of(_length(function, "==", number, own))
    if own.is_text and function == "mblen":
        return characters_between(least, most)
    return bytes_between(own, least, most) if own.is_text or own.is_binary else count_between(own, least, most)


def _in(items: list[Node], own: _Own) -> Said:
    """Equal to one of these, of the same kind; nothing that is there equals nil."""
    found: list[object] = []
    for item in items:
        number, literal = _number(item), _bare(item)
        if number is None and not isinstance(literal, Literal):
            return UNSAID
        value = literal.value if isinstance(literal, Literal) else number
        kinds = {bool: own.is_bool, str: own.is_text, int: own.is_number, float: own.is_number}
        if kinds.get(type(value), False) and value not in found:
            found.append(value)
    if own.is_number or own.is_text or own.is_bool:
        return Said({"enum": found}) if found else NEVER
    return UNSAID


def _regexp(pattern: Node, subject: list[Node], own: _Own) -> Said:
    # Without a subject it is about the field, even inside of a loop.
    is_own = own.is_meant(subject[0]) if subject else bool(own.names)
    if not is_own or not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return UNSAID
    if not own.is_text:
        return NEVER
    same = ecma(pattern.value)
    return UNSAID if same is None else Said({"pattern": same})


def _range(target: Node, body: Node, own: _Own, *, negated: bool = False) -> Said:
    """That the body is true of each element; or, negated, of none."""
    if not own.is_meant(target):
        return UNSAID
    match own.type:
        case ListType(element=element) | SetType(element=element):
            said = _each(body, _element(own, element, "#v"), negated)
            return Said({"items": said.schema} if said.schema else {}, said.exact)
        case MapType(key=StructType()):
            return UNSAID
        case MapType(key=key, value=value):
            if negated:
                return _of_entries([_negation(body)], key, value, own)
            return _of_entries(list(conjuncts(body)), key, value, own)
    return UNSAID if own.is_binary else ALWAYS


def _each(body: Node, element: _Own, negated: bool) -> Said:
    said = _truth(body, element)
    return none_of(said) if negated else said


def _negation(body: Node) -> Node:
    return Prefixed(body.start, body.end, "!", Group(body.start, body.end, body))


def _of_entries(parts: list[Node], key: Type, value: Type, own: _Own) -> Said:
    """What the parts say of the values of a map, or of its keys, if those are texts."""
    of_value, of_key = _element(own, value, "#v"), _element(own, key, "#k")
    found = []
    for part in parts:
        said = _truth(part, of_value)
        if said.exact or said.schema:
            found.append(Said({"additionalProperties": said.schema} if said.schema else {}, said.exact))
            continue
        said = _truth(part, of_key) if of_key.is_text else UNSAID
        found.append(Said({"propertyNames": said.schema} if said.schema else {}, said.exact))
    return all_of(found)


def _element(own: _Own, type: Type, variable: str) -> _Own:
    return evolve(own, type=type, names=(), variable=variable)
