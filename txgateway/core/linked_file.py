"""One IDL file linked: every name in it looked up, its declarations as descriptors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import define, evolve, frozen

from .annotation_lint import complaint
from .annotations.known import Place as Home
from .constants import Budget, Refusal, Values
from .descriptor import (
    Annotation,
    Annotations,
    Constant,
    Enum,
    EnumMember,
    EnumType,
    Field,
    ListType,
    MapType,
    Method,
    Position,
    Requiredness,
    Scalar,
    ScalarType,
    Service,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
    TypeName,
    Value,
)
from .doc_comments import Docs
from .errors import Diagnostic, Severity
from .idl import MAX_NESTING, Parsed, Place
from .idl_words import nearest
from .syntax import (
    AnnotationNodes,
    ConstantNode,
    EnumNode,
    FieldNode,
    FileNode,
    MemberNode,
    MethodNode,
    Name,
    ServiceNode,
    StructNode,
    TypedefNode,
    TypeNode,
    ValueNode,
)

# Bounds on foreign text; public IDL stays far below each of them.
MAX_TYPEDEF_CHAIN = 64
MAX_EXTENDS_CHAIN = 64
MAX_TYPE_PARTS = 256
# Names are compared with all known ones for "did you mean": only so often, only with so many.
MAX_HINTS = 20
MAX_HINT_WORDS = 2_000

_SCALARS = {s.value: ScalarType(s) for s in Scalar if s is not Scalar.UUID} | {"byte": ScalarType(Scalar.I8)}
# Not types to thriftgo: a declaration of that name goes before.
_LATER_SCALARS = {"uuid": ScalarType(Scalar.UUID), "slist": ScalarType(Scalar.STRING)}
_UNKNOWN = ScalarType(Scalar.STRING)
_KIND = {
    ConstantNode: "constant",
    TypedefNode: "typedef",
    EnumNode: "enum",
    StructNode: "struct",
    ServiceNode: "service",
}

N = TypeVar("N")
Definition = ConstantNode | TypedefNode | EnumNode | StructNode | ServiceNode
Declared = Definition | MemberNode | FieldNode | MethodNode


@frozen
class Shape:
    """A field before its default: constants of a struct type need the types of all its fields."""

    node: FieldNode
    id: int
    type: Type
    requiredness: Requiredness


@define
class Include:
    """An include of a file: ``stem.Name`` speaks of its file, which is None where it has errors."""

    stem: str
    file: LinkedFile | None


class LinkedFile:
    """One linked file: what it declares, and what it sees of its includes."""

    def __init__(
        self,
        parsed: Parsed,
        tree: FileNode,
        includes: Sequence[Include],
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = parsed.source
        self.tree = tree
        self.includes = includes
        # A dictionary for its order: types and values may be looked at more than once.
        self._diagnostics: dict[Diagnostic, None] = {}
        self._docs = Docs(parsed.source.text, tree)
        self._hints = 0
        self._typedefs: dict[str, Type | None] = {}
        self.names: dict[str, Definition] = {}
        self.shapes: dict[TypeName, tuple[Shape, ...]] = {}
        self.services: dict[str, Service] = {}
        self.all_structs: dict[TypeName, Struct] = {}
        self.all_enums: dict[TypeName, Enum] = {}
        self.all_constants: dict[TypeName, Constant] = {}
        # No value takes less than a character, so only constants that name constants can run out of it.
        self._values = Values(self, Budget(100_000 + len(self.source.text)))
        self.made = self._values.made
        self._link(breathe)
        # Nothing is in a circle then: a file that is replaced goes as soon as nobody needs it.
        del self._values

    def _link(self, breathe: Callable[[], None]) -> None:
        for include in self.includes:
            if include.file:
                self.shapes |= include.file.shapes
                self.all_structs |= include.file.all_structs
                self.all_enums |= include.file.all_enums
                self.all_constants |= include.file.all_constants
        for node in self.tree.definitions:
            self._declare(node)
        for node in self._declared(EnumNode):
            self.all_enums[self.name_of(node.name)] = self._enum(node)
        for node in self._declared(TypedefNode):
            self._typedef(node, 0)
        for node in self._declared(StructNode):
            self.shapes[self.name_of(node.name)] = self._shapes(node)
            breathe()
        for node in self._declared(ConstantNode):
            self._constant(node)
            breathe()
        for node in self._declared(StructNode):
            self.all_structs[self.name_of(node.name)] = self._struct(node)
            breathe()
        for node in self._declared(ServiceNode):
            self._service(node, ())
            breathe()

    def name_of(self, name: Name) -> TypeName:
        return TypeName(self.source.path, name.text)

    def error(self, place: Place, message: str, hint: str = "") -> None:
        self._report(self.source.diagnostic(place, message, hint))

    def warn(self, place: Place, message: str, hint: str = "") -> None:
        self._report(self.source.diagnostic(place, message, hint, Severity.WARNING))

    def _report(self, diagnostic: Diagnostic) -> None:
        self._diagnostics[diagnostic] = None

    def diagnostics(self, severity: Severity) -> list[Diagnostic]:
        """What was found, by its place."""
        return sorted((d for d in self._diagnostics if d.severity is severity), key=lambda d: d.position)

    def _declared(self, kind: type[N]) -> list[N]:
        return [n for n in self.names.values() if isinstance(n, kind)]

    def _declare(self, node: Definition) -> None:
        first = self.names.setdefault(node.name.text, node)
        if first is not node:
            self.error(
                node.name,
                f"'{node.name.text}' is declared twice",
                f"first as a {_KIND[type(first)]} in line {first.name.line}",
            )

    # Types.

    def type_of(self, node: TypeNode, chain: int = 0) -> Type:
        """The type that a type node means; one that cannot be found is reported and taken as a string."""
        type_ = self._type(node, chain)
        if (node.arguments or node.name.text not in _SCALARS) and _too_large(type_):
            self.error(node.name, f"the type has more than {MAX_TYPE_PARTS} parts or is nested too deep")
            return _UNKNOWN
        return type_

    def _type(self, node: TypeNode, chain: int) -> Type:
        annotations = self._annotations(node.annotations, Home.TYPE)
        if node.arguments:
            parts = [self._type(a, chain) for a in node.arguments]
            match node.name.text:
                case "list":
                    return ListType(parts[0], annotations)
                case "set":
                    return SetType(parts[0], annotations)
                case _:
                    return MapType(parts[0], parts[1], annotations)
        found = _SCALARS.get(node.name.text) or self._named(node.name, chain)
        return evolve(found, annotations=_joined(annotations, found.annotations)) if len(annotations) else found

    def _named(self, name: Name, chain: int) -> Type:
        if found := self.find_type(name.text, chain) or _LATER_SCALARS.get(name.text):
            return found
        if not self._behind_error(name.text):
            self._unknown_type(name)
        return _UNKNOWN

    def find_type(self, name: str, chain: int = 0) -> Type | None:
        """The type of that name, here or behind the stem of an include; None if there is none."""
        stem, dot, short = name.rpartition(".")
        if not dot:
            return self._own_type(name, chain)
        for file in self.included(stem):
            if found := file._own_type(short, chain):
                return found
        return None

    def _own_type(self, name: str, chain: int) -> Type | None:
        match self.names.get(name):
            case StructNode():
                return StructType(TypeName(self.source.path, name))
            case EnumNode():
                return EnumType(TypeName(self.source.path, name))
            case TypedefNode() as node:
                return self._typedef(node, chain)
        return None

    def _typedef(self, node: TypedefNode, chain: int) -> Type:
        name = node.name.text
        if name not in self._typedefs:
            # Stands for "being resolved": who meets it again goes round in a circle.
            self._typedefs[name] = None
            self._typedefs[name] = self._meant(node, chain)
        known = self._typedefs[name]
        if known is None:
            self.error(node.name, f"the typedef '{name}' leads to itself")
            return _UNKNOWN
        return known

    def _meant(self, node: TypedefNode, chain: int) -> Type:
        if chain >= MAX_TYPEDEF_CHAIN:
            self.error(node.name, f"more than {MAX_TYPEDEF_CHAIN} typedefs lead to each other")
            return _UNKNOWN
        found = self.type_of(node.type, chain + 1)
        annotations = self._annotations(node.annotations, Home.TYPE)
        return evolve(found, annotations=_joined(found.annotations, annotations)) if len(annotations) else found

    def included(self, stem: str) -> list[LinkedFile]:
        """The includes of that name that can be used: two folders may hold files of one name."""
        return [i.file for i in self.includes if i.stem == stem and i.file]

    def _behind_error(self, name: str) -> bool:
        """Whether the name may well be in an include that could not be used."""
        stem = name.rpartition(".")[0]
        return any(i.file is None and (stem == i.stem or stem.startswith(f"{i.stem}.")) for i in self.includes)

    def _unknown_type(self, name: Name) -> None:
        stem, dot, _ = name.text.rpartition(".")
        node = self.names.get(name.text)
        if dot and not self.included(stem):
            stems = [i.stem for i in self.includes]
            self.error(name, f"no include is called '{stem}'", self.did_you_mean(stem, stems))
        elif node is not None:
            self.error(name, f"'{name.text}' is a {_KIND[type(node)]}, not a type")
        else:
            self.error(name, f"there is no type '{name.text}'", self.did_you_mean(name.text, self._type_names()))

    def _type_names(self) -> list[str]:
        return [*_SCALARS, "list", "map", "set", *self._names(StructNode, EnumNode, TypedefNode)]

    def value_names(self) -> list[str]:
        members = [f"{e.name.name}.{m.name}" for e in self.all_enums.values() for m in e.members]
        return [*self._names(ConstantNode), *members]

    def _names(self, *kinds: type[Definition]) -> list[str]:
        """What such declarations are called here: our own, and those of includes behind their stem."""
        own = [name for name, node in self.names.items() if isinstance(node, kinds)]
        files = [(i.stem, i.file) for i in self.includes if i.file]
        return own + [
            f"{stem}.{n}" for stem, file in files for n, node in file.names.items() if isinstance(node, kinds)
        ]

    def did_you_mean(self, word: str, known: Sequence[str]) -> str:
        self._hints += 1
        if self._hints > MAX_HINTS:
            return ""
        near = nearest(word, known[:MAX_HINT_WORDS]) or next((k for k in known if k.rpartition(".")[2] == word), "")
        return f"did you mean '{near}'?" if near else ""

    # Enums and structs.

    def _enum(self, node: EnumNode) -> Enum:
        numbers = _numbers(node.members)
        self._check_members(node, numbers)
        members = tuple(
            EnumMember(member.name.text, number, *self._about(member, Home.MEMBER))
            for member, number in zip(node.members, numbers, strict=True)
        )
        return Enum(self.name_of(node.name), members, *self._about(node, Home.ENUM))

    def _check_members(self, node: EnumNode, numbers: Sequence[int]) -> None:
        names: set[str] = set()
        owners: dict[int, str] = {}
        for member, number in zip(node.members, numbers, strict=True):
            name = member.name.text
            if name in names:
                self.error(member.name, f"'{name}' is declared twice in enum '{node.name.text}'")
            elif not -(2**31) <= number < 2**31:
                self.error(member.number or member.name, f"{number} does not fit an enum, which is an i32 on the wire")
            elif number in owners:
                self.warn(member.name, f"'{name}' has the number of '{owners[number]}', {number}")
            names.add(name)
            owners.setdefault(number, name)

    def _shapes(self, node: StructNode) -> tuple[Shape, ...]:
        shapes = self._fields(node.fields, f"{node.kind.value} '{node.name.text}'")
        if node.kind is StructKind.UNION:
            return tuple(evolve(s, requiredness=Requiredness.OPTIONAL) for s in shapes)
        return shapes

    def _struct(self, node: StructNode) -> Struct:
        return Struct(
            self.name_of(node.name),
            tuple(self._field(s) for s in self.shapes[self.name_of(node.name)]),
            node.kind,
            *self._about(node, Home.STRUCT),
        )

    def _fields(self, nodes: tuple[FieldNode, ...], where: str) -> tuple[Shape, ...]:
        ids: dict[int, str] = {}
        names: set[str] = set()
        shapes: list[Shape] = []
        number = 0
        for node in nodes:
            # Without an id: one more than the field before, as thriftgo counts.
            number = number + 1 if node.id is None else node.id.number
            name, place = node.name.text, node.id or node.name
            if not -(2**15) <= number < 2**15:
                self.error(place, f"the id {number} does not fit 16 bits")
            elif number in ids:
                self.error(place, f"'{name}' has the id of '{ids[number]}', {number}, in {where}")
            if name in names:
                self.error(node.name, f"'{name}' is declared twice in {where}")
            names.add(name)
            ids.setdefault(number, name)
            shapes.append(self._shape(node, number))
        return tuple(shapes)

    def _shape(self, node: FieldNode, number: int) -> Shape:
        word = node.type.name.text
        for requiredness in (Requiredness.REQUIRED, Requiredness.OPTIONAL):
            # thriftgo needs no blank behind these two words: `optionalstring name`.
            rest = word.removeprefix(requiredness.value)
            if rest != word and not self.find_type(word) and (rest in _SCALARS or self.find_type(rest)):
                self.warn(node.type.name, f"'{word}' is read as '{requiredness.value} {rest}'")
                name = node.type.name._replace(text=rest)
                return Shape(node, number, self.type_of(node.type._replace(name=name)), requiredness)
        return Shape(node, number, self.type_of(node.type), node.requiredness)

    def _field(self, shape: Shape) -> Field:
        node = shape.node
        return Field(
            shape.id,
            node.name.text,
            shape.type,
            shape.requiredness,
            None if node.default is None else self._value(node.default, shape.type),
            *self._about(node, Home.FIELD),
        )

    # Constants.

    def _value(self, node: ValueNode, type_: Type) -> Value | None:
        try:
            return self._values.convert(node, type_)
        except Refusal as e:
            self._report(_left_out(e.diagnostic, "there is no default"))
            return None

    def _constant(self, node: ConstantNode) -> None:
        name = self.name_of(node.name)
        try:
            value = self._values.constant(node)
        except Refusal as e:
            self._report(_left_out(e.diagnostic, f"there is no constant '{node.name.text}'"))
            return
        self.all_constants[name] = Constant(
            name,
            self.type_of(node.type),
            value,
            *self._about(node, Home.CONSTANT),
        )

    # Services.

    def service(self, name: str) -> Service | None:
        node = self.names.get(name)
        return self._service(node, ()) if isinstance(node, ServiceNode) else None

    def own_services(self) -> tuple[Service, ...]:
        """The services of this file in written order."""
        return tuple(self.services[n.name.text] for n in self._declared(ServiceNode))

    def _service(self, node: ServiceNode, children: tuple[str, ...]) -> Service:
        name = node.name.text
        if name not in self.services:
            parent = self._parent(node, (*children, name)) if node.extends else None
            own = self._methods(node)
            names = {m.name for m in own}
            inherited = tuple(m for m in parent.methods if m.name not in names) if parent else ()
            self.services[name] = Service(
                self.name_of(node.name),
                inherited + own,
                parent.name if parent else None,
                *self._about(node, Home.SERVICE),
            )
        return self.services[name]

    def _parent(self, node: ServiceNode, children: tuple[str, ...]) -> Service | None:
        assert node.extends is not None
        stem, dot, short = node.extends.text.rpartition(".")
        if dot:
            for file in self.included(stem):
                if found := file.service(short):
                    return found
        elif short in children:
            self.error(node.extends, "a service cannot extend itself", " -> ".join((*children, short)))
            return None
        elif len(children) > MAX_EXTENDS_CHAIN:
            self.error(node.extends, f"more than {MAX_EXTENDS_CHAIN} services extend each other")
            return None
        elif isinstance(parent := self.names.get(short), ServiceNode):
            return self._service(parent, children)
        if not self._behind_error(node.extends.text):
            hint = self.did_you_mean(node.extends.text, self._names(ServiceNode))
            self.error(node.extends, f"there is no service '{node.extends.text}'", hint)
        return None

    def _methods(self, node: ServiceNode) -> tuple[Method, ...]:
        names: set[str] = set()
        for method in node.methods:
            if method.name.text in names:
                self.error(method.name, f"'{method.name.text}' is declared twice in service '{node.name.text}'")
            names.add(method.name.text)
        return tuple(self._method(m, node) for m in node.methods)

    def _method(self, node: MethodNode, service: ServiceNode) -> Method:
        where = f"method '{node.name.text}'"
        if node.oneway and node.result:
            self.error(node.result.name, f"{where} is oneway, so it returns nothing: it must be void")
        if node.oneway and node.throws:
            self.error(node.name, f"{where} is oneway, so it cannot throw")
        return Method(
            node.name.text,
            self._arguments(node, f"the arguments of {where}"),
            self.type_of(node.result) if node.result else None,
            self._throws(node, f"the exceptions of {where}"),
            node.oneway,
            self.name_of(service.name),
            *self._about(node, Home.METHOD),
        )

    def _arguments(self, node: MethodNode, where: str) -> tuple[Field, ...]:
        """An argument is always sent, as in thriftgo, even if `optional` is written before it."""
        shapes = self._fields(node.arguments, where)
        optional = Requiredness.OPTIONAL
        return tuple(
            self._field(evolve(s, requiredness=Requiredness.DEFAULT) if s.requiredness is optional else s)
            for s in shapes
        )

    def _throws(self, node: MethodNode, where: str) -> tuple[Field, ...]:
        shapes = self._fields(node.throws, where)
        for shape in shapes:
            if shape.id == 0:
                self.error(shape.node.id or shape.node.name, "0 is the id of what the method returns")
            if not isinstance(shape.type, StructType):
                self.warn(shape.node.type.name, f"a {shape.type} is no exception")
        return tuple(self._field(evolve(s, requiredness=Requiredness.OPTIONAL)) for s in shapes)

    def _about(self, node: Declared, home: Home) -> tuple[Annotations, str, Position]:
        """What every declaration has besides: its annotations, comment and place."""
        doc = self._docs.of(node)
        return self._annotations(node.annotations, home), doc, self.source.position(node.name)

    def _annotations(self, nodes: AnnotationNodes, home: Home) -> Annotations:
        if not nodes:
            return _NO_ANNOTATIONS
        position = self.source.position
        for key, _ in nodes:
            if odd := complaint(key.text, home):
                self.warn(key, *odd)
        return Annotations(tuple(Annotation(k.text, v.text, position(k), position(v)) for k, v in nodes))


_NO_ANNOTATIONS = Annotations()


def _left_out(diagnostic: Diagnostic, consequence: str) -> Diagnostic:
    if diagnostic.severity is Severity.ERROR:
        return diagnostic
    return evolve(diagnostic, message=f"{diagnostic.message}: {consequence}")


def _numbers(members: tuple[MemberNode, ...]) -> list[int]:
    """The members' numbers: one that has none is one more than the member before."""
    numbers: list[int] = []
    for member in members:
        numbers.append(member.number.number if member.number else numbers[-1] + 1 if numbers else 0)
    return numbers


def _joined(own: Annotations, more: Annotations) -> Annotations:
    return Annotations(own.items + more.items)


def _too_large(type_: Type) -> bool:
    """Whether a type, its typedefs written out, has more parts or levels than anyone should walk."""
    parts = 0
    waiting = [(type_, 1)]
    while waiting:
        part, depth = waiting.pop()
        parts += 1
        if parts > MAX_TYPE_PARTS or depth > MAX_NESTING:
            return True
        match part:
            case ListType(element=element) | SetType(element=element):
                waiting.append((element, depth + 1))
            case MapType(key=key, value=value):
                waiting += ((key, depth + 1), (value, depth + 1))
    return False
