"""The rules themselves, type by type: annotations to checks of one value."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from ..descriptor import (
    Annotation,
    Enum,
    EnumType,
    ListType,
    MapType,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    StructType,
    Type,
    TypeName,
)
from ..expression import RuleError
from ..expression.pattern import PatternError, compile_pattern, foreign_pattern_found
from ..expression.shapes import BINARY, Composite, Shape, Shapes, utf8
from ..expression.walk import key_text
from ..idl_words import nearest
from .printing import Printer, enum_text, scalar_text
from .sources import (
    BOOLEAN,
    OCTETS,
    TEXT,
    Source,
    Sources,
    boolean,
    container,
    double_number,
    go_literal,
    literal,
    whole_number,
    wrapped,
)


@frozen
class Finding:
    """A rule that is not met: where below the value, what to say, and the rule as written."""

    path: str
    message: str
    rule: str


# From a struct's object and the value of one of its fields, or of an element, to what is wrong with it.
Check = Callable[[Any, Any], Iterator[Finding]]


@frozen
class Written:
    """An annotation, and what of its key is still to be looked at: ``elem.gt`` of ``vt.elem.gt``."""

    key: str
    annotation: Annotation

    def __str__(self) -> str:
        return f'{self.annotation.key} = "{self.annotation.value}"'


# Each with the comparison that makes it fail: a NaN passes whatever does not compare.
_NUMERIC = {
    "const": ("not match const value", operator.ne),
    "lt": ("lt rule failed", operator.ge),
    "le": ("le rule failed", operator.gt),
    "gt": ("gt rule failed", operator.le),
    "ge": ("ge rule failed", operator.lt),
}
_SIZES = {
    "min_size": ("min_len rule failed", "bytes", operator.lt),
    "max_size": ("max_len rule failed", "bytes", operator.gt),
    "min_rune_size": ("min_rune_size rule failed", "runes", operator.lt),
    "max_rune_size": ("max_rune_size rule failed", "runes", operator.gt),
}
_TEXTS: dict[str, tuple[str, Callable[[bytes, bytes], bool]]] = {
    "const": ("not match const value", lambda value, wanted: value == wanted),
    "prefix": ("prefix rule failed", bytes.startswith),
    "suffix": ("suffix rule failed", bytes.endswith),
    "contains": ("contains rule failed", operator.contains),
    "not_contains": ("not_contains rule failed", lambda value, wanted: wanted not in value),
}
# Of these all annotations of a field are one rule.
SETS = {"in": True, "not_in": False}
_BITS = {Scalar.I8: 8, Scalar.I16: 16, Scalar.I32: 32, Scalar.I64: 64}
_LIST_SIZES = {"min_size": ("MinLen rule failed", operator.lt), "max_size": ("MaxLen rule failed", operator.gt)}
_MAP_SIZES = {"min_size": ("min_size rule failed", operator.lt), "max_size": ("max_size rule failed", operator.gt)}

_KEYS = {
    "a number": (*_NUMERIC, *SETS, "not_nil"),
    "a text": (*_SIZES, *_TEXTS, "pattern", *SETS, "not_nil"),
    "a boolean": ("const", "not_nil"),
    "an enum": ("const", *SETS, "defined_only", "not_nil"),
    "a list": (*_LIST_SIZES, "elem"),
    "a map": (*_MAP_SIZES, "no_sparse", "key", "value"),
    "a struct": ("skip", "not_nil"),
    "a whole struct": ("assert",),
}
# Keys that lead to the parts of a container; a rule follows them.
_PARTS = {"elem", "key", "value"}


class UnknownKey(Exception):
    """The type knows no such rule."""

    def __init__(self, kind: str, key: str) -> None:
        near = nearest(key, _KEYS[kind])
        if key in _PARTS and key in _KEYS[kind]:
            self.hint = f"a rule of its own follows, such as {key}.const"
        else:
            self.hint = f"did you mean `{near}`?" if near else f"there are {', '.join(_KEYS[kind])}"
        super().__init__(f"{kind} has no rule `{key}`")


class RuleBuilder:
    """Builds the checks of one struct's fields.

    :param nested: gives for a struct the check of its object, and remembers that it is entered.
    :param refuse: takes what is wrong with an annotation.
    """

    def __init__(
        self,
        schema: Schema,
        shapes: Shapes,
        sources: Sources,
        nested: Callable[[TypeName], Check],
        refuse: Callable[[Annotation, Exception], None],
    ) -> None:
        self._schema = schema
        self._shapes = shapes
        self._sources = sources
        self._nested = nested
        self._refuse = refuse
        self._printer = Printer(schema, shapes)
        self._loops = 0

    def checks(self, type: Type, name: str, written: list[Written]) -> list[Check]:
        """The checks of a value of this type, which messages call ``name``; ``not_nil`` is for the field to see to."""
        build: Callable[[Any, str, str, list[Written]], Check | None]
        match type:
            case ScalarType(scalar=Scalar.BOOL):
                build, kind = self._boolean, "a boolean"
            case ScalarType(scalar=Scalar.STRING | Scalar.BINARY | Scalar.UUID):
                build, kind = self._text, "a text"
            case ScalarType():
                build, kind = self._number, "a number"
            case EnumType():
                build, kind = self._enum, "an enum"
            case ListType() | SetType():
                build, kind = self._list, "a list"
            case MapType():
                build, kind = self._map, "a map"
            case StructType():
                return self._struct(type, name, written)
        checks: list[Check] = []
        for key, group in grouped(written).items():
            head, _, rest = key.partition(".")
            if head not in _KEYS[kind] or bool(rest) != (head in _PARTS):
                self._refuse(group[0].annotation, UnknownKey(kind, key))
            elif not rest and key != "not_nil":
                checks += [check for check in self._built(build, type, name, key, group) if check is not None]
        return checks + self._parts(type, name, written)

    def _built(
        self, build: Callable[..., Check | None], type: Type, name: str, key: str, group: list[Written]
    ) -> Iterator[Check | None]:
        """The checks of one key; a set is one check, anything else one for each annotation."""
        for each in [group] if key in SETS else [[one] for one in group]:
            try:
                yield build(type, name, key, each)
            except RuleError as error:
                self._refuse(each[0].annotation, error)

    def _source(self, written: Written, read: Callable[[str], Any], *kinds: str) -> Source:
        """What an annotation compares with: a field or function of one of these kinds, or a literal."""
        text = written.annotation.value
        source = self._sources.find(text)
        if source is None:
            return literal(kinds[0], read(text))
        if source.kind not in kinds:
            raise RuleError(f"{written.key} compares with a {kinds[0]}, not with a {source.kind}", 0)
        return source

    # Numbers

    def _number(self, type: Type, name: str, key: str, group: list[Written]) -> Check:
        assert isinstance(type, ScalarType)
        read, convert = _double_reading() if type.scalar is Scalar.DOUBLE else _whole_reading(_BITS[type.scalar])
        sources = [self._source(each, read, "number", "whole number") for each in group]
        if key in SETS:
            return _membership(name, key, sources, convert, scalar_text, group)
        label, fails = _NUMERIC[key]
        return _comparison(f"field {name} {label}", fails, sources[0], convert, scalar_text, group[0])

    def _boolean(self, type: Type, name: str, key: str, group: list[Written]) -> Check:
        source = self._source(group[0], boolean, BOOLEAN)
        return _comparison(f"field {name} const rule failed", operator.ne, source, bool, scalar_text, group[0])

    # Texts

    def _text(self, type: Type, name: str, key: str, group: list[Written]) -> Check:
        if key in _SIZES:
            return self._text_size(name, key, group[0])
        show = self._shower(type)
        if key == "pattern":
            return self._pattern(name, group[0], show)
        sources = [self._source(each, go_literal, TEXT, OCTETS) for each in group]
        if key in SETS:
            return _membership(name, key, sources, _octets, show, group)
        label, holds = _TEXTS[key]
        return _comparison(
            f"field {name} {label}",
            lambda value, wanted: not holds(_octets(value), wanted),
            sources[0],
            _octets,
            show,
            group[0],
        )

    def _shower(self, type: Type) -> Callable[[Any], str]:
        return lambda value: self._printer.text(value.raw if isinstance(value, Composite) else value, type)

    def _text_size(self, name: str, key: str, written: Written) -> Check:
        label, unit, fails = _SIZES[key]
        measure = _bytes_of if unit == "bytes" else _runes_of
        source = self._source(written, whole_number, "whole number", "number")
        return _comparison(
            f"field {name} {label}",
            lambda value, wanted: fails(measure(value), wanted),
            source,
            int,
            lambda value: str(measure(value)),
            written,
        )

    def _pattern(self, name: str, written: Written, show: Callable[[Any], str]) -> Check:
        source = self._source(written, go_literal, TEXT)
        message = f"field {name} pattern rule failed, current value: "
        if source.constant:
            try:
                found = compile_pattern(source.read(None))
            except PatternError as error:
                raise RuleError(f"RE2 takes no such pattern: {error}", 0, error.hint) from None

            def check(struct: Any, value: Any) -> Iterator[Finding]:
                if not found(_as_str(value)):
                    yield Finding("", message + show(value), str(written))

            return check

        def check_foreign(struct: Any, value: Any) -> Iterator[Finding]:
            pattern = source.read(struct)
            if pattern is not None and not foreign_pattern_found(pattern, _as_str(value)):
                yield Finding("", message + show(value), str(written))

        return check_foreign

    # Enums

    def _enum(self, type: Type, name: str, key: str, group: list[Written]) -> Check | None:
        assert isinstance(type, EnumType)
        enum = self._schema.enums[type.name]

        def show(number: Any) -> str:
            return enum_text(number, enum)

        if key == "defined_only":
            return _defined_only(name, enum, group[0]) if _flag(group[0]) else None
        sources = [literal("enum", self._member(each.annotation.value, enum)) for each in group]
        if key in SETS:
            return _membership(name, key, sources, int, show, group)
        return _comparison(f"field {name} const rule failed", operator.ne, sources[0], int, show, group[0])

    def _member(self, text: str, enum: Enum) -> int:
        """The number of ``Enum.MEMBER``; of ``include.CONSTANT`` too."""
        owner, dot, member = text.rpartition(".")
        found = next((each.number for each in enum.members if each.name == member), None)
        owner = owner.rpartition(".")[2]
        others = {each.name for each in self._schema.enums if each != enum.name}
        if dot and found is not None and (owner == enum.name.name or owner not in others):
            return found
        constant = next((each for name, each in self._schema.constants.items() if name.name == member), None)
        if dot and constant is not None and isinstance(constant.value, int):
            return int(constant.value)
        near = nearest(member, [each.name for each in enum.members])
        shown = near or (enum.members[0].name if enum.members else "MEMBER")
        raise RuleError(f"`{text}` is no member of {enum.name}", 0, f"a member is written {enum.name}.{shown}")

    # Containers

    def _list(self, type: Type, name: str, key: str, group: list[Written]) -> Check:
        return self._container_size(type, name, _LIST_SIZES[key], group[0])

    def _map(self, type: Type, name: str, key: str, group: list[Written]) -> Check | None:
        if key == "no_sparse":
            return self._no_sparse(type, name, group[0])
        return self._container_size(type, name, _MAP_SIZES[key], group[0])

    def _container_size(self, type: Type, name: str, rule: tuple[str, Any], written: Written) -> Check:
        label, fails = rule
        source = self._source(written, whole_number, "whole number", "number")
        return _comparison(
            f"field {name} {label}",
            lambda value, wanted: fails(len(value), wanted),
            source,
            int,
            lambda value: self._printer.text(value, type),
            written,
        )

    def _no_sparse(self, type: Type, name: str, written: Written) -> Check | None:
        assert isinstance(type, MapType)
        if isinstance(type.value, ScalarType | EnumType) and type.value != ScalarType(Scalar.BINARY):
            raise RuleError("the values of this map are never null", 0)
        # The plugin looks for nulls even where it is told "false".
        if not _flag(written):
            return None

        def check(struct: Any, value: Any) -> Iterator[Finding]:
            if any(item is None for item in value.values()):
                message = f"field {name} no_sparse rule failed, current value: {self._printer.text(value, type)}"
                yield Finding("", message, str(written))

        return check

    def _parts(self, type: Type, name: str, written: list[Written]) -> list[Check]:
        """The checks of elements, keys and values; they come after the container's own."""
        match type:
            case ListType(element=element) | SetType(element=element):
                inner = _below("elem", written)
                return [self._elements(element, inner)] if inner else []
            case MapType(key=key, value=value):
                keys, values = _below("key", written), _below("value", written)
                return [
                    *([self._entries(key, "k", keys, of_keys=True)] if keys else []),
                    *([self._entries(value, "v", values, of_keys=False)] if values else []),
                ]
        return []

    def _elements(self, type: Type, written: list[Written]) -> Check:
        name = f"_elem{self._loops or ''}"
        self._loops += 1
        check, read = self.value_check(type, name, written), self._element_reader(type)

        def each(struct: Any, value: Any) -> Iterator[Finding]:
            for place, item in enumerate(value):
                for finding in check(struct, read(item)):
                    yield Finding(f"[{place}]{finding.path}", finding.message, finding.rule)

        return each

    def _entries(self, type: Type, name: str, written: list[Written], *, of_keys: bool) -> Check:
        check, read = self.value_check(type, name, written), self._element_reader(type)

        def each(struct: Any, value: Any) -> Iterator[Finding]:
            for key, item in value.items():
                place = "{k}" if of_keys else f"{{v for k={key_text(key)}}}"
                for finding in check(struct, read(key if of_keys else item)):
                    yield Finding(place + finding.path, finding.message, finding.rule)

        return each

    def _element_reader(self, type: Type) -> Callable[[Any], Any]:
        return reader_of(type, self._shapes.of(type))

    # Fields and elements

    def value_check(self, type: Type, name: str, written: list[Written], nullable: bool = False) -> Check:
        """Everything about one value. None is a null struct, or an optional scalar that is not set."""
        demanded = self._not_nil(type, written, nullable)
        checks = self.checks(type, name, written)
        # A binary that is not set is nil, and empty to every other rule.
        unset = Composite(b"", BINARY) if type == ScalarType(Scalar.BINARY) else None

        def check(struct: Any, value: Any) -> Iterator[Finding]:
            if value is None:
                if demanded is not None:
                    yield Finding("", f"field {name} not_nil rule failed", str(demanded))
                value = unset
            if value is not None:
                for each in checks:
                    yield from each(struct, value)

        return check

    def _not_nil(self, type: Type, written: list[Written], nullable: bool) -> Written | None:
        """The annotation that demands a value; it is looked at before all others."""
        if isinstance(type, ListType | SetType | MapType):
            # No rule of theirs: what is not set is empty.
            return None
        for each in written:
            if each.key != "not_nil":
                continue
            try:
                demanded = _flag(each)
                if demanded and not (nullable or isinstance(type, StructType) or type == ScalarType(Scalar.BINARY)):
                    raise RuleError("only an optional field, a binary or a struct can be nil", 0)
            except RuleError as error:
                self._refuse(each.annotation, error)
                continue
            if demanded:
                return each
        return None

    def _struct(self, type: StructType, name: str, written: list[Written]) -> list[Check]:
        skipped = False
        for each in written:
            if each.key not in _KEYS["a struct"]:
                self._refuse(each.annotation, UnknownKey("a struct", each.key))
            elif each.key == "skip":
                try:
                    skipped = skipped or _flag(each)
                except RuleError as error:
                    self._refuse(each.annotation, error)
        if skipped:
            return []
        inner = self._nested(type.name)

        def check(struct: Any, value: Any) -> Iterator[Finding]:
            for finding in inner(value, value):
                path = f".{finding.path}" if finding.path else ""
                yield Finding(path, f"field {name} not valid, {finding.message}", finding.rule)

        return [check]


