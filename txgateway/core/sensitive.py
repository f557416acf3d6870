"""Keep the values of fields with ``tgw.sensitive`` out of all that is said of a request.

Fields are known by their names alone, so another field of the same request that has the name of a sensitive one is
treated like it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from attrs import frozen

from .annotations import Failure, marked
from .annotations.sensitive import SENSITIVE
from .descriptor import Field, Method, Schema, TypeName
from .errors import BadRequest
from .expression import RuleError, parse
from .expression.tree import Literal, Node, RangeVariable, Selector
from .misfit import GOT
from .validation import ANNOTATION, structs_in
from .validation import Failure as RuleFailure

T = TypeVar("T")

# What the messages of vt rules put in front of a value.
_VALUE = ", current value: "


@frozen
class Sensitive:
    """What must not be shown of a method's arguments.

    :ivar names: of sensitive fields.
    :ivar holders: of these, and of fields with such a field somewhere inside.
    :ivar composed: the rules whose message is put together when it is needed,
    :ivar telling: and those of them whose message may hold a value of ``holders``.
    """

    names: frozenset[str]
    holders: frozenset[str]
    composed: frozenset[str]
    telling: frozenset[str]

    def around(self, step: Callable[..., T]) -> Callable[..., T]:
        """The same step of a plan, but a BadRequest that it raises shows no such value."""

        def run(*arguments: Any) -> T:
            try:
                return step(*arguments)
            except BadRequest as error:
                raise self.hidden(error) from None

        return run

    def hidden(self, error: BadRequest) -> BadRequest:
        """The failure as it may be shown."""
        members = dict(error.members)
        path = members.get("field")
        if path is None:
            return error
        members["field"] = self.place(path)
        if "rule" in members:
            detail = self._message(path, error.detail, members["rule"])
        else:
            # The path stands in the text too, unless that names the source.
            detail = self._without(GOT, path, error.detail.replace(path, members["field"], 1))
        if "errors" in members:
            members["errors"] = [self._hidden_line(**line) for line in members["errors"]]
        return type(error)(detail, headers=error.headers, **members)

    def failure(self, failure: Failure) -> Failure:
        """A rule's failure as it may be shown."""
        message = self._message(failure.path, failure.message, failure.rule)
        return RuleFailure(self.place(failure.path), message, failure.rule)

    def place(self, path: str) -> str:
        """The path as far as the sensitive field: keys of maps inside it are values too."""
        found = _in_path(self.names).search(path)
        return path[: found.end()] if found else path

    def _hidden_line(self, field: str, rule: str, detail: str) -> dict[str, str]:
        return {"field": self.place(field), "rule": rule, "detail": self._message(field, detail, rule)}

    def _message(self, path: str, message: str, rule: str) -> str:
        is_inside = _in_path(self.names).search(path) is not None
        if rule in self.telling or (is_inside and rule in self.composed):
            return f"invalid parameter: {self.place(path)}"
        return self._without(_VALUE, path, message)

    def _without(self, introduction: str, path: str, text: str) -> str:
        """The text up to the value, if the path leads to one that is not to be shown."""
        return text.partition(introduction)[0] if _in_path(self.holders).search(path) else text


class SensitiveFields:
    """The sensitive fields of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._are_in_structs = any(marked(each, SENSITIVE) for s in schema.structs.values() for each in s.fields)
        self._known: dict[Field, Sensitive | None] = {}

    def of(self, method: Method) -> Sensitive | None:
        """None, as nearly always, if the method's argument neither is sensitive nor has such a field inside."""
        for argument in method.arguments[:1]:
            if self._are_in_structs or marked(argument, SENSITIVE):
                if argument not in self._known:
                    self._known[argument] = _sensitive(self._schema, argument)
                return self._known[argument]
        return None


def _sensitive(schema: Schema, argument: Field) -> Sensitive | None:
    fields = list(_reachable(schema, argument))
    names = frozenset(each.name for each in fields if marked(each, SENSITIVE))
    if not names:
        return None
    holders = frozenset(each.name for each in fields if any(inner.name in names for inner in _reachable(schema, each)))
    composed, telling = set(), set()
    for each in fields:
        rule = each.annotations.first(ANNOTATION)
        nodes = () if rule is None else _composed(rule.value)
        if rule is not None and nodes:
            composed.add(rule.value)
            if any(_shows(node, each, holders) for node in nodes):
                telling.add(rule.value)
    return Sensitive(names, holders, frozenset(composed), frozenset(telling))


def _reachable(schema: Schema, field: Field) -> Iterator[Field]:
    """The field and all below it, each struct's once."""
    seen: set[TypeName] = set()
    waiting = [field]
    for each in waiting:
        yield each
        for name in structs_in(each.type):
            if name not in seen:
                seen.add(name)
                waiting += schema.structs[name].fields


def _composed(rule: str) -> tuple[Node, ...]:
    """The parts of the rule's message, unless that is always the same."""
    try:
        message = parse(rule).message
    except RuleError:
        # Complained of where rules are compiled.
        return ()
    return () if message is None or isinstance(message, Literal) else tuple(message.walk())


def _shows(node: Node, field: Field, holders: frozenset[str]) -> bool:
    match node:
        case Selector(path=(_, *_) as path):
            return not holders.isdisjoint(path)
        case Selector() | RangeVariable():
            return field.name in holders
    return False


def _in_path(names: frozenset[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:^|\.)(?:{'|'.join(map(re.escape, sorted(names)))})(?=[.\[{{]|$)")
