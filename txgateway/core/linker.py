"""Syntax trees to descriptors: finds the includes of a file and looks every name up."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import define, evolve, field, frozen

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
    Schema,
    Service,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
    TypeName,
    Value,
)
from .errors import Diagnostic, IdlError, Severity
from .idl import MAX_NESTING, Parsed, Place, parse
from .idl_words import nearest
from .syntax import (
    AnnotationNodes,
    ConstantNode,
    EnumNode,
    FieldNode,
    FileNode,
    IncludeNode,
    MethodNode,
    Name,
    ServiceNode,
    StructNode,
    TypedefNode,
    TypeNode,
    ValueNode,
)

# Bounds on foreign text; public IDL stays far below each of them.
MAX_FILES = 1_000
MAX_INCLUDE_DEPTH = 64
MAX_TYPEDEF_CHAIN = 64
MAX_EXTENDS_CHAIN = 64
MAX_TYPE_PARTS = 256
MAX_DIAGNOSTICS = 100
# Names are compared with all known ones for "did you mean": only so often, only with so many.
MAX_HINTS = 20
MAX_HINT_WORDS = 2_000

Read = Callable[[str], str]


@frozen
class Loaded:
    """A file that links, what is odd in it, and the text of every file that took part, by its path."""

    schema: Schema
    warnings: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(factory=dict, hash=False, repr=False)


class Cache:
    """Files parsed and linked before, by path: for loading many roots that share includes, again and again.

    An entry is used while the text of the file and of its includes is what it was, so a stale one does no harm.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[str, Parsed]] = {}
        self._modules: dict[str, tuple[Parsed, tuple[Module | None, ...], Module]] = {}

    def parsed(self, path: str, text: str) -> Parsed:
        known = self._parsed.get(path)
        if known is None or known[0] != text:
            known = self._parsed[path] = (text, parse(path, text))
        return known[1]

    def module(self, parsed: Parsed, tree: FileNode, includes: Sequence[Include]) -> Module:
        path, modules = parsed.source.path, tuple(i.module for i in includes)
        known = self._modules.get(path)
        if known is None or known[0] is not parsed or not _same(known[1], modules):
            known = self._modules[path] = (parsed, modules, Module(parsed, tree, includes))
        return known[2]

    def keep(self, paths: Iterable[str]) -> None:
        """Forget every file but these."""
        kept = set(paths)
        self._parsed = {p: v for p, v in self._parsed.items() if p in kept}
        self._modules = {p: v for p, v in self._modules.items() if p in kept}


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def load(path: str, read: Read, include_dirs: Iterable[str] = (), *, cache: Cache | None = None) -> Loaded:
    """Load an IDL file with everything that it includes.

    :param read: gives the text at a path, or raises OSError (or UnicodeError).
    :param include_dirs: where an include is looked for when it is not beside the including file.
    :raises IdlError: with every error that was found.
    """
    files = _Files(read, tuple(include_dirs), cache or Cache())
    root = files.open(posixpath.normpath(path))
    errors = [*files.errors, *(e for m in files.modules.values() for e in m.errors)]
    warnings = tuple(w for m in files.modules.values() for w in m.warnings)
    if errors or root is None:
        raise IdlError(_limited(errors) + warnings[:MAX_DIAGNOSTICS])
    sources = {p: m.source.text for p, m in files.modules.items()}
    return Loaded(_schema(root, files.modules), warnings[:MAX_DIAGNOSTICS], sources)