def reader_of(type: Type, shape: Shape) -> Callable[[Any], Any]:
    """From a raw value to what checks take: containers as they are, never None; None for a null struct."""
    match type:
        case StructType():
            return lambda raw: raw
        case ListType() | SetType() | MapType():
            return lambda raw: container(raw, shape)
        case ScalarType(scalar=Scalar.BINARY):
            return lambda raw: None if raw is None else shape.read(raw)
    return shape.read


def grouped(written: list[Written]) -> dict[str, list[Written]]:
    """By key; a repeated one stands where it stood first, as in thriftgo's tree."""
    groups: dict[str, list[Written]] = {}
    for each in written:
        groups.setdefault(each.key, []).append(each)
    return groups


def _below(head: str, written: list[Written]) -> list[Written]:
    """The annotations of the parts: ``gt`` of ``elem.gt``."""
    prefix = f"{head}."
    return [Written(each.key.removeprefix(prefix), each.annotation) for each in written if each.key.startswith(prefix)]


def _flag(written: Written) -> bool:
    return boolean(written.annotation.value)


def _whole_reading(bits: int) -> tuple[Callable[[str], int], Callable[[Any], int]]:
    """How a literal of so many bits is read, and how another number is converted: as Go does, by cutting."""

    def read(text: str) -> int:
        number = whole_number(text)
        if wrapped(number, bits) != number:
            raise RuleError(f"{text} does not fit into {bits} bits", 0)
        return number

    def convert(number: Any) -> int:
        whole = int(number) if abs(number) < 2.0**63 else -(2**63)
        return wrapped(whole, bits)

    return read, convert


