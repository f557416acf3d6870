"""Validate: walk a request struct and hold its ``api.vd`` rules against what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import field, frozen

from .descriptor import Annotation, Field, ListType, MapType, Schema, SetType, Struct, StructType, Type, TypeName
from .errors import Diagnostic, IdlError
from .expression import Access, Getter, RuleError, parse
from .expression.shapes import Shapes
from .expression.tree import Rule
from .expression.walk import Draft, Reached, ReachedField, Walk
from .rule_position import Lines, no_lines, place_in_value

ANNOTATION = "api.vd"
# The walk has a loop for each, and Python no more than twenty loops in one another.
_LEVELS = 16

__all__ = ["ANNOTATION", "Access", "Failure", "Getter", "Validator", "compile_validator", "in_turn", "joined"]


@frozen
class Failure:
    """A rule that a request does not meet.

    :ivar path: the field, in the IDL's spelling, from the request struct down: ``O.Li[0].X``.
    :ivar message: for whoever sent the request.
    :ivar rule: the rule's text.
    """

    path: str
    message: str
    rule: str


@frozen
class Validator:
    """The rules of one request struct.

    :ivar first: the first failure of a request struct's object, or None. Calling the validator does the same.
    :ivar all: every failure, in the order of the walk; a hundred at most.
    """

    first: Callable[[Any], Failure | None]
    all: Callable[[Any], tuple[Failure, ...]]
    # The generated code, for the curious.
    source: str = field(repr=False, default="")

    def __call__(self, value: Any) -> Failure | None:
        return self.first(value)


def compile_validator(
    schema: Schema, root: TypeName | Struct, access: Access, *, lines: Lines = no_lines
) -> Validator | None:
    """The validator of this struct and all that it holds; None if no check can be reached.

    Every reachable rule is read; an IdlError carries all that are wrong.

    :param access: gives for a field the function from its struct's object to its value, None if unset.
    :param lines: gives a line of an IDL file, to be shown with a mistake.
    """
    struct = root if isinstance(root, Struct) else schema.structs[root]
    structs = reached(schema, struct, lines)
    walk = Walk(struct.name, structs, Shapes(schema, access))
    if not walk.has_checks:
        return None
    first, source = walk.compile(collect=False)
    return Validator(_first(first), _all(walk), source)


def in_turn(*validators: Validator | None) -> Validator | None:
    """The validators as one, each asked when those before it have found nothing; ``all`` asks each."""
    present = [validator for validator in validators if validator is not None]
    if len(present) < 2:
        return present[0] if present else None

    def first(value: Any) -> Failure | None:
        for validator in present:
            failure = validator.first(value)
            if failure is not None:
                return failure
        return None

    return Validator(first, lambda value: tuple(failure for each in present for failure in each.all(value)))


def joined(failures: Iterable[Failure]) -> str:
    """The messages of all failures as one text, as the reference joins them."""
    return "\t".join(failure.message for failure in failures)


def _first(walk: Callable[[Any], Draft | None]) -> Callable[[Any], Failure | None]:
    def first(value: Any) -> Failure | None:
        draft = walk(value)
        return None if draft is None else _finished(draft)

    return first


def _all(walk: Walk) -> Callable[[Any], tuple[Failure, ...]]:
    """Compiled when it is first asked for: most gateways never do."""
    compiled: Callable[[Any], list[Draft]] | None = None

    def every(value: Any) -> tuple[Failure, ...]:
        nonlocal compiled
        if compiled is None:
            compiled, _ = walk.compile(collect=True)
        return tuple(map(_finished, compiled(value)))

    return every


def _finished(draft: Draft) -> Failure:
    path = printable(draft.path)
    return Failure(path, printable(draft.message) or f"invalid parameter: {path}", draft.rule)


def printable(text: str) -> str:
    """Without what no UTF-8 can say: keys and texts of a request may hold any bytes."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def reached(schema: Schema, root: Struct, lines: Lines = no_lines) -> dict[TypeName, Reached]:
    """The struct and those below it, breadth first, with their rules read; raises IdlError."""
    found: dict[TypeName, Reached] = {}
    diagnostics: list[Diagnostic] = []
    waiting = [root]
    for struct in waiting:
        if struct.name in found:
            continue
        fields = [ReachedField(each, _rule(struct, each, lines, diagnostics)) for each in struct.fields]
        diagnostics += [_too_nested(struct, each, lines) for each in struct.fields if _levels(each.type) > _LEVELS]
        found[struct.name] = Reached(struct, tuple(fields))
        for each in fields:
            if not each.rule.ignored:
                waiting += [schema.structs[name] for name in structs_in(each.field.type)]
    if diagnostics:
        raise IdlError(tuple(diagnostics))
    return found


def _rule(struct: Struct, each: Field, lines: Lines, diagnostics: list[Diagnostic]) -> Rule:
    annotation = each.annotations.first(ANNOTATION)
    if annotation is not None:
        try:
            return parse(annotation.value)
        except RuleError as error:
            rule = as_written_for_go(annotation.value)
            if rule is not None:
                return rule
            diagnostics.append(diagnostic(struct, each, annotation, error, lines))
    return Rule("")


def as_written_for_go(text: str) -> Rule | None:
    r"""The rule that hz makes of a text which is none here, or None.

    hz puts the text into a Go struct tag, which takes one backslash away: whoever wrote
    for it doubled the one that escapes a quote, ``'it\\'s'`` for ``it's``.
    """
    try:
        return parse(text.replace("\\\\'", "\\'")) if "\\\\'" in text else None
    except RuleError:
        return None


def diagnostic(struct: Struct, each: Field, annotation: Annotation, error: RuleError, lines: Lines) -> Diagnostic:
    """A refused rule, at its place in the IDL file."""
    position = place_in_value(annotation, error.offset, lines)
    return Diagnostic(
        f"the rule of {struct.name}.{each.name}: {error.message}",
        position,
        source=lines(position.file, position.line),
        hint=error.hint,
    )


def _levels(type: Type) -> int:
    """How many containers stand in one another."""
    match type:
        case ListType(element=element) | SetType(element=element):
            return 1 + _levels(element)
        case MapType(key=key, value=value):
            return 1 + max(_levels(key), _levels(value))
    return 0


def _too_nested(struct: Struct, each: Field, lines: Lines) -> Diagnostic:
    message = f"the type of {struct.name}.{each.name} has more than {_LEVELS} containers in one another"
    return Diagnostic(message, each.position, source=lines(each.position.file, each.position.line))


def structs_in(type: Type) -> Iterator[TypeName]:
    """The structs that a type names, itself or in its parts."""
    match type:
        case StructType(name=name):
            yield name
        case ListType(element=element) | SetType(element=element):
            yield from structs_in(element)
        case MapType(key=key, value=value):
            yield from structs_in(key)
            yield from structs_in(value)
