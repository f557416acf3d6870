"""Fingerprints of a service: equal for equal contracts, however and wherever their IDL is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .descriptor import (
    Annotations,
    EnumType,
    Field,
    ListType,
    MapType,
    MapValue,
    Method,
    Scalar,
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

# A description is made of tuples, texts and numbers only, so that its repr is its content.
Description = object

# What an HTTP client can notice; policies such as timeouts are no part of a contract.
_NOTICED = ("api.", "go.tag", "vt.", "agw.", "janus.", "streaming.mode", "tgw.http_code", "tgw.validate")


def wire_fingerprint(schema: Schema, service: Service) -> str:
    """Equal if both sides mean the same by every byte: ids, types, needs and defaults, and the names of methods.

    Names of types, fields and enum members do not travel, nor does the difference of string and binary.
    """
    return _Contract(schema, _WireWords(schema)).of(service)


def http_fingerprint(schema: Schema, service: Service) -> str:
    """Equal if HTTP clients cannot tell the two apart: the wire's contract, and names, routes, sources and rules."""
    return _Contract(schema, _HttpWords(schema)).of(service)


class _WireWords:
    """What counts in the wire's contract."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def scalar(self, scalar: Scalar) -> Description:
        return "string" if scalar is Scalar.BINARY else scalar.value

    def enum(self, name: TypeName) -> Description:
        return "i32"

    def struct(self, struct: Struct) -> Description:
        return struct.kind is StructKind.UNION

    def field(self, field: Field) -> Description:
        return ()

    def method(self, method: Method) -> Description:
        return ()

    def service(self, service: Service) -> Description:
        return ()


class _HttpWords(_WireWords):
    """What counts besides for a client that speaks JSON."""

    def scalar(self, scalar: Scalar) -> Description:
        return scalar.value

    def enum(self, name: TypeName) -> Description:
        return ("enum", *sorted((m.number, m.name) for m in self.schema.enums[name].members))

    def struct(self, struct: Struct) -> Description:
        # The body of a failure names its exception.
        name = struct.name.name if struct.kind is StructKind.EXCEPTION else ""
        return (struct.kind.value, name, _noticed(struct.annotations))

    def field(self, field: Field) -> Description:
        return (field.name, _noticed(field.annotations))

    def method(self, method: Method) -> Description:
        return _noticed(method.annotations)

    def service(self, service: Service) -> Description:
        return (service.name.name, _noticed(service.annotations))


def _noticed(annotations: Annotations) -> Description:
    """Values of one key keep their order; keys have none."""
    pairs = [(a.key.lower(), a.value) for a in annotations if a.key.lower().startswith(_NOTICED)]
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


class _Contract:
    """Describes a service with its types by their content.

    Types may be recursive, so a struct is described in rounds: first by its kind, then by its
    fields with the digests of the round before, until a round tells no more structs apart. Equal
    contracts go through equal rounds, so the outcome depends on nothing else.
    """

    def __init__(self, schema: Schema, words: _WireWords) -> None:
        self._schema = schema
        self._words = words
        self._digests: dict[TypeName, str] = {}

    def of(self, service: Service) -> str:
        structs = [self._schema.structs[name] for name in self._reached(service)]
        self._digests = {s.name: _digest(self._words.struct(s)) for s in structs}
        told = 0
        while len(set(self._digests.values())) > told:
            told = len(set(self._digests.values()))
            self._digests = {s.name: _digest((self._words.struct(s), self._fields(s.fields))) for s in structs}
        methods = sorted((self._method(m) for m in service.methods), key=repr)
        return _digest((self._words.service(service), *methods))

    def _reached(self, service: Service) -> set[TypeName]:
        waiting = [t for m in service.methods for t in _types_of(m)]
        reached: set[TypeName] = set()
        while waiting:
            match waiting.pop():
                case StructType(name=name) if name not in reached:
                    reached.add(name)
                    waiting += [f.type for f in self._schema.structs[name].fields]
                case ListType(element=element) | SetType(element=element):
                    waiting.append(element)
                case MapType(key=key, value=value):
                    waiting += [key, value]
        return reached

    def _method(self, method: Method) -> Description:
        result = self._type(method.result) if method.result else "void"
        fields = self._fields(method.arguments), self._fields(method.throws)
        return (method.name, method.oneway, result, *fields, self._words.method(method))

    def _fields(self, fields: Iterable[Field]) -> Description:
        return tuple(self._field(f) for f in sorted(fields, key=lambda f: f.id))

    def _field(self, field: Field) -> Description:
        default = None if field.default is None else self._value(field.default)
        return (field.id, field.requiredness.value, self._type(field.type), default, self._words.field(field))

    def _type(self, type_: Type) -> Description:
        match type_:
            case ScalarType(scalar=scalar):
                return self._words.scalar(scalar)
            case EnumType(name=name):
                return self._words.enum(name)
            case StructType(name=name):
                return ("struct", self._digests[name])
            case ListType(element=element):
                return ("list", self._type(element))
            case SetType(element=element):
                return ("set", self._type(element))
            case MapType(key=key, value=value):
                return ("map", self._type(key), self._type(value))

    def _value(self, value: Value) -> Description:
        match value:
            case tuple():
                return tuple(self._value(v) for v in value)
            case MapValue(entries=entries):
                return ("map", *((self._value(k), self._value(v)) for k, v in entries))
            case StructValue(type=name, fields=fields):
                ids = {f.name: f.id for f in self._schema.structs[name].fields}
                return ("struct", *sorted(((ids[n], self._value(v)) for n, v in fields), key=lambda pair: pair[0]))
        return value


def _types_of(method: Method) -> list[Type]:
    result = [method.result] if method.result else []
    return [*result, *(f.type for f in (*method.arguments, *method.throws))]


def _digest(description: Description) -> str:
    return hashlib.sha256(repr(description).encode()).hexdigest()[:32]
