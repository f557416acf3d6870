"""Descriptors to IDL text: what the linker reads back as the same descriptors."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import TypeVar

from .descriptor import (
    Annotations,
    Constant,
    Enum,
    EnumType,
    Field,
    ListType,
    MapType,
    MapValue,
    Method,
    Requiredness,
    ScalarType,
    Schema,
    Service,
    SetType,
    Struct,
    StructKind,
    StructType,
    StructValue,
    Type,
    TypeName,
    Value,
)
from .idl import unescape

D = TypeVar("D", Enum, Struct, Constant, Service)


def print_schema(schema: Schema) -> dict[str, str]:
    """The text of every file of the schema, by its path; typedefs are written out, their names are gone.

    :raises ValueError: if one file would need two includes of one name, or a text that no literal can hold.
    """
    return {path: _File(schema, path).text() for path in schema.files}


class _File:
    """Prints one file and notes which others it speaks of."""

    def __init__(self, schema: Schema, path: str) -> None:
        self._schema = schema
        self._path = path
        self._used: set[TypeName] = set()

    def text(self) -> str:
        # Which includes there are is known when everything else is printed.
        definitions = ["\n".join(lines) for lines in self._definitions()]
        head = ["\n".join(lines) for lines in (self._namespaces(), self._includes())]
        return "\n\n".join(part for part in (*head, *definitions) if part) + "\n"

    def _namespaces(self) -> Iterator[str]:
        for scope, name in self._schema.namespaces if self._path == self._schema.file else ():
            yield f"namespace {scope} {name if re.fullmatch(r'[A-Za-z_][A-Za-z0-9_.-]*', name) else _literal(name)}"

    def _includes(self) -> Iterator[str]:
        """The files that are spoken of; the root includes all of its schema."""
        spoken = {name.file for name in self._used}
        others = set(self._schema.files) if self._path == self._schema.file else set()
        order = [*sorted(spoken), *sorted(others - spoken - {self._path})]
        self._check(order)
        for file in order:
            yield f"include {_literal(_relative(file, posixpath.dirname(self._path)))}"

    def _check(self, order: list[str]) -> None:
        declared = {*self._schema.structs, *self._schema.enums}
        for name in self._used:
            for file in order[: order.index(name.file)]:
                if _stem(file) == _stem(name.file) and TypeName(file, name.name) in declared:
                    raise ValueError(f"{self._path}: '{_stem(file)}.{name.name}' would mean two types")

    def _definitions(self) -> Iterator[list[str]]:
        schema = self._schema
        for enum in self._here(schema.enums.values()):
            yield self._enum(enum)
        for struct in self._here(schema.structs.values()):
            yield self._struct(struct)
        for constant in self._here(schema.constants.values()):
            yield self._constant(constant)
        for service in self._here(_services(schema)):
            yield self._service(service)

    def _here(self, declarations: Iterable[D]) -> list[D]:
        return [d for d in declarations if d.name.file == self._path]

    # Declarations, as lines.

    def _enum(self, enum: Enum) -> list[str]:
        members = (
            line for m in enum.members for line in (*_doc(m.doc), f"{m.name} = {m.number}{_annotations(m.annotations)}")
        )
        return [*_doc(enum.doc), f"enum {enum.name} {{", *_indented(members), f"}}{_annotations(enum.annotations)}"]

    def _struct(self, struct: Struct) -> list[str]:
        need = Requiredness.OPTIONAL if struct.kind is StructKind.UNION else Requiredness.DEFAULT
        fields = (line for f in struct.fields for line in (*_doc(f.doc), self._field(f, need)))
        head = f"{struct.kind.value} {struct.name} {{"
        return [*_doc(struct.doc), head, *_indented(fields), f"}}{_annotations(struct.annotations)}"]

    def _constant(self, constant: Constant) -> list[str]:
        type_, value = self._type(constant.type), _value(constant.value)
        return [*_doc(constant.doc), f"const {type_} {constant.name} = {value}{_annotations(constant.annotations)}"]

    def _service(self, service: Service) -> list[str]:
        extends = f" extends {self._name(service.extends)}" if service.extends else ""
        own = [m for m in service.methods if m.declared_in == service.name]
        methods = (line for m in own for line in (*_doc(m.doc), self._method(m)))
        head = f"service {service.name}{extends} {{"
        return [*_doc(service.doc), head, *_indented(methods), f"}}{_annotations(service.annotations)}"]

    def _method(self, method: Method) -> str:
        oneway = "oneway " if method.oneway else ""
        result = self._type(method.result) if method.result else "void"
        arguments = ", ".join(self._field(f, Requiredness.DEFAULT) for f in method.arguments)
        throws = ", ".join(self._field(f, Requiredness.OPTIONAL) for f in method.throws)
        behind = (f" throws ({throws})" if throws else "") + _annotations(method.annotations)
        return f"{oneway}{result} {method.name}({arguments}){behind}"

    def _field(self, field: Field, implied: Requiredness) -> str:
        need = "" if field.requiredness is implied else f"{field.requiredness.value} "
        default = "" if field.default is None else f" = {_value(field.default)}"
        return f"{field.id}: {need}{self._type(field.type)} {field.name}{default}{_annotations(field.annotations)}"

    def _type(self, type_: Type) -> str:
        return f"{self._bare_type(type_)}{_annotations(type_.annotations)}"

    def _bare_type(self, type_: Type) -> str:
        match type_:
            case ScalarType(scalar=scalar):
                return scalar.value
            case EnumType(name=name) | StructType(name=name):
                return self._name(name)
            case ListType(element=element):
                return f"list<{self._type(element)}>"
            case SetType(element=element):
                return f"set<{self._type(element)}>"
            case MapType(key=key, value=value):
                return f"map<{self._type(key)}, {self._type(value)}>"

    def _name(self, name: TypeName) -> str:
        if name.file == self._path:
            return name.name
        self._used.add(name)
        return f"{_stem(name.file)}.{name.name}"


def _services(schema: Schema) -> Iterator[Service]:
    """The services, behind the parents that other files declare: of those a schema holds but the methods."""
    parents: dict[TypeName, TypeName | None] = {}
    methods: dict[TypeName, dict[str, Method]] = {}
    # A child has its parent's methods in their order, less those that it declares itself.
    orders: dict[TypeName, TopologicalSorter[str]] = {}
    for service in schema.services:
        before: TypeName | None = None
        for name in _ancestors(service):
            found = {m.name: m for m in service.methods if m.declared_in == name}
            methods[name] = found | methods.get(name, {})
            order = orders.setdefault(name, TopologicalSorter())
            for method in found:
                order.add(method)
            for previous, following in pairwise(found):
                order.add(following, previous)
            parents[name] = parents.get(name) or before
            before = name
    own = {s.name for s in schema.services}
    for name, extends in parents.items():
        if name not in own:
            yield Service(name, tuple(methods[name][each] for each in orders[name].static_order()), extends)
    yield from schema.services


def _ancestors(service: Service) -> list[TypeName]:
    """The parents that can be told, the eldest first."""
    names = dict.fromkeys(m.declared_in for m in service.methods if m.declared_in != service.name)
    if service.extends:
        names.setdefault(service.extends)
    return list(names)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _doc(doc: str) -> list[str]:
    return [f"// {line}".rstrip() for line in doc.split("\n")] if doc else []


def _annotations(annotations: Annotations) -> str:
    pairs = ", ".join(f"{a.key} = {_literal(a.value)}" for a in annotations)
    return f" ({pairs})" if pairs else ""


def _value(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if math.isinf(value):
            # No number is infinite in an IDL, but one that is too large for a double is read as such.
            return "1e999" if value > 0 else "-1e999"
        case int() | float():
            return repr(value)
        case str():
            return _literal(value)
        case bytes():
            return _literal(value.decode("utf-8"))
        case tuple():
            return f"[{', '.join(map(_value, value))}]"
        case MapValue(entries=entries):
            return "{" + ", ".join(f"{_value(k)}: {_value(v)}" for k, v in entries) + "}"
        case StructValue(fields=fields):
            return "{" + ", ".join(f"{_literal(k)}: {_value(v)}" for k, v in fields) + "}"


_LITERAL = {'"': re.compile(r'"(?:\\["\']|[^"])*+"'), "'": re.compile(r"'(?:\\[\"']|[^'])*+'")}


def _literal(text: str) -> str:
    """The text as a literal; which quote serves depends on the backslashes before the quotes in it."""
    for quote, form in _LITERAL.items():
        literal = quote + re.sub(rf"\\\\|{quote}", lambda m: m[0] if len(m[0]) == 2 else f"\\{m[0]}", text) + quote
        if form.fullmatch(literal) and unescape(literal) == text:
            return literal
    raise ValueError(f"no literal of an IDL can hold {text!r}")


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]


def _relative(path: str, folder: str) -> str:
    """``path`` as seen from ``folder``, both as seen from one place."""
    here, there = [p for p in folder.split("/") if p], [p for p in path.split("/") if p]
    common = 0
    while common < len(here) and common < len(there) - 1 and here[common] == there[common]:
        common += 1
    return "/".join([".."] * (len(here) - common) + there[common:])
