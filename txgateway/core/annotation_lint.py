"""Annotations that are misspelt, or stand where they do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from .annotations.known import HTTP_PARTS, KNOWN, SWITCHES, Place
from .descriptor import Annotation, ListType, MapType, Method, Schema, SetType, StructType, Type, TypeName
from .idl_words import nearest

# Keys of these families are ours to know; all others may belong to another tool.
_FAMILIES = ("api.", "tgw.")


def complaint(key: str, value: str, place: Place) -> tuple[str, str] | None:
    """What is odd about an annotation at this place, and a way out; None if nothing is."""
    lower = key.lower()
    places = KNOWN.get(lower)
    if places is None:
        if not lower.startswith(_FAMILIES):
            return None
        near = nearest(lower, KNOWN)
        return f"the annotation '{key}' is unknown and does nothing", f"did you mean '{near}'?" if near else ""
    if place not in places:
        homes = " or ".join(p.value for p in Place if p in places)
        return f"'{key}' does nothing on {place.value}", f"it belongs to {homes}"
    if lower in SWITCHES and value.lower() != "true":
        return f"'{key}' is switched on by any value, also by '{value}'", 'write "true", or leave it out'
    return None


def nested_in_vain(schema: Schema) -> Iterator[tuple[Annotation, str]]:
    """Sources and targets of HTTP on structs that are only ever parts of requests and responses."""
    whole = {name for service in schema.services for method in service.methods for name in _whole(method)}
    seen, waiting, parts = set(whole), list(whole), set[TypeName]()
    while waiting:
        for field in schema.structs[waiting.pop()].fields:
            names = set(_structs_in(field.type))
            # Such a struct is no part of the body: its own annotations fill it.
            (whole if "api.no_body_struct" in field.annotations else parts).update(names)
            waiting += names - seen
            seen |= names
    for name in sorted(parts - whole):
        for field in schema.structs[name].fields:
            for annotation in field.annotations:
                if annotation.key.lower() in HTTP_PARTS:
                    yield annotation, f"'{annotation.key}' does nothing in '{name}', which is only a part of others"


def _whole(method: Method) -> Iterator[TypeName]:
    """The structs that are a request, a response or an exception of the method."""
    for type_ in (*(f.type for f in (*method.arguments[:1], *method.throws)), method.result):
        if isinstance(type_, StructType):
            yield type_.name


def _structs_in(type_: Type) -> Iterator[TypeName]:
    match type_:
        case StructType(name=name):
            yield name
        case ListType(element=element) | SetType(element=element):
            yield from _structs_in(element)
        case MapType(key=key, value=value):
            yield from _structs_in(key)
            yield from _structs_in(value)
