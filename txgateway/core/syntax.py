"""The syntax tree of an IDL file: what was written, where, with no name looked up yet."""

from __future__ import annotations

from typing import NamedTuple

from .descriptor import Requiredness, StructKind


class Name(NamedTuple):
    """A word of the file; every node has a ``line`` and a ``column``, its own or its name's."""

    text: str
    line: int
    column: int


class AnnotationNode(NamedTuple):
    key: Name
    # The value unescaped, its position behind the quote.
    value: Name


AnnotationNodes = tuple[AnnotationNode, ...]


class TypeNode(NamedTuple):
    """A type by its name; of ``map``, ``list`` and ``set`` also what they hold."""

    name: Name
    arguments: tuple[TypeNode, ...]
    annotations: AnnotationNodes
    # How many containers are inside each other, this one included.
    depth: int


class Literal(NamedTuple):
    text: str
    line: int
    column: int


class Integer(NamedTuple):
    number: int
    line: int
    column: int


class Double(NamedTuple):
    number: float
    line: int
    column: int


class Reference(NamedTuple):
    """A constant, an enum member, or ``true`` and ``false``."""

    text: str
    line: int
    column: int


class ListNode(NamedTuple):
    items: tuple[ValueNode, ...]
    line: int
    column: int
    depth: int


class MapNode(NamedTuple):
    entries: tuple[tuple[ValueNode, ValueNode], ...]
    line: int
    column: int
    depth: int


ValueNode = Literal | Integer | Double | Reference | ListNode | MapNode


class FieldNode(NamedTuple):
    # None where the file gives no id.
    id: Integer | None
    requiredness: Requiredness
    type: TypeNode
    name: Name
    default: ValueNode | None
    annotations: AnnotationNodes
    # Where the whole field begins: its doc comment stands above that line.
    start: int


class ConstantNode(NamedTuple):
    type: TypeNode
    name: Name
    value: ValueNode
    annotations: AnnotationNodes
    start: int


class TypedefNode(NamedTuple):
    type: TypeNode
    name: Name
    annotations: AnnotationNodes
    start: int


class MemberNode(NamedTuple):
    name: Name
    number: Integer | None
    annotations: AnnotationNodes

    @property
    def start(self) -> int:
        return self.name.line


class EnumNode(NamedTuple):
    name: Name
    members: tuple[MemberNode, ...]
    annotations: AnnotationNodes
    start: int


class StructNode(NamedTuple):
    kind: StructKind
    name: Name
    fields: tuple[FieldNode, ...]
    annotations: AnnotationNodes
    start: int


class MethodNode(NamedTuple):
    oneway: bool
    # None is void.
    result: TypeNode | None
    name: Name
    arguments: tuple[FieldNode, ...]
    throws: tuple[FieldNode, ...]
    annotations: AnnotationNodes
    start: int


class ServiceNode(NamedTuple):
    name: Name
    extends: Name | None
    methods: tuple[MethodNode, ...]
    annotations: AnnotationNodes
    start: int


class IncludeNode(NamedTuple):
    path: str
    line: int
    column: int


class NamespaceNode(NamedTuple):
    scope: str
    name: str
    annotations: AnnotationNodes


DefinitionNode = ConstantNode | TypedefNode | EnumNode | StructNode | ServiceNode


class FileNode(NamedTuple):
    includes: tuple[IncludeNode, ...]
    namespaces: tuple[NamespaceNode, ...]
    definitions: tuple[DefinitionNode, ...]
