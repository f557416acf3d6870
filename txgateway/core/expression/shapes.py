"""The types behind values: how to read, compare and take apart what a field holds.

A shape is compiled from a descriptor. Fields hold plain Python values, which do not tell
a list of i32 from one of i64, and structs are opaque: only getters see into them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..descriptor import (
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
    StructType,
    Type,
    TypeName,
)
from ..go_names import go_name

Getter = Callable[[Any], Any]
Access = Callable[[Struct, Field], Getter]
Value = Any


class Composite:
    """A list, set, map, binary or struct, with its shape; ``raw`` None is a container that is not set."""

    __slots__ = ("raw", "shape")

    def __init__(self, raw: Any, shape: Shape) -> None:
        self.raw = raw
        self.shape = shape

    def __bool__(self) -> bool:
        return self.shape.is_filled(self.raw)

    def __repr__(self) -> str:
        return f"Composite({self.raw!r}, {self.shape.go_type})"

    def equals(self, other: Composite) -> bool:
        """Whether type and content are the same."""
        return self.shape.go_type == other.shape.go_type and self.shape.same(self.raw, other.raw)


class Octets(str):
    """A text that is not UTF-8, readable as a str; it compares and counts by its bytes."""

    raw: bytes

    def __new__(cls, raw: bytes) -> Octets:
        self = super().__new__(cls, raw.decode("utf-8", "surrogateescape"))
        self.raw = raw
        return self

    def __lt__(self, other: str) -> bool:
        return self.raw < utf8(other)

    def __le__(self, other: str) -> bool:
        return self.raw <= utf8(other)

    def __gt__(self, other: str) -> bool:
        return self.raw > utf8(other)

    def __ge__(self, other: str) -> bool:
        return self.raw >= utf8(other)


def utf8(value: str) -> bytes:
    """The bytes of a text; a lone surrogate, which no UTF-8 has, is encoded like any code point."""
    return value.raw if isinstance(value, Octets) else value.encode("utf-8", "surrogatepass")


# What a field holds, made sure of. Each costs nothing on the usual path: the generated
# code calls it only for a value of another class than the expected one.


def as_text(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bytes | bytearray | memoryview):
        octets = bytes(raw)
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            return Octets(octets)
    return ""


def as_int(raw: Any) -> int:
    if isinstance(raw, int):
        return int(raw)
    return int(raw) if isinstance(raw, float) and abs(raw) < 2.0**63 else 0


def as_float(raw: Any) -> float:
    return float(raw) if isinstance(raw, float) or (isinstance(raw, int) and abs(raw) < 2**1000) else 0.0


def as_bool(raw: Any) -> bool:
    return bool(raw) if isinstance(raw, int) else False


def as_list(raw: Any) -> Any:
    return raw if isinstance(raw, list | tuple | set | frozenset) else None


def as_map(raw: Any) -> Any:
    return raw if isinstance(raw, Mapping) else None


def as_binary(raw: Any) -> Any:
    if isinstance(raw, str):
        return raw.encode("utf-8", "surrogatepass")
    return bytes(raw) if isinstance(raw, bytes | bytearray | memoryview) else None


class Shape:
    """One type. The methods take raw values: those of fields and elements, None if unset."""

    go_type = ""

    def read(self, raw: Any) -> Value:
        """The value of rules that this raw one stands for."""
        raise NotImplementedError

    def same(self, left: Any, right: Any) -> bool:
        raise NotImplementedError

    def is_filled(self, raw: Any) -> bool:
        return bool(raw)

    def part(self, raw: Any, key: Value) -> Value:
        return None

    def count(self, raw: Any) -> int:
        return 0

    def entries(self, raw: Any) -> Iterable[tuple[Value, Value]]:
        return ()


class ScalarShape(Shape):
    def __init__(self, go_type: str, convert: Callable[[Any], Value], exact: type, zero: Value) -> None:
        self.go_type = go_type
        self.convert = convert
        self.exact = exact
        self.zero = zero

    def read(self, raw: Any) -> Value:
        return raw if raw is None or raw.__class__ is self.exact else self.convert(raw)

    def same(self, left: Any, right: Any) -> bool:
        return bool(self.read(left) == self.read(right))


class ContainerShape(Shape):
    def read(self, raw: Any) -> Value:
        return Composite(raw, self)

    def count(self, raw: Any) -> int:
        return len(raw) if raw else 0


class BinaryShape(ContainerShape):
    go_type = "[]uint8"

    def read(self, raw: Any) -> Value:
        return Composite(raw if raw is None or raw.__class__ is bytes else as_binary(raw), self)

    def same(self, left: Any, right: Any) -> bool:
        return (left or b"") == (right or b"")

    def part(self, raw: Any, key: Value) -> Value:
        return _at(raw, key)

    def entries(self, raw: Any) -> Iterable[tuple[Value, Value]]:
        return enumerate(raw or b"")


class ListShape(ContainerShape):
    """A list or a set: both are sequences to a rule."""

    def __init__(self, element: Shape, is_set: bool) -> None:
        self.element = element
        self.is_set = is_set
        self.go_type = f"[]{element.go_type}"

    def same(self, left: Any, right: Any) -> bool:
        left, right = left or (), right or ()
        if len(left) != len(right):
            return False
        if self.is_set and isinstance(self.element, ScalarShape):
            return set(map(self.element.read, left)) == set(map(self.element.read, right))
        if isinstance(self.element, ScalarShape) and all(map(operator.eq, left, right)):
            return True
        return all(map(self.element.same, left, right))

    def part(self, raw: Any, key: Value) -> Value:
        item = _at(raw, key)
        return None if item is None else self.element.read(item)

    def entries(self, raw: Any) -> Iterable[tuple[Value, Value]]:
        return enumerate(map(self.element.read, raw or ()))


class MapShape(ContainerShape):
    def __init__(self, key: Shape, value: Shape) -> None:
        self.key = key
        self.value = value
        self.go_type = f"map[{key.go_type}]{value.go_type}"

    def same(self, left: Any, right: Any) -> bool:
        left, right = left or {}, right or {}
        if len(left) != len(right):
            return False
        return all(k in right and self.value.same(v, right[k]) for k, v in left.items())

    def part(self, raw: Any, key: Value) -> Value:
        if not raw:
            return None
        found = raw.get(self._raw_key(key))
        return None if found is None else self.value.read(found)

    def _raw_key(self, key: Value) -> Any:
        """The key as the map may hold it: numbers are cut to the key's type, a text never becomes a number."""
        exact = self.key.exact if isinstance(self.key, ScalarShape) else None
        if key.__class__ is bool:
            return key if exact is bool else None
        if isinstance(key, int | float):
            if exact is int:
                return int(key) if abs(key) < 2.0**63 else None
            return float(key) if exact is float else None
        if isinstance(key, str):
            if exact is str:
                return key.raw if isinstance(key, Octets) else key
            return utf8(key) if isinstance(self.key, BinaryShape) else None
        return None

    def entries(self, raw: Any) -> Iterable[tuple[Value, Value]]:
        return ((self.key.read(k), self.value.read(v)) for k, v in (raw or {}).items())


