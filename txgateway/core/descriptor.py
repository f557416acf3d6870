"""What an IDL says: services, methods, fields, as immutable values.

Types refer to structs and enums by :class:`TypeName`, never by object, so that
recursive types stay plain values: a descriptor can be compared, hashed and
printed. Whoever needs the declaration looks it up in the :class:`Schema`.
Positions and doc comments never take part in comparisons.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

from attrs import field, frozen


@frozen(order=True)
class Position:
    """A place in an IDL file; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Position("", 0, 0)


@frozen
class Annotation:
    """One ``key = "value"`` pair as written; ``value`` is unescaped (``spec`` of thriftgo)."""

    key: str
    value: str
    position: Position = field(default=NOWHERE, eq=False)
    # Where the text of the value begins, behind its quote: rules report places inside it.
    value_position: Position = field(default=NOWHERE, eq=False)


@frozen
class Annotations:
    """The annotations of one declaration, in written order; keys compare without case."""

    items: tuple[Annotation, ...] = ()

    def all(self, key: str) -> tuple[Annotation, ...]:
        """Every annotation with this key, in written order."""
        if not self.items:  # As most are, and everybody asks.
            return ()
        wanted = key.lower()
        return tuple(a for a in self.items if a.key.lower() == wanted)

    def first(self, key: str) -> Annotation | None:
        """The first annotation with this key, or None."""
        found = self.all(key) if self.items else ()
        return found[0] if found else None

    def __contains__(self, key: object) -> bool:
        return bool(self.items) and isinstance(key, str) and bool(self.all(key))

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@frozen(order=True)
class TypeName:
    """The full name of a struct or enum: two files may declare the same short one."""

    file: str
    name: str

    def __str__(self) -> str:
        return self.name


class Scalar(enum.Enum):
    """The types without parts; the value is the IDL's spelling."""

    BOOL = "bool"
    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    DOUBLE = "double"
    STRING = "string"
    BINARY = "binary"
    UUID = "uuid"

    def __str__(self) -> str:
        return self.value


@frozen
class ScalarType:
    scalar: Scalar
    annotations: Annotations = Annotations()

    def __str__(self) -> str:
        return self.scalar.value


@frozen
class EnumType:
    name: TypeName
    annotations: Annotations = Annotations()

    def __str__(self) -> str:
        return self.name.name


@frozen
class StructType:
    """A struct, union or exception; which of them, its declaration says."""

    name: TypeName
    annotations: Annotations = Annotations()

    def __str__(self) -> str:
        return self.name.name


@frozen
class ListType:
    element: Type
    annotations: Annotations = Annotations()

    def __str__(self) -> str:
        return f"list<{self.element}>"


@frozen
class SetType:
    element: Type
    annotations: Annotations = Annotations()

    def __str__(self) -> str:
        return f"set<{self.element}>"


@frozen
class MapType:
    key: Type
    value: Type
    annotations: Annotations = Annotations()

    def __str__(self) -> str:
        return f"map<{self.key},{self.value}>"


Type = ScalarType | EnumType | StructType | ListType | SetType | MapType


@frozen
class MapValue:
    """A constant map: its entries in written order."""

    entries: tuple[tuple[Value, Value], ...]


@frozen
class StructValue:
    """A constant struct: field names and values in written order."""

    type: TypeName
    fields: tuple[tuple[str, Value], ...]


# A constant, resolved and converted to its declared type: an enum member is its
# number; lists and sets are tuples; binary is bytes, string is str.
Value = bool | int | float | str | bytes | tuple["Value", ...] | MapValue | StructValue


class Requiredness(enum.Enum):
    REQUIRED = "required"
    DEFAULT = "default"
    OPTIONAL = "optional"


@frozen
class Field:
    """A field of a struct, an argument of a method, or an entry of its ``throws``."""

    id: int
    name: str
    type: Type
    requiredness: Requiredness = Requiredness.DEFAULT
    default: Value | None = None
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)


class StructKind(enum.Enum):
    STRUCT = "struct"
    UNION = "union"
    EXCEPTION = "exception"


@frozen
class Struct:
    name: TypeName
    fields: tuple[Field, ...]
    kind: StructKind = StructKind.STRUCT
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)

    def field_named(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


@frozen
class EnumMember:
    name: str
    number: int
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)


@frozen
class Enum:
    name: TypeName
    members: tuple[EnumMember, ...]
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)


@frozen
class Constant:
    name: TypeName
    type: Type
    value: Value
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)


@frozen
class Method:
    """A method as its service offers it; ``result`` None means void."""

    name: str
    arguments: tuple[Field, ...]
    result: Type | None
    throws: tuple[Field, ...] = ()
    oneway: bool = False
    # The service that declares it: an inherited method is on its parent.
    declared_in: TypeName = TypeName("", "")
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)


@frozen
class Service:
    """A service with all its methods: inherited ones first, parents before children."""

    name: TypeName
    methods: tuple[Method, ...]
    extends: TypeName | None = None
    annotations: Annotations = Annotations()
    doc: str = field(default="", eq=False)
    position: Position = field(default=NOWHERE, eq=False)

    def method_named(self, name: str) -> Method | None:
        return next((m for m in self.methods if m.name == name), None)


@frozen
class Schema:
    """One IDL file, linked: its own services, and every type that it or its includes declare."""

    file: str
    services: tuple[Service, ...]
    structs: Mapping[TypeName, Struct] = field(factory=dict, hash=False)
    enums: Mapping[TypeName, Enum] = field(factory=dict, hash=False)
    constants: Mapping[TypeName, Constant] = field(factory=dict, hash=False)
    namespaces: tuple[tuple[str, str], ...] = ()
    # Every file that took part, the root first: whoever watches for changes needs them.
    files: tuple[str, ...] = ()
