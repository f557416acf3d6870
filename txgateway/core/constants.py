"""Constants and defaults: from what was written to a value of the declared type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from attrs import define

from .descriptor import (
    Enum,
    EnumMember,
    EnumType,
    ListType,
    MapType,
    MapValue,
    Scalar,
    ScalarType,
    SetType,
    StructType,
    StructValue,
    Type,
    Value,
)
from .errors import Diagnostic, Severity
from .syntax import ConstantNode, Double, Integer, ListNode, Literal, MapNode, Reference, ValueNode

if TYPE_CHECKING:
    from .idl import Place
    from .linked_file import LinkedFile

    Candidate = EnumMember | tuple[LinkedFile, ConstantNode]

# How deep literals and the constants that they name may be inside each other, taken together.
MAX_DEPTH = 100
_BITS = {Scalar.I8: 8, Scalar.I16: 16, Scalar.I32: 32, Scalar.I64: 64}
_TEXTS = (Scalar.STRING, Scalar.UUID)


class Refusal(Exception):
    """A value that cannot be had.

    An error if it names nothing. One that is not of its type is a warning, as in thriftgo,
    which only refuses it when code is generated: nothing but the constant is unusable.
    """

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


@define
class Budget:
    """How many values may still be made: constants that name constants grow without bound when written out."""

    left: int


class Values:
    """Converts the values of one file; a constant is made when first asked for, wherever it stands.

    :ivar made: a constant's value and of how many values it is made, or why it is refused; None while it is being
        made. No exception, which would hold all that was called on its way.
    """

    def __init__(self, file: LinkedFile, budget: Budget) -> None:
        self.made: dict[str, tuple[Value, int] | Diagnostic | None] = {}
        self._file = file
        self._budget = budget

    def constant(self, node: ConstantNode, depth: int = 0) -> Value:
        """The value of a constant of this file, in its declared type; raises Refusal."""
        name = node.name.text
        if name not in self.made:
            self.made[name] = None
            made = self.made[name] = self._made(node, depth)
        else:
            made = self.made[name] or self._refusal(node.name, f"the constant '{name}' leads to itself").diagnostic
            self._spend(node.value, 0 if isinstance(made, Diagnostic) else made[1])
        if isinstance(made, Diagnostic):
            raise Refusal(made)
        return made[0]

    def _made(self, node: ConstantNode, depth: int) -> tuple[Value, int] | Diagnostic:
        left = self._budget.left
        try:
            value = self.convert(node.value, self._file.type_of(node.type), depth)
        except Refusal as e:
            return e.diagnostic
        return value, left - self._budget.left

    def _constant_of(self, file: LinkedFile, node: ConstantNode, depth: int) -> Value:
        """A constant of any file; what was made of it before is shared, but counts as ours."""
        known = file.made.get(node.name.text)
        if file is self._file or known is None:
            return self.constant(node, depth)
        if isinstance(known, Diagnostic):
            raise Refusal(known)
        self._spend(node.value, known[1])
        return known[0]

    def convert(self, node: ValueNode, type_: Type, depth: int = 0) -> Value:
        """The value that was written, as one of ``type_``; raises Refusal where it is none."""
        self._spend(node, 1)
        if depth > MAX_DEPTH:
            self._refuse(node, f"constants and their parts are more than {MAX_DEPTH} deep")
        if isinstance(node, Reference):
            return self._reference(node, type_, depth)
        match type_:
            case ScalarType(scalar=scalar):
                return self._scalar(node, type_, scalar)
            case EnumType():
                return self._enum(node, type_)
            case ListType(element=element):
                return tuple(self.convert(i, element, depth + 1) for i in self._items(node, type_))
            case SetType(element=element):
                # What is written twice is in the set once.
                return tuple(dict.fromkeys(self.convert(i, element, depth + 1) for i in self._items(node, type_)))
            case MapType(key=key, value=value):
                entries = self._entries(node, type_)
                return MapValue(
                    tuple((self.convert(k, key, depth + 1), self.convert(v, value, depth + 1)) for k, v in entries)
                )
            case StructType():
                return self._struct(node, type_, depth)

    # Literals.

    def _scalar(self, node: ValueNode, type_: Type, scalar: Scalar) -> Value:
        match node:
            case Literal(text=text) if scalar in _TEXTS:
                return text
            case Literal(text=text) if scalar is Scalar.BINARY:
                return text.encode("utf-8", "replace")
            case Integer(number=number) if scalar in _BITS:
                return self._fitting(node, number, scalar)
            case Double(number=real) if scalar in _BITS and real.is_integer():
                return self._fitting(node, int(real), scalar)
            case Integer(number=real) | Double(number=real) if scalar is Scalar.DOUBLE:
                return float(real)
            # Any number above zero is true, to thriftgo too.
            case Integer(number=real) | Double(number=real) if scalar is Scalar.BOOL:
                return real > 0
        return self._mismatch(node, type_)

    def _fitting(self, node: ValueNode, number: int, scalar: Scalar) -> int:
        half = 1 << (_BITS[scalar] - 1)
        if -half <= number < half:
            return number
        if not 0 <= number < 2 * half:
            self._refuse(node, f"{number} does not fit {scalar.value}")
        # Flags such as 0x80000000 in an i32.
        self._file.warn(node, f"{number} does not fit {scalar.value}; its bits are {number - 2 * half}")
        return number - 2 * half

    def _enum(self, node: ValueNode, type_: EnumType) -> int:
        if not isinstance(node, Integer):
            return self._mismatch(node, type_)
        enum = self._file.all_enums.get(type_.name)
        if enum and all(m.number != node.number for m in enum.members):
            self._file.warn(node, f"no member of enum '{type_}' has the number {node.number}")
        return self._fitting(node, node.number, Scalar.I32)

    def _items(self, node: ValueNode, type_: Type) -> tuple[ValueNode, ...]:
        if isinstance(node, ListNode):
            return node.items
        # The other bracket is often taken for an empty one.
        return () if isinstance(node, MapNode) and not node.entries else self._mismatch(node, type_)

    def _entries(self, node: ValueNode, type_: Type) -> tuple[tuple[ValueNode, ValueNode], ...]:
        if isinstance(node, MapNode):
            return node.entries
        return () if isinstance(node, ListNode) and not node.items else self._mismatch(node, type_)

    def _struct(self, node: ValueNode, type_: StructType, depth: int) -> Value:
        # A constant of another file may be asked for as a struct that this file never saw.
        shapes = self._file.shapes.get(type_.name)
        if shapes is None:
            return self._mismatch(node, type_)
        types = {s.node.name.text: s.type for s in shapes}
        values: dict[str, Value] = {}
        for key, value in self._entries(node, type_):
            if not isinstance(key, Literal):
                self._refuse(key, f"a field of '{type_}' was expected here, its name in quotes")
            if key.text not in types:
                hint = self._file.did_you_mean(key.text, list(types))
                self._refuse(key, f"'{type_}' has no field '{key.text}'", hint)
            if key.text in values:
                self._refuse(key, f"the field '{key.text}' is given twice")
            values[key.text] = self.convert(value, types[key.text], depth + 1)
        return StructValue(type_.name, tuple(values.items()))

    # Names.

    def _reference(self, node: Reference, type_: Type, depth: int) -> Value:
        if node.text in ("true", "false"):
            return self._truth(node, type_)
        found = self._candidates(node.text) or self._bare_member(node.text, type_)
        if len(found) != 1:
            self._refuse_name(node, len(found))
        target = found[0]
        if isinstance(target, EnumMember):
            return self._scalar(Integer(target.number, node.line, node.column), type_, self._member_scalar(node, type_))
        file, constant = target
        if file.type_of(constant.type) == type_:
            return self._constant_of(file, constant, depth + 1)
        values = self if file is self._file else Values(file, self._budget)
        return values.convert(constant.value, type_, depth + 1)

    def _truth(self, node: Reference, type_: Type) -> Value:
        number = int(node.text == "true")
        match type_:
            case ScalarType(scalar=Scalar.BOOL):
                return bool(number)
            case ScalarType(scalar=Scalar.DOUBLE):
                return float(number)
            case ScalarType(scalar=scalar) if scalar in _BITS:
                return number
        return self._mismatch(node, type_)

    def _member_scalar(self, node: Reference, type_: Type) -> Scalar:
        if isinstance(type_, EnumType):
            return Scalar.I32
        return type_.scalar if isinstance(type_, ScalarType) else self._mismatch(node, type_)

    def _candidates(self, text: str) -> Sequence[Candidate]:
        """All that ``Enum.MEMBER``, ``stem.Enum.MEMBER``, ``CONSTANT`` or ``stem.CONSTANT`` may mean."""
        prefix, dot, name = text.rpartition(".")
        if not dot:
            node = self._file.names.get(name)
            return [(self._file, node)] if isinstance(node, ConstantNode) else []
        found: list[Candidate] = []
        enum = self._file.find_type(prefix)
        if isinstance(enum, EnumType):
            found += _member(self._file.all_enums.get(enum.name), name)
        for file in self._file.included(prefix):
            node = file.names.get(name)
            if isinstance(node, ConstantNode):
                found.append((file, node))
        return found

    def _bare_member(self, text: str, type_: Type) -> Sequence[Candidate]:
        """A member without its enum, where the declared type says which enum is meant."""
        if not isinstance(type_, EnumType):
            return []
        return _member(self._file.all_enums.get(type_.name), text.rpartition(".")[2])

    # Refusals.

    def _spend(self, node: ValueNode, parts: int) -> None:
        self._budget.left -= parts
        if self._budget.left < 0:
            self._refuse(node, "the constants are too large when written out")

    def _mismatch(self, node: ValueNode, type_: Type) -> NoReturn:
        self._refuse(node, f"a value of type {type_} was expected here, not {_KINDS[type(node)]}")

    def _refuse_name(self, node: Reference, count: int) -> NoReturn:
        if count:
            raise self._refusal(node, f"'{node.text}' may mean {count} things here", "", Severity.ERROR)
        hint = self._file.did_you_mean(node.text, self._file.value_names())
        raise self._refusal(node, f"there is no constant or enum member '{node.text}'", hint, Severity.ERROR)

    def _refuse(self, node: Place, message: str, hint: str = "") -> NoReturn:
        raise self._refusal(node, message, hint)

    def _refusal(self, node: Place, message: str, hint: str = "", severity: Severity = Severity.WARNING) -> Refusal:
        return Refusal(self._file.source.diagnostic(node, message, hint, severity))


def _member(enum: Enum | None, name: str) -> Sequence[Candidate]:
    return [m for m in enum.members if m.name == name][:1] if enum else []


_KINDS: dict[type, str] = {
    Literal: "a string",
    Integer: "a whole number",
    Double: "a number",
    Reference: "a name",
    ListNode: "a list",
    MapNode: "a map",
}
