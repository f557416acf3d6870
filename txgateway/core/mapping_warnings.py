"""What in an IDL is legal, but will hardly do what was meant: warnings for one method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .annotations import sources, targets, useless_marks, verbs, warning
from .codec.structs import inner_structs
from .descriptor import Field, Method, Schema, Struct, StructType, TypeName
from .errors import Diagnostic, Severity
from .keys import nested_key, request_keys, response_key

_COUNTS_INSIDE = ("api.none", "api.js_conv", "api.key", "api.vd", "api.no_body_struct")


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
    yield from _nested(schema, {*requests, *results})


def _nested(schema: Schema, outermost: set[TypeName]) -> Iterator[Diagnostic]:
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
            yield from _ignored_inside(struct)
            yield from _same_keys(struct.fields, lambda each: (nested_key(each),))


def _ignored_inside(struct: Struct) -> Iterator[Diagnostic]:
    for each in struct.fields:
        yield from useless_marks(each)
        for annotation in each.annotations:
            key = annotation.key.lower()
            if key in _COUNTS_INSIDE:
                continue
            if key in sources or key in targets or key in verbs:
                message = f"{annotation.key} counts only in the outermost struct; {struct.name} is inside another"
                yield warning(message, annotation)


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
