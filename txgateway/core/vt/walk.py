"""The walk of ``vt``: a struct's fields in their order, and the structs that they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from attrs import define, field

from ..descriptor import (
    Annotation,
    Annotations,
    EnumType,
    Field,
    Requiredness,
    ScalarType,
    Schema,
    Struct,
    StructType,
    TypeName,
)
from ..errors import Diagnostic, IdlError
from ..expression import Access, RuleError
from ..expression.shapes import FieldShape, Shapes
from ..expression.walk import MOST
from ..go_names import go_name
from ..rule_position import Lines, no_lines, place_in_value
from ..validation import Failure, Validator, printable, structs_in
from .rules import Check, Finding, RuleBuilder, UnknownKey, Written, reader_of
from .sources import BOOLEAN, Sources

# How the names of these rules begin.
PREFIX = "vt."


def compile_validator(
    schema: Schema, root: TypeName, access: Access, now: Callable[[], int], *, lines: Lines = no_lines
) -> Validator | None:
    """The ``vt`` rules of this struct and of those that it enters; None if there are none.

    :param access: gives for a field the function from its struct's object to its value, None if unset.
    :param now: gives the time in nanoseconds since 1970, for ``@now_unix_nano()``.
    :param lines: gives a line of an IDL file, to be shown with a mistake.
    :raises IdlError: with every rule that is wrong, in any struct that can be reached.
    """
    walk = _Walk(schema, access, now, lines)
    walk.add(schema.structs[root])
    if walk.diagnostics:
        raise IdlError(tuple(walk.diagnostics))
    return _validator(walk.findings, root) if root in walk.live() else None


def _validator(findings: Callable[[TypeName, Any], Iterator[Finding]], root: TypeName) -> Validator:
    def failures(value: Any) -> Iterator[Failure]:
        if value is None:
            return
        try:
            for finding in findings(root, value):
                yield Failure(printable(finding.path), printable(finding.message), finding.rule)
        except RecursionError:
            yield Failure("", "the request is nested too deeply", "")

    return Validator(lambda value: next(failures(value), None), lambda value: tuple(islice(failures(value), MOST)))


@define
class _StructRules:
    """What to check of a struct's object, and which other structs that may lead into."""

    has_rules: bool = False
    checks: list[Check] = field(factory=list)
    entered: set[TypeName] = field(factory=set)


class _Walk:
    """The rules of every struct that can be reached."""

    def __init__(self, schema: Schema, access: Access, now: Callable[[], int], lines: Lines) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._schema = schema
        self._shapes = Shapes(schema, access)
        self._now = now
        self._lines = lines
        self._structs: dict[TypeName, _StructRules] = {}
        self._live: set[TypeName] = set()

    def findings(self, name: TypeName, value: Any) -> Iterator[Finding]:
        """What is wrong with a struct's object, in the order of the walk."""
        if name in self._live:
            for check in self._structs[name].checks:
                yield from check(value, value)

    def live(self) -> set[TypeName]:
        """The structs that have rules, or enter others that have: the rest is not walked."""
        self._live = {name for name, rules in self._structs.items() if rules.has_rules}
        size = -1
        while size != (size := len(self._live)):
            self._live |= {name for name, rules in self._structs.items() if rules.entered & self._live}
        return self._live

    def add(self, root: Struct) -> None:
        """Read the rules of the struct and of all below it."""
        waiting = [root]
        for struct in waiting:
            if struct.name not in self._structs:
                self._structs[struct.name] = self._read(struct)
                waiting += [self._schema.structs[name] for each in struct.fields for name in structs_in(each.type)]

    def _read(self, struct: Struct) -> _StructRules:
        rules = _StructRules()
        shape = self._shapes.struct(struct)

        def nested(name: TypeName) -> Check:
            rules.entered.add(name)
            return lambda _, value: self.findings(name, value)

        def refuse(annotation: Annotation, error: Exception) -> None:
            self._refuse(struct, where, annotation, error)

        sources = Sources(shape, self._now)
        builder = RuleBuilder(self._schema, self._shapes, sources, nested, refuse)
        for declared, found in zip(struct.fields, shape.fields, strict=True):
            where = f"{struct.name}.{declared.name}"
            written = written_rules(declared.annotations)
            rules.has_rules = rules.has_rules or bool(written)
            if written or isinstance(declared.type, StructType):
                rules.checks.append(_field_check(declared, found, builder, written))
        where = str(struct.name)
        for each in written_rules(struct.annotations):
            try:
                rules.checks.append(_assertion(each, sources))
                rules.has_rules = True
            except (RuleError, UnknownKey) as error:
                refuse(each.annotation, error)
        return rules

    def _refuse(self, struct: Struct, where: str, annotation: Annotation, error: Exception) -> None:
        if isinstance(error, RuleError):
            position = place_in_value(annotation, error.offset, self._lines)
        else:
            position = annotation.position
        self.diagnostics.append(
            Diagnostic(
                f"the rule {annotation.key} of {where}: {error}",
                position,
                source=self._lines(position.file, position.line),
                hint=getattr(error, "hint", ""),
            )
        )


def written_rules(annotations: Annotations) -> list[Written]:
    """The rules among the annotations of a field or a struct."""
    return [Written(each.key.removeprefix(PREFIX), each) for each in annotations if each.key.startswith(PREFIX)]


def _field_check(declared: Field, found: FieldShape, builder: RuleBuilder, written: list[Written]) -> Check:
    # As in thriftgo, an optional scalar with a default is never unset.
    optional = declared.requiredness is Requiredness.OPTIONAL and declared.default is None
    nullable = optional and isinstance(declared.type, ScalarType | EnumType)
    check = builder.value_check(declared.type, go_name(declared.name), written, nullable)
    read = reader_of(declared.type, found.shape)

    def field_check(struct: Any, _: Any) -> Iterator[Finding]:
        raw = found.raw(struct)
        for finding in check(struct, read(declared.default if raw is None and not optional else raw)):
            yield Finding(declared.name + finding.path, finding.message, finding.rule)

    return field_check


def _assertion(written: Written, sources: Sources) -> Check:
    if written.key != "assert":
        raise UnknownKey("a whole struct", written.key)
    source = sources.find(written.annotation.value)
    if source is None or source.kind != BOOLEAN:
        raise RuleError("an assertion is a function that gives a boolean", 0, "such as @equal($a, $b)")

    def assertion(struct: Any, _: Any) -> Iterator[Finding]:
        if not source.read(struct):
            yield Finding("", "struct assertion failed", str(written))

    return assertion