def _double_reading() -> tuple[Callable[[str], float], Callable[[Any], float]]:
    return double_number, float


def _comparison(
    message: str,
    fails: Callable[[Any, Any], bool],
    source: Source,
    convert: Callable[[Any], Any],
    show: Callable[[Any], str],
    written: Written,
) -> Check:
    def check(struct: Any, value: Any) -> Iterator[Finding]:
        wanted = source.read(struct)
        # An optional field that is not set: the plugin's code panics, or with `ge` leaves the rule out.
        if wanted is not None and fails(value, convert(wanted)):
            yield Finding("", f"{message}, current value: {show(value)}", str(written))

    return check


def _membership(
    name: str,
    key: str,
    sources: list[Source],
    convert: Callable[[Any], Any],
    show: Callable[[Any], str],
    group: list[Written],
) -> Check:
    wanted_in = SETS[key]
    rule = ", ".join(map(str, group))

    def check(struct: Any, value: Any) -> Iterator[Finding]:
        members = [convert(member) for source in sources if (member := source.read(struct)) is not None]
        if (convert(value) in members) != wanted_in:
            yield Finding("", f"field {name} {key} rule failed, current value: {show(value)}", rule)

    return check


def _defined_only(name: str, enum: Enum, written: Written) -> Check:
    numbers = {member.number for member in enum.members}

    def check(struct: Any, value: Any) -> Iterator[Finding]:
        if value not in numbers:
            yield Finding("", f"field {name} defined_only rule failed", str(written))

    return check


def _octets(value: Any) -> bytes:
    if isinstance(value, Composite):
        return value.raw or b""
    return utf8(value) if isinstance(value, str) else bytes(value)


def _as_str(value: Any) -> str:
    return value if isinstance(value, str) else _octets(value).decode("utf-8", "surrogateescape")


def _bytes_of(value: Any) -> int:
    return len(_octets(value))


def _runes_of(value: Any) -> int:
    return len(_as_str(value))