def _limited(errors: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    shown = tuple(dict.fromkeys(errors))
    if len(shown) <= MAX_DIAGNOSTICS:
        return shown
    more = Diagnostic(f"and {len(shown) - MAX_DIAGNOSTICS} more errors", shown[MAX_DIAGNOSTICS].position)
    return (*shown[:MAX_DIAGNOSTICS], more)


def _schema(root: Module, modules: Mapping[str, Module]) -> Schema:
    return Schema(
        file=root.source.path,
        services=tuple(root.services.values()),
        structs=root.all_structs,
        enums=root.all_enums,
        constants=root.all_constants,
        namespaces=tuple((n.scope, n.name) for n in root.tree.namespaces),
        files=(root.source.path, *sorted(p for p in modules if p != root.source.path)),
    )


# --- Files and includes -----------------------------------------------------------------


@define
class Include:
    """An include of a file: ``stem.Name`` speaks of its module, which is None where it has errors."""

    stem: str
    module: Module | None


class _Files:
    """Opens files and what they include, each once."""

    def __init__(self, read: Read, include_dirs: tuple[str, ...], cache: Cache) -> None:
        self._read = read
        self._include_dirs = include_dirs
        self._cache = cache
        self._chain: list[str] = []
        self._texts: dict[str, str | OSError | UnicodeError] = {}
        self._opened: dict[str, Module | None] = {}
        self.modules: dict[str, Module] = {}
        self.errors: list[Diagnostic] = []

    def open(self, path: str) -> Module | None:
        """The linked file, or None where it or an include cannot be used; the errors say why."""
        if path not in self._opened:
            text = self._text(path)
            if isinstance(text, str):
                self._chain.append(path)
                self._opened[path] = self._link(path, text)
                self._chain.pop()
            else:
                self.errors.append(Diagnostic(f"the file {_why(text)}", Position(path, 0, 0)))
                self._opened[path] = None
        return self._opened[path]

    def _text(self, path: str) -> str | OSError | UnicodeError:
        if path not in self._texts:
            try:
                self._texts[path] = self._read(path)
            except (OSError, UnicodeError) as e:
                self._texts[path] = e
        return self._texts[path]

    def _link(self, path: str, text: str) -> Module | None:
        parsed = self._cache.parsed(path, text)
        self.errors += parsed.errors
        if parsed.tree is None:
            return None
        includes = [Include(_stem(i.path), self._include(parsed, i)) for i in parsed.tree.includes]
        module = self._cache.module(parsed, parsed.tree, includes)
        self.modules[path] = module
        return module

    def _include(self, parsed: Parsed, node: IncludeNode) -> Module | None:
        found = self._find(parsed.source.path, node.path)
        problem, hint = "", f"included by {' -> '.join(self._chain)}"
        if not found:
            problem = f"there is no '{node.path}' here or in an include folder"
        elif found in self._chain:
            problem = "the files include each other"
            hint = " -> ".join([*self._chain[self._chain.index(found) :], found])
        elif isinstance(text := self._text(found), (OSError, UnicodeError)):
            problem = f"'{found}' {_why(text)}"
        elif len(self._chain) >= MAX_INCLUDE_DEPTH:
            problem, hint = f"includes are nested more than {MAX_INCLUDE_DEPTH} deep", ""
        elif len(self._opened) >= MAX_FILES:
            problem, hint = f"more than {MAX_FILES} files are included", ""
        if problem:
            self.errors.append(parsed.source.diagnostic(node, problem, hint))
            return None
        return self.open(found)

    def _find(self, includer: str, path: str) -> str:
        """Beside the including file, in the include folders, and at last as written, as Kitex does first."""
        for folder in (posixpath.dirname(includer), *self._include_dirs, ""):
            candidate = posixpath.normpath(posixpath.join(folder, path))
            text = self._text(candidate)
            if not isinstance(text, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
                return candidate
        return ""


def _why(error: OSError | UnicodeError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist"
        case IsADirectoryError():
            return "is a folder"
        case PermissionError():
            return "may not be read"
        case UnicodeError():
            return "is not UTF-8 text"
    return "cannot be read"


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]


# --- One file ---------------------------------------------------------------------------

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


@frozen
class Shape:
    """A field before its default: constants of a struct type need the types of all its fields."""

    node: FieldNode
    id: int
    type: Type
    requiredness: Requiredness


class Module:
    """One linked file: what it declares, and what it sees of its includes."""

    def __init__(self, parsed: Parsed, tree: FileNode, includes: Sequence[Include]) -> None:
        self.source = parsed.source
        self.tree = tree
        self.includes = includes
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self._docs = parsed.docs
        self._hints = 0
        self._typedefs: dict[str, Type | None] = {}
        self.names: dict[str, Definition] = {}
        self.shapes: dict[TypeName, tuple[Shape, ...]] = {}
        self.services: dict[str, Service] = {}
        self.all_structs: dict[TypeName, Struct] = {}
        self.all_enums: dict[TypeName, Enum] = {}
        self.all_constants: dict[TypeName, Constant] = {}
        self.values = Values(self, Budget(10_000 + len(self.source.text)))
        self._link()

    def _link(self) -> None:
        for include in self.includes:
            if include.module:
                self.shapes |= include.module.shapes
                self.all_structs |= include.module.all_structs
                self.all_enums |= include.module.all_enums
                self.all_constants |= include.module.all_constants
        for node in self.tree.definitions:
            self._declare(node)
        for node in self._declared(EnumNode):
            self.all_enums[self.name_of(node.name)] = self._enum(node)
        for node in self._declared(TypedefNode):
            self._typedef(node, 0)
            self._annotations(node.annotations)
        for node in self._declared(StructNode):
            self.shapes[self.name_of(node.name)] = self._shapes(node)
        for node in self._declared(ConstantNode):
            self._constant(node)
        for node in self._declared(StructNode):
            self.all_structs[self.name_of(node.name)] = self._struct(node)
        for node in self._declared(ServiceNode):
            self._service(node, ())

    def name_of(self, name: Name) -> TypeName:
        return TypeName(self.source.path, name.text)

    def error(self, place: Place, message: str, hint: str = "") -> None:
        self.errors.append(self.source.diagnostic(place, message, hint))

    def warn(self, place: Place, message: str, hint: str = "") -> None:
        self.warnings.append(self.source.diagnostic(place, message, hint, Severity.WARNING))

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
        annotations = self._annotations(node.annotations)
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
        for module in self.included(stem):
            if found := module._own_type(short, chain):
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
            if chain >= MAX_TYPEDEF_CHAIN:
                self.error(node.name, f"more than {MAX_TYPEDEF_CHAIN} typedefs lead to each other")
                found: Type = _UNKNOWN
            else:
                found = self.type_of(node.type, chain + 1)
            annotations = self._annotations(node.annotations)
            if len(annotations):
                found = evolve(found, annotations=_joined(found.annotations, annotations))
            self._typedefs[name] = found
        known = self._typedefs[name]
        if known is None:
            self.error(node.name, f"the typedef '{name}' leads to itself")
            known = self._typedefs[name] = _UNKNOWN
        return known

    def included(self, stem: str) -> list[Module]:
        """The includes of that name that can be used: two folders may hold files of one name."""
        return [i.module for i in self.includes if i.stem == stem and i.module]

    def _behind_error(self, name: str) -> bool:
        """Whether the name may well be in an include that could not be used."""
        stem = name.rpartition(".")[0]
        return any(i.module is None and (stem == i.stem or stem.startswith(f"{i.stem}.")) for i in self.includes)

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
        kinds = (StructNode, EnumNode, TypedefNode)
        own = [n for n, node in self.names.items() if isinstance(node, kinds)]
        theirs = [
            f"{i.stem}.{n}"
            for i in self.includes
            if i.module
            for n, node in i.module.names.items()
            if isinstance(node, kinds)
        ]
        return [*_SCALARS, "list", "map", "set", *own, *theirs]

    def value_names(self) -> list[str]:
        constants = [n for n, node in self.names.items() if isinstance(node, ConstantNode)]
        theirs = [
            f"{i.stem}.{n}"
            for i in self.includes
            if i.module
            for n, node in i.module.names.items()
            if isinstance(node, ConstantNode)
        ]
        members = [f"{e.name.name}.{m.name}" for e in self.all_enums.values() for m in e.members]
        return [*constants, *theirs, *members]

    def did_you_mean(self, word: str, known: Sequence[str]) -> str:
        self._hints += 1
        if self._hints > MAX_HINTS:
            return ""
        near = nearest(word, known[:MAX_HINT_WORDS]) or next((k for k in known if k.rpartition(".")[2] == word), "")
        return f"did you mean '{near}'?" if near else ""

    # Enums and structs.

    def _enum(self, node: EnumNode) -> Enum:
        members: list[EnumMember] = []
        numbers: dict[int, str] = {}
        names: set[str] = set()
        number = -1
        for member in node.members:
            number = number + 1 if member.number is None else member.number.number
            name = member.name.text
            if name in names:
                self.error(member.name, f"'{name}' is declared twice in enum '{node.name.text}'")
            elif not -(2**31) <= number < 2**31:
                self.error(member.number or member.name, f"{number} does not fit an enum, which is an i32 on the wire")
            elif number in numbers:
                self.warn(member.name, f"'{name}' has the number of '{numbers[number]}', {number}")
            names.add(name)
            numbers.setdefault(number, name)
            members.append(
                EnumMember(
                    name,
                    number,
                    self._annotations(member.annotations),
                    self._docs.of(member.name.line, member.name.line),
                    self.source.position(member.name),
                )
            )
        return Enum(
            self.name_of(node.name),
            tuple(members),
            self._annotations(node.annotations),
            self._docs.of(node.start, node.name.line),
            self.source.position(node.name),
        )

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
            self._annotations(node.annotations),
            self._docs.of(node.start, node.name.line),
            self.source.position(node.name),
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
            self._annotations(node.annotations),
            self._docs.of(node.start, node.name.line),
            self.source.position(node.name),
        )

    # Constants.

    def _value(self, node: ValueNode, type_: Type) -> Value | None:
        try:
            return self.values.convert(node, type_)
        except Refusal as e:
            self.errors.append(e.diagnostic)
            return None

    def _constant(self, node: ConstantNode) -> None:
        name = self.name_of(node.name)
        try:
            value = self.values.constant(node)
        except Refusal as e:
            self.errors.append(e.diagnostic)
            return
        self.all_constants[name] = Constant(
            name,
            self.type_of(node.type),
            value,
            self._annotations(node.annotations),
            self._docs.of(node.start, node.name.line),
            self.source.position(node.name),
        )

    # Services.

    def service(self, name: str) -> Service | None:
        node = self.names.get(name)
        return self._service(node, ()) if isinstance(node, ServiceNode) else None

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
                self._annotations(node.annotations),
                self._docs.of(node.start, node.name.line),
                self.source.position(node.name),
            )
        return self.services[name]

    def _parent(self, node: ServiceNode, children: tuple[str, ...]) -> Service | None:
        assert node.extends is not None
        stem, dot, short = node.extends.text.rpartition(".")
        if dot:
            for module in self.included(stem):
                if found := module.service(short):
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
            known = [n for n, d in self.names.items() if isinstance(d, ServiceNode)]
            hint = self.did_you_mean(node.extends.text, known)
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
        arguments = self._fields(node.arguments, f"the arguments of {where}")
        throws = self._fields(node.throws, f"the exceptions of {where}")
        return Method(
            node.name.text,
            tuple(self._field(a) for a in arguments),
            self.type_of(node.result) if node.result else None,
            tuple(self._field(evolve(t, requiredness=Requiredness.OPTIONAL)) for t in throws),
            node.oneway,
            self.name_of(service.name),
            self._annotations(node.annotations),
            self._docs.of(node.start, node.name.line),
            self.source.position(node.name),
        )

    def _annotations(self, nodes: AnnotationNodes) -> Annotations:
        if not nodes:
            return _NO_ANNOTATIONS
        position = self.source.position
        return Annotations(tuple(Annotation(k.text, v.text, position(k), position(v)) for k, v in nodes))


_NO_ANNOTATIONS = Annotations()


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
