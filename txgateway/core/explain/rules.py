"""Each rule of a request with the values of its parts; whether it holds is what the gateway's own checks say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from typing import Any

from attrs import evolve, frozen

from ..annotations import Access, Failure, Surroundings, checks
from ..descriptor import Field, ListType, MapType, Schema, SetType, Struct, StructType, Type, TypeName
from ..explain_rule import CompiledPart, Part, compile_parts, shown
from ..expression.shapes import FieldShape, Shapes, StructShape
from ..expression.tree import Rule, Selector
from ..expression.walk import Reached, Walk, key_text
from ..sensitive import Sensitive
from ..validation import printable, reached, structs_in
from ..vt.rules import SETS, Written, grouped
from ..vt.sources import Sources
from ..vt.walk import PREFIX as VT
from ..vt.walk import written_rules
from .hiding import HiddenNames, hidden_names
from .story import HIDDEN, RuleStory
from .words import shortened

# So many rules are told of, and of one so many parts.
MOST_RULES = 100
MOST_PARTS = 60
# Rules of so many elements of a list or map are told of; of the others those that fail.
MOST_ELEMENTS = 3


def tell_rules(
    schema: Schema, root: TypeName, access: Access, sensitive: Sensitive | None, now: Callable[[], int], request: Any
) -> tuple[RuleStory, ...]:
    """The rules of a request struct's object.

    :param now: gives the time in nanoseconds since 1970.
    """
    compiled = [checks[name](schema, root, access, Surroundings(now=now)) for name in checks]
    failures = [failure for check in compiled if check is not None for failure in check.all(request)]
    names = hidden_names(schema.structs[root], sensitive)
    rules = reached(schema, schema.structs[root])
    finder = _Objects(schema, access, rules, names)
    objects = list(islice(finder.below(_Object(schema.structs[root], request)), MOST_RULES))
    shapes = Shapes(schema, access)
    stories = chain(_of_vd(rules, shapes, names, objects), _of_vt(shapes, now, names, objects))
    return tuple(_judged(islice(stories, MOST_RULES), failures, sensitive))


@frozen
class _Object:
    """An object of a struct in the request.

    :ivar path: that leads to it; empty for the request struct itself.
    :ivar hides: whether nothing in it is to be shown.
    :ivar ignored: whether it is in a field whose rule is ``-``.
    """

    struct: Struct
    value: Any
    path: str = ""
    hides: bool = False
    ignored: bool = False

    def path_of(self, field: Field) -> str:
        return printable(f"{self.path}.{field.name}" if self.path else field.name)

    def hides_field(self, field: Field, names: HiddenNames) -> bool:
        return self.hides or field.name in names.fields


class _Objects:
    """Finds the objects of structs in a request; of a list or map the first few."""

    def __init__(self, schema: Schema, access: Access, rules: Mapping[TypeName, Reached], names: HiddenNames) -> None:
        self._schema = schema
        self._access = access
        self._names = names
        self._ignoring = {
            (name, each.field.name) for name, of in rules.items() for each in of.fields if each.rule.ignored
        }

    def below(self, outer: _Object) -> Iterator[_Object]:
        """This object and those inside of it, outermost first."""
        yield outer
        for field in outer.struct.fields:
            if any(structs_in(field.type)):
                value = self._access(outer.struct, field)(outer.value)
                ignored = outer.ignored or (outer.struct.name, field.name) in self._ignoring
                for name, each, path in self._held(field.type, value, outer.path_of(field)):
                    inner = _Object(
                        self._schema.structs[name], each, path, outer.hides_field(field, self._names), ignored
                    )
                    yield from self.below(inner)

    def _held(self, declared: Type, value: Any, path: str) -> Iterator[tuple[TypeName, Any, str]]:
        """The objects in a value, each with its path as failures have it."""
        if value is None:
            return
        match declared:
            case StructType(name):
                yield name, value, path
            case ListType(element) | SetType(element):
                for number, each in enumerate(islice(value, MOST_ELEMENTS)):
                    yield from self._held(element, each, f"{path}[{number}]")
            case MapType(key, item):
                for each_key, each in islice(value.items(), MOST_ELEMENTS):
                    yield from self._held(key, each_key, f"{path}{{k}}")
                    yield from self._held(item, each, f"{path}{{v for k={key_text(each_key)}}}")


# api.vd


def _of_vd(
    rules: Mapping[TypeName, Reached], shapes: Shapes, names: HiddenNames, objects: Iterable[_Object]
) -> Iterator[RuleStory]:
    @cache
    def walk(struct: TypeName) -> Walk:
        return Walk(struct, rules, shapes)

    @cache
    def parts_of(struct: TypeName, field: str, rule: Rule) -> list[CompiledPart]:
        return compile_parts(walk(struct), field, rule)[:MOST_PARTS]

    for each in objects:
        reached_fields = () if each.ignored else rules[each.struct.name].fields
        for field, rule in ((found.field, found.rule) for found in reached_fields if found.rule.check is not None):
            hides = each.hides_field(field, names) or field.name in names.holders
            parts = parts_of(each.struct.name, field.name, rule)
            shown_parts = tuple(_part(part, each.value, hides or _selects(part, names)) for part in parts)
            yield RuleStory(each.path_of(field), rule.text, True, shown_parts)


def _part(part: CompiledPart, value: Any, hides: bool) -> Part:
    if hides:
        return Part(part.text, part.depth, HIDDEN)
    found = part.on(value)
    return evolve(found, value=_printed(found.value))


def _printed(text: str) -> str:
    return shortened(printable(text))


def _selects(part: CompiledPart, names: HiddenNames) -> bool:
    """Whether the part's value depends on one of these fields."""
    nodes = chain.from_iterable(node.walk() for node in (part.node, *part.loops))
    return any(isinstance(node, Selector) and not names.holders.isdisjoint(node.path) for node in nodes)


