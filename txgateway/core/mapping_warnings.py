"""What in an IDL is legal, but will hardly do what was meant: warnings for one method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .annotations import marked, sources, targets, useless_marks, verbs, warning
from .annotations.no_body_struct import NO_BODY_STRUCT
from .codec.structs import inner_structs
from .descriptor import Field, Method, Schema, Struct, StructType, TypeName
from .errors import Diagnostic, Severity
from .keys import nested_key, request_keys, response_key

_COUNTS_INSIDE = ("api.none", "api.js_conv", "api.key", "api.vd", NO_BODY_STRUCT)


def method_warnings(schema: Schema, method: Method) -> Iterator[Diagnostic]:
    """Every warning about the method, its request and its result."""
    if len(method.arguments) > 1:
        message = f"{method.name} has {len(method.arguments)} arguments; only {method.arguments[0].name} is sent"
        yield Diagnostic(message, method.position, Severity.WARNING)
    requests = [each.type.name for each in method.arguments[:1] if isinstance(each.type, StructType)]
    results = [each.name for each in (method.result, *(t.type for t in method.throws)) if isinstance(each, StructType)]
    for name in requests:
        yield from _same_keys(schema.structs[name].fields, request_keys)
    for name in results:
        yield from _same_keys(schema.structs[name].fields, lambda each: (response_key(each),))
        yield from _useless_targets(schema.structs[name])
    yield from _nested(schema, {*requests, *results}, _filled_by_sources(schema, requests))


def _filled_by_sources(schema: Schema, requests: list[TypeName]) -> set[TypeName]:
    """The structs inside a request whose fields have sources that count."""
    found: set[TypeName] = set()
    line = list(requests)
    while line:
        for each in schema.structs[line.pop()].fields:
            if marked(each, NO_BODY_STRUCT) and isinstance(each.type, StructType) and each.type.name not in found:
                found.add(each.type.name)
                line.append(each.type.name)
    return found


def _nested(schema: Schema, outermost: set[TypeName], filled: set[TypeName]) -> Iterator[Diagnostic]:
    for name in outermost:
        for each in schema.structs[name].fields:
            yield from useless_marks(each)
    seen: set[TypeName] = set()
    line = [inner for name in outermost for each in schema.structs[name].fields for inner in inner_structs(each.type)]
    while line:
        name = line.pop()
        if name in seen:
            continue
        seen.add(name)
        struct = schema.structs[name]
        line += [inner for each in struct.fields for inner in inner_structs(each.type)]
        if name not in outermost:
            yield from _ignored_inside(struct, name in filled)
            yield from _same_keys(struct.fields, lambda each: (nested_key(each),))


def _ignored_inside(struct: Struct, filled: bool) -> Iterator[Diagnostic]:
    for each in struct.fields:
        yield from useless_marks(each)
        for annotation in each.annotations:
            key = annotation.key.lower()
            if key in _COUNTS_INSIDE:
                continue
            is_source = key in sources and not sources[key].of_body
            if filled and is_source:
                continue
            if key in sources or key in targets or key in verbs:
                message = f"{annotation.key} counts only in the outermost struct; {struct.name} is inside another"
                hint = f"{NO_BODY_STRUCT} on the field that holds {struct.name} makes it count" if is_source else ""
                yield warning(message, annotation, hint)


def _same_keys(fields: Iterable[Field], keys_of: Callable[[Field], Iterable[str | None]]) -> Iterator[Diagnostic]:
    owners: dict[str, Field] = {}
    for each in fields:
        for key in keys_of(each):
            if key is not None and owners.setdefault(key, each) is not each:
                message = f"{each.name} and {owners[key].name} share the JSON key {key!r}"
                yield Diagnostic(message, each.position, Severity.WARNING)


def _useless_targets(struct: Struct) -> Iterator[Diagnostic]:
    for each in struct.fields:
        for annotation in each.annotations:
            if annotation.key.lower() in targets:
                try:
                    targets[annotation.key.lower()](annotation.value or each.name, each.type, lambda value: b"")
                except ValueError as error:
                    yield warning(f"{annotation.key} is passed over: {error}", annotation)
