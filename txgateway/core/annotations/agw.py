"""``agw.*`` and ``janus.*``: the old names, rewritten to today's before anything else looks at an IDL.

They tell request (``source``) and response (``target``) apart, where today one name
serves both; so those that would mean something in the other direction too get keys of
their own here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from attrs import evolve

from ..descriptor import (
    Annotation,
    Annotations,
    Field,
    ListType,
    MapType,
    Schema,
    SetType,
    Struct,
    StructType,
    Type,
    TypeName,
)
from . import sources, targets
from .body_dynamic import BODY_DYNAMIC
from .cookie import Cookie, SetCookie
from .header import RequestHeader, ResponseHeader
from .js_conv import JS_CONV
from .no_body_struct import NO_BODY_STRUCT
from .none import NONE
from .raw_body import RawBody

sources.register("agw.source.header")(RequestHeader)
sources.register("agw.source.cookie")(Cookie)
sources.register("agw.source.raw_body")(RawBody)
targets.register("agw.target.header")(ResponseHeader)
targets.register("agw.target.cookie")(SetCookie)

_SOURCES = {
    "query": "api.query",
    "header": "agw.source.header",
    "cookie": "agw.source.cookie",
    "path": "api.path",
    "post": "api.form",
    "body": "api.body",
    "raw_uri": "api.raw_uri",
    "raw_body": "agw.source.raw_body",
    "not_body_struct": NO_BODY_STRUCT,
}
_TARGETS = {
    "header": "agw.target.header",
    "cookie": "agw.target.cookie",
    "http_code": "api.http_code",
    "body": "api.body",
    "ignore": NONE,
}
_MARKS = {"agw.js_conv": JS_CONV, "agw.body_dynamic": BODY_DYNAMIC}
# Where one of these gives the key, no case conversion does.
_KEYS = ("api.body", "api.key", "go.tag")

Convert = Callable[[str], str]


def modernise(schema: Schema) -> Schema:
    """The schema with the old names rewritten; a key that a case conversion gives is written as ``api.key``."""
    conversions = _conversions(schema)
    structs = {name: _struct(struct, conversions.get(name)) for name, struct in schema.structs.items()}
    return evolve(schema, structs=structs)


def _struct(struct: Struct, outer: Convert | None) -> Struct:
    convert = _conversion(struct.annotations) or outer
    return evolve(struct, fields=tuple(_field(field, convert) for field in struct.fields))


def _field(field: Field, outer: Convert | None) -> Field:
    convert = _conversion(field.annotations) or outer
    named = field.annotations.first("agw.key") or field.annotations.first("janus.key")
    key = named.value if named else convert(field.name) if convert else field.name
    rewritten = [new for old in field.annotations for new in _rewritten(old, key)]
    if convert and not any(annotation.key.lower() in _KEYS for annotation in rewritten):
        rewritten.append(Annotation("api.key", key, field.position))
    return evolve(field, annotations=Annotations(tuple(rewritten)))


def _rewritten(old: Annotation, key: str) -> Iterator[Annotation]:
    """Today's annotation for an old one; any other stays."""
    name = re.sub(r"^janus\.", "agw.", old.key.lower())
    if name in ("agw.source", "agw.target"):
        new = (_SOURCES if name == "agw.source" else _TARGETS).get(old.value)
        if new is not None:
            yield evolve(old, key=new, value="true" if new in (NONE, NO_BODY_STRUCT, "api.http_code") else key)
    elif name == "agw.key":
        yield evolve(old, key="api.key")
    elif name in _MARKS:
        yield evolve(old, key=_MARKS[name], value="true")
    else:
        yield old


def _conversion(annotations: Annotations) -> Convert | None:
    if "agw.to_snake" in annotations:
        return to_snake
    return to_lower_camel_case if "agw.to_lower_camel_case" in annotations else None


def _conversions(schema: Schema) -> dict[TypeName, Convert]:
    """What a method, or else its service, says of the structs that it carries."""
    found: dict[TypeName, Convert] = {}
    for service in schema.services:
        for method in service.methods:
            convert = _conversion(method.annotations) or _conversion(service.annotations)
            if convert:
                types = [*(field.type for field in (*method.arguments, *method.throws)), method.result]
                for name in _reachable(schema, [each for each in types if each is not None]):
                    found.setdefault(name, convert)
    return found


def _reachable(schema: Schema, line: list[Type]) -> set[TypeName]:
    seen: set[TypeName] = set()
    while line:
        match line.pop():
            case StructType(name) if name not in seen:
                seen.add(name)
                line += [field.type for field in schema.structs[name].fields]
            case ListType(element) | SetType(element):
                line.append(element)
            case MapType(key, value):
                line += [key, value]
    return seen


def to_snake(name: str) -> str:
    """``someName`` and ``SomeHTTPName`` to ``some_name`` and ``some_http_name``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def to_lower_camel_case(name: str) -> str:
    """``some_name`` to ``someName``."""
    first, *rest = [part for part in name.split("_") if part] or [name]
    return first[:1].lower() + first[1:] + "".join(part[:1].upper() + part[1:] for part in rest)