# vt


def _of_vt(
    shapes: Shapes, now: Callable[[], int], names: HiddenNames, objects: Iterable[_Object]
) -> Iterator[RuleStory]:
    for each in objects:
        shape = shapes.struct(each.struct)
        sources = Sources(shape, now)
        for field in each.struct.fields:
            for rule in _as_held(written_rules(field.annotations)):
                parts = _vt_parts(field.name, rule, shape, sources, each.value)
                yield _vt_story(each.path_of(field), rule, parts, names, each.hides_field(field, names))
        for rule in _as_held(written_rules(each.struct.annotations)):
            parts = _vt_parts("", rule, shape, sources, each.value)
            yield _vt_story(each.path, rule, parts, names, each.hides)


def _as_held(written: list[Written]) -> Iterator[list[Written]]:
    """The annotations of each rule."""
    for key, group in grouped(written).items():
        yield from [group] if key.rpartition(".")[2] in SETS else [[one] for one in group]


def _vt_story(path: str, rule: list[Written], parts: Iterable[Part], names: HiddenNames, hides: bool) -> RuleStory:
    def hidden(part: Part) -> Part:
        return evolve(part, value=HIDDEN if hides or part.text.lstrip("$") in names.holders else _printed(part.value))

    if any(each[1:] in names.holders for written in rule for each in _FIELDS.findall(written.annotation.value)):
        # What is computed from it is not to be shown either.
        hides = True
    return RuleStory(path, ", ".join(map(str, rule)), True, tuple(map(hidden, parts)))


_FIELDS = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")


def _vt_parts(field: str, rule: list[Written], shape: StructShape, sources: Sources, value: Any) -> Iterator[Part]:
    """The field's own value, what it is compared with, and the fields that this is computed from."""
    fields = {each.name: each for each in shape.fields}
    if field:
        yield Part(field, 0, _read(fields[field], value))
    for text in (written.annotation.value for written in rule):
        source = sources.find(text)
        if source is not None and not text.startswith("$"):
            yield Part(text, 0, shown(source.read(value)))
        names = dict.fromkeys(_FIELDS.findall(text)) if source is not None else {}
        for name in [name for name in names if name[1:] in fields]:
            yield Part(name, 0 if name == text else 1, _read(fields[name[1:]], value))


def _read(field: FieldShape, value: Any) -> str:
    return shown(field.shape.read(field.raw(value)))


# What the checks say


def _judged(
    stories: Iterable[RuleStory], failures: Iterable[Failure], sensitive: Sensitive | None
) -> Iterator[RuleStory]:
    """The stories with what came of the rules; behind them the failures of rules that are not told of."""
    left = list(failures)
    for story in stories:
        failed = next((each for each in left if _is_of(each, story)), None)
        if failed is not None:
            left.remove(failed)
            story = evolve(story, holds=False, message=_shown(failed, sensitive).message)
        # Keys of maps are values too.
        yield story if sensitive is None else evolve(story, path=sensitive.place(story.path))
    for each in (_shown(each, sensitive) for each in left):
        yield RuleStory(each.path, each.rule, False, message=each.message)


def _is_of(failure: Failure, story: RuleStory) -> bool:
    return failure.rule == story.rule and (failure.path == story.path or _is_below(failure.path, story))


def _is_below(path: str, story: RuleStory) -> bool:
    """Whether the path leads to an element, which a rule of vt may be for."""
    return story.rule.startswith(VT) and path.startswith((f"{story.path}[", f"{story.path}{{"))


def _shown(failure: Failure, sensitive: Sensitive | None) -> Failure:
    return failure if sensitive is None else sensitive.failure(failure)