class StructShape(Shape):
    """A struct; its fields are filled in later, for a struct may hold itself."""

    def __init__(self, name: TypeName) -> None:
        self.name = name
        self.go_type = f"*{name}"
        self.fields: list[FieldShape] = []
        self.by_name: dict[str, FieldShape] = {}

    def add(self, field: FieldShape) -> None:
        self.fields.append(field)
        self.by_name[field.name] = field

    def finish(self) -> None:
        """The IDL's own names come before Go's spelling of others."""
        for field in self.fields:
            self.by_name.setdefault(field.go_name, field)

    def read(self, raw: Any) -> Value:
        return None if raw is None else Composite(raw, self)

    def is_filled(self, raw: Any) -> bool:
        return True

    def same(self, left: Any, right: Any) -> bool:
        if left is None or right is None:
            return left is right
        return all(f.shape.same(f.raw(left), f.raw(right)) for f in self.fields)

    def part(self, raw: Any, key: Value) -> Value:
        field = None
        if isinstance(key, str):
            field = self.by_name.get(key)
        elif key.__class__ is not bool and isinstance(key, int | float) and -1 < key < len(self.fields):
            field = self.fields[int(key)]
        return None if field is None else field.shape.read(field.raw(raw))


class FieldShape:
    """A field of a struct: where it stands, and how to get at its value."""

    def __init__(self, field: Field, getter: Getter, shape: Shape) -> None:
        self.name = field.name
        self.go_name = go_name(field.name)
        self.getter = getter
        self.shape = shape
        # A scalar that was not sent holds its default or zero, unless it is optional.
        self.zero: Value = None
        if field.requiredness is not Requiredness.OPTIONAL and isinstance(shape, ScalarShape):
            self.zero = shape.zero if field.default is None else shape.read(field.default)

    def raw(self, struct: Any) -> Any:
        value = self.getter(struct)
        return self.zero if value is None else value


def _at(sequence: Any, key: Value) -> Any:
    """The element at a number's integer part; None if there is none."""
    if not sequence or key.__class__ is bool or not isinstance(key, int | float) or not -1 < key < len(sequence):
        return None
    if isinstance(sequence, set | frozenset):
        sequence = tuple(sequence)
    return sequence[int(key)]


TEXT = ScalarShape("string", as_text, str, "")
BOOL = ScalarShape("bool", as_bool, bool, False)
DOUBLE = ScalarShape("float64", as_float, float, 0.0)
BYTE = ScalarShape("uint8", as_int, int, 0)
LONG = ScalarShape("int64", as_int, int, 0)
BINARY = BinaryShape()
_SCALARS: dict[Scalar, Shape] = {
    Scalar.BOOL: BOOL,
    Scalar.I8: ScalarShape("int8", as_int, int, 0),
    Scalar.I16: ScalarShape("int16", as_int, int, 0),
    Scalar.I32: ScalarShape("int32", as_int, int, 0),
    Scalar.I64: LONG,
    Scalar.DOUBLE: DOUBLE,
    Scalar.STRING: TEXT,
    Scalar.UUID: TEXT,
    Scalar.BINARY: BINARY,
}


class Shapes:
    """The shapes of a schema's types, each built once."""

    def __init__(self, schema: Schema, access: Access) -> None:
        self._schema = schema
        self._access = access
        self._structs: dict[TypeName, StructShape] = {}

    def of(self, type: Type) -> Shape:
        match type:
            case ScalarType(scalar=scalar):
                return _SCALARS[scalar]
            case EnumType(name=name):
                return ScalarShape(name.name, as_int, int, 0)
            case ListType(element=element):
                return ListShape(self.of(element), is_set=False)
            case SetType(element=element):
                return ListShape(self.of(element), is_set=True)
            case MapType(key=key, value=value):
                return MapShape(self.of(key), self.of(value))
            case StructType(name=name):
                return self.struct(self._schema.structs[name])

    def struct(self, struct: Struct) -> StructShape:
        shape = self._structs.get(struct.name)
        if shape is None:
            shape = self._structs[struct.name] = StructShape(struct.name)
            for field in struct.fields:
                shape.add(FieldShape(field, self._access(struct, field), self.of(field.type)))
            shape.finish()
        return shape
