"""Two versions of a service to verdicts: what breaks the Thrift wire, what breaks HTTP clients, what is safe.

The wire is judged as a fleet meets it, where for a while old and new are on both ends: a change breaks
it if either side, reading what the other has written, fails or takes a value for another one. That a field
is not known to a reader, or not sent by a writer that need not send it, breaks nothing.

HTTP clients are old, always, and the gateway new: what they send must still be taken and mean the same,
what they read must still be there.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from .annotations import keys as json_keys
from .annotations import sources, targets, verbs
from .annotations.body_dynamic import BODY_DYNAMIC
from .annotations.js_conv import JS_CONV
from .annotations.none import NONE
from .annotations.verb import ANY
from .descriptor import (
    NOWHERE,
    Annotations,
    Enum,
    EnumType,
    Field,
    ListType,
    MapType,
    Method,
    Position,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    Service,
    SetType,
    StructKind,
    StructType,
    Type,
    TypeName,
)
from .keys import call_key, nested_key, request_keys, response_key
from .mapping import MappedService, Route
from .routing import shape
from .rule_change import Tighter, tighter

VD, VT = "api.vd", "vt."
# What an HTTP client can notice; see ``fingerprint``.
_NOTICED = ("api.", "go.tag", VT, "agw.", "janus.", "streaming.mode", "tgw.http_code", "tgw.validate")
# Marks that change the JSON form of a field, and what they are about.
_MARKS = {NONE: "being in JSON", JS_CONV: "numbers as text", BODY_DYNAMIC: "text that is JSON"}


class Breaks(enum.Enum):
    """Whom a change breaks."""

    WIRE = "wire"
    HTTP = "http"
    NOTHING = "safe"


@frozen
class Change:
    """One difference.

    :ivar where: what it is about, ``Service.method`` or ``Struct.field``.
    :ivar old: where the old version says it; the enclosing declaration where it says nothing.
    :ivar new: the same for the new version; ``NOWHERE`` if that has nothing left of it.
    """

    breaks: Breaks
    where: str
    what: str
    old: Position = NOWHERE
    new: Position = NOWHERE

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({_place(self.old)} -> {_place(self.new)})"


def _place(position: Position) -> str:
    return f"{position.file}:{position.line}" if position.line else "nothing"


def compare(old: MappedService | None, new: MappedService | None) -> tuple[Change, ...]:
    """Every difference that anybody can notice; None: there is no such service."""
    if old is None or new is None:
        return tuple(_whole(service, new is None) for service in (old or new,) if service is not None)
    comparison = _Comparison(old.schema, new.schema)
    comparison.services()
    comparison.routes(old.routes, new.routes)
    return tuple(comparison.changes)


def _whole(service: MappedService, gone: bool) -> Change:
    place = service.schema.services[0].position
    if gone:
        return Change(Breaks.WIRE, service.name, "the service is gone", old=place)
    return Change(Breaks.NOTHING, service.name, "the service is new", new=place)


class _Side(enum.Enum):
    """Which way a struct goes, and whether its fields are spread over an HTTP message or inside of JSON."""

    REQUEST = "request"
    IN_REQUEST = "in a request"
    RESPONSE = "response"
    IN_RESPONSE = "in a response"
    THROWS = "what a method throws"
    FAILURE = "failure"

    @property
    def inner(self) -> _Side:
        if self is _Side.THROWS:
            return _Side.FAILURE
        return _Side.IN_REQUEST if self.is_request else _Side.IN_RESPONSE

    @property
    def is_request(self) -> bool:
        return self in (_Side.REQUEST, _Side.IN_REQUEST)


class _Comparison:
    """Goes through two schemas side by side."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self.changes: dict[Change, None] = {}
        self._old = old
        self._new = new
        self._seen: set[tuple[TypeName, TypeName, _Side]] = set()

    def _add(self, breaks: Breaks, where: str, what: str, old: Position, new: Position) -> None:
        self.changes[Change(breaks, where, what, old, new)] = None

    # Services and methods

    def services(self) -> None:
        for old in self._old.services:
            new = self._counterpart(old)
            if new is None:
                self._add(Breaks.WIRE, old.name.name, "the service is gone", old.position, NOWHERE)
            else:
                self._service(old, new)
        matched = {id(self._counterpart(old)) for old in self._old.services}
        for new in self._new.services:
            if id(new) not in matched:
                self._add(Breaks.NOTHING, new.name.name, "the service is new", NOWHERE, new.position)

    def _counterpart(self, old: Service) -> Service | None:
        """The service of that name; where a file has one service only, its name is nobody's concern."""
        named = [new for new in self._new.services if new.name.name == old.name.name]
        if named:
            return named[-1]
        return self._new.services[0] if len(self._new.services) == len(self._old.services) == 1 else None

    def _service(self, old: Service, new: Service) -> None:
        if old.name.name != new.name.name:
            what = f"is called {new.name.name}, which JSON calls by the service's name notice"
            self._add(Breaks.HTTP, old.name.name, what, old.position, new.position)
        self._annotations(old.name.name, old.annotations, new.annotations, old.position, new.position)
        for before in old.methods:
            where, after = f"{old.name.name}.{before.name}", new.method_named(before.name)
            if after is None:
                self._add(Breaks.WIRE, where, "the method is gone", before.position, new.position)
            else:
                self._method(where, before, after)
        for after in new.methods:
            if old.method_named(after.name) is None:
                where = f"{new.name.name}.{after.name}"
                self._add(Breaks.NOTHING, where, "the method is new", old.position, after.position)

    def _method(self, where: str, old: Method, new: Method) -> None:
        places = old.position, new.position
        if old.oneway != new.oneway:
            what = "is oneway, so it has no reply any more" if new.oneway else "is not oneway any more"
            self._add(Breaks.WIRE, where, what, *places)
        self._annotations(where, old.annotations, new.annotations, *places, but=frozenset(verbs))
        self._arguments(where, old, new)
        self._result(where, old, new)
        self._fields(where, old.throws, new.throws, places, _Side.THROWS, self._throws_gone)

    def _arguments(self, where: str, old: Method, new: Method) -> None:
        """A single struct is the request itself, and nobody hears the argument's name."""
        places = old.position, new.position
        if _is_request(old) and _is_request(new) and old.arguments[0].id == new.arguments[0].id:
            one, other = old.arguments[0], new.arguments[0]
            self._requiredness(where, one, other)
            self._types(where, "the argument", one.type, other.type, (one.position, other.position), _Side.REQUEST)
        else:
            self._fields(where, old.arguments, new.arguments, places, _Side.IN_REQUEST)

    def _result(self, where: str, old: Method, new: Method) -> None:
        places = old.position, new.position
        if old.result is None or new.result is None:
            if old.result is not new.result:
                what = f"the result is {new.result or 'void'}, not {old.result or 'void'}"
                self._add(Breaks.WIRE, where, what, *places)
            return
        self._types(where, "the result", old.result, new.result, places, _Side.RESPONSE)

    def _throws_gone(self, where: str, old: Field, new: Position) -> None:
        what = f"{old.type} is not declared any more, so it reaches nobody"
        self._add(Breaks.WIRE, where, what, old.position, new)

    # Routes

    def routes(self, old: Sequence[Route], new: Sequence[Route]) -> None:
        served = {(route.verb, shape(route.path)): route for route in new}
        known = {(route.verb, shape(route.path)) for route in old}
        for before in old:
            name, where = f"{before.verb} {before.path}", before.plan.method.name
            after = served.get((before.verb, shape(before.path))) or served.get((ANY, shape(before.path)))
            if after is None:
                place = self._place_of(where)
                self._add(Breaks.HTTP, where, f"the route {name} is gone", before.position, place)
            elif after.plan.method.name != where:
                what = f"the route {name} leads to {after.plan.method.name}"
                self._add(Breaks.HTTP, where, what, before.position, after.position)
        for after in new:
            if (after.verb, shape(after.path)) not in known:
                name, where = f"{after.verb} {after.path}", after.plan.method.name
                self._add(Breaks.NOTHING, where, f"the route {name} is new", NOWHERE, after.position)

    def _place_of(self, method: str) -> Position:
        found = [m for service in self._new.services if (m := service.method_named(method)) is not None]
        return found[0].position if found else NOWHERE

    # Types

    def _types(
        self, where: str, what: str, old: Type, new: Type, places: tuple[Position, Position], side: _Side
    ) -> None:
        if not self._same_on_wire(old, new):
            self._add(Breaks.WIRE, where, f"{what} is {_shown(new)}, not {_shown(old)}", *places)
            return
        if _json_form(old) != _json_form(new):
            self._add(Breaks.HTTP, where, f"{what} is {_shown(new)}, not {_shown(old)}, in JSON", *places)
        self._parts(old, new, side)

    def _parts(self, old: Type, new: Type, side: _Side) -> None:
        """The structs and enums in two types of one form."""
        match old, new:
            case (StructType(name=one), StructType(name=other)):
                self._structs(one, other, side)
            case (EnumType(name=one), EnumType(name=other)):
                self._enums(self._old.enums[one], self._new.enums[other])
            case (ListType(element=a), ListType(element=b)) | (SetType(element=a), SetType(element=b)):
                self._parts(a, b, side.inner)
            case (MapType(key=a, value=b), MapType(key=c, value=d)):
                self._parts(a, c, side.inner)
                self._parts(b, d, side.inner)

    def _same_on_wire(self, old: Type, new: Type) -> bool:
        """Whether the two have one form, but for what is in their structs."""
        match old, new:
            case (ListType(element=a), ListType(element=b)) | (SetType(element=a), SetType(element=b)):
                return self._same_on_wire(a, b)
            case (MapType(key=a, value=b), MapType(key=c, value=d)):
                return self._same_on_wire(a, c) and self._same_on_wire(b, d)
            case (StructType(name=one), StructType(name=other)):
                return (self._old.structs[one].kind is StructKind.UNION) == (
                    self._new.structs[other].kind is StructKind.UNION
                )
        return _wire_word(old) == _wire_word(new) != ""

    def _structs(self, one: TypeName, other: TypeName, side: _Side) -> None:
        if (one, other, side) in self._seen:
            return
        self._seen.add((one, other, side))
        old, new = self._old.structs[one], self._new.structs[other]
        places = old.position, new.position
        if side is _Side.FAILURE and one.name != other.name:
            what = f"the exception is called {other.name}, which the body of a failure tells"
            self._add(Breaks.HTTP, one.name, what, *places)
        self._annotations(one.name, old.annotations, new.annotations, *places)
        self._fields(one.name, old.fields, new.fields, places, side)

    def _enums(self, old: Enum, new: Enum) -> None:
        names = {member.name: member for member in new.members}
        numbers = {member.number: member for member in new.members}
        for before in old.members:
            where, after = f"{old.name.name}.{before.name}", numbers.get(before.number)
            moved = names.get(before.name)
            if moved is not None and moved.number != before.number:
                what = f"has the number {moved.number}, not {before.number}"
                self._add(Breaks.WIRE, where, what, before.position, moved.position)
            elif moved is None and after is not None:
                what = f"the number {before.number} means {after.name} now"
                self._add(Breaks.WIRE, where, what, before.position, after.position)
            elif moved is None:
                self._add(Breaks.HTTP, where, "the member is gone", before.position, new.position)
        known = {member.name for member in old.members} | {member.number for member in old.members}
        for after in new.members:
            if after.name not in known and after.number not in known:
                where = f"{new.name.name}.{after.name}"
                self._add(Breaks.NOTHING, where, "the member is new", old.position, after.position)

    # Fields

    def _fields(
        self,
        where: str,
        old: Sequence[Field],
        new: Sequence[Field],
        places: tuple[Position, Position],
        side: _Side,
        gone: Callable[[str, Field, Position], None] | None = None,
    ) -> None:
        before, after = {f.id: f for f in old}, {f.id: f for f in new}
        missing = {f.name: f for number, f in before.items() if number not in after}
        added = {f.name: f for number, f in after.items() if number not in before}
        for name in [name for name in missing if name in added]:
            one, other = missing.pop(name), added.pop(name)
            what = f"has the id {other.id}, not {one.id}"
            self._add(Breaks.WIRE, f"{where}.{name}", what, one.position, other.position)
        for field in missing.values():
            (gone or self._gone(side))(f"{where}.{field.name}", field, places[1])
        for field in added.values():
            self._added(f"{where}.{field.name}", field, places[0], side)
        for number in [number for number in before if number in after]:
            self._field(f"{where}.{before[number].name}", before[number], after[number], side)

    def _gone(self, side: _Side) -> Callable[[str, Field, Position], None]:
        def gone(where: str, old: Field, new: Position) -> None:
            if old.requiredness is Requiredness.REQUIRED:
                self._add(Breaks.WIRE, where, "the required field is gone", old.position, new)
            elif _places(old, side):
                self._add(Breaks.HTTP, where, "the field is gone", old.position, new)
            else:
                self._add(Breaks.NOTHING, where, "the field is gone", old.position, new)

        return gone

    def _added(self, where: str, new: Field, old: Position, side: _Side) -> None:
        if new.requiredness is Requiredness.REQUIRED:
            self._add(Breaks.WIRE, where, "the field is new and required", old, new.position)
            return
        rules = _rules(new)
        if side.is_request and rules and tighter("", rules[0][1]) is not Tighter.NO:
            # A rule is held against a field that no old client sends.
            self._add(Breaks.HTTP, where, "the field is new and has a rule", old, new.position)
            return
        self._add(Breaks.NOTHING, where, "the field is new", old, new.position)

    def _field(self, where: str, old: Field, new: Field, side: _Side) -> None:
        places = old.position, new.position
        self._types(where, "the field", old.type, new.type, places, side.inner)
        self._requiredness(where, old, new)
        self._default(where, old, new, side)
        self._names(where, old, new, side)
        self._marks(where, old, new)
        if side.is_request:
            self._rules(where, old, new)
        self._annotations(where, old.annotations, new.annotations, *places, but=_handled())

    def _requiredness(self, where: str, old: Field, new: Field) -> None:
        if old.requiredness is new.requiredness:
            return
        what = f"the field is {new.requiredness.value}, not {old.requiredness.value}"
        breaks = Breaks.WIRE if Requiredness.REQUIRED in (old.requiredness, new.requiredness) else Breaks.NOTHING
        self._add(breaks, where, what, old.position, new.position)

    def _default(self, where: str, old: Field, new: Field, side: _Side) -> None:
        """A reader puts the default in the place of an optional field that was not sent; others are always sent."""
        if old.default == new.default:
            return
        what = f"the default is {_value(new)}, not {_value(old)}"
        optional = Requiredness.OPTIONAL in (old.requiredness, new.requiredness)
        breaks = (
            Breaks.WIRE if optional else Breaks.HTTP if side.is_request or side is _Side.FAILURE else Breaks.NOTHING
        )
        self._add(breaks, where, what, old.position, new.position)

    def _names(self, where: str, old: Field, new: Field, side: _Side) -> None:
        """Where clients put a field, or find it."""
        before, after = _places(old, side), _places(new, side)
        places = old.position, new.position
        lost = [place for place in before if place not in after]
        if lost:
            now = f", but {', '.join(after)}" if after else ""
            self._add(Breaks.HTTP, where, f"the field is not {', '.join(lost)} any more{now}", *places)
        elif len(after) > len(before):
            extra = ", ".join(place for place in after if place not in before)
            self._add(Breaks.NOTHING, where, f"the field is also {extra}", *places)
        elif old.name != new.name:
            self._add(Breaks.NOTHING, where, f"the field is called {new.name}, which nobody hears", *places)

    def _marks(self, where: str, old: Field, new: Field) -> None:
        for mark, about in _MARKS.items():
            if (mark in old.annotations) != (mark in new.annotations):
                change = "is new" if mark in new.annotations else "is gone"
                self._add(Breaks.HTTP, where, f"{mark} ({about}) {change}", old.position, new.position)

    def _rules(self, where: str, old: Field, new: Field) -> None:
        before, after = dict(_rules(old)), dict(_rules(new))
        for key in dict.fromkeys((*before, *after)):
            verdict = tighter(before.get(key, ""), after.get(key, "")) if key == VD else _tighter_vt(before, after, key)
            if verdict is None:
                continue
            breaks = Breaks.NOTHING if verdict is Tighter.NO else Breaks.HTTP
            what = (
                f"the rule {key} is {_RULE_WORDS[verdict]}: {after.get(key, 'none')!r}, not {before.get(key, 'none')!r}"
            )
            self._add(breaks, where, what, old.position, new.position)

    def _annotations(
        self,
        where: str,
        old: Annotations,
        new: Annotations,
        old_place: Position,
        new_place: Position,
        but: Iterable[str] = (),
    ) -> None:
        """Whatever else a client may notice."""
        before, after = _noticed(old, but), _noticed(new, but)
        for key in dict.fromkeys((*before, *after)):
            if Counter(before.get(key, ())) != Counter(after.get(key, ())):
                was, now = (", ".join(map(repr, found.get(key, ()))) or "not there" for found in (before, after))
                self._add(Breaks.HTTP, where, f"{key} is {now}, was {was}", old_place, new_place)


_RULE_WORDS = {Tighter.YES: "tighter", Tighter.NO: "no tighter", Tighter.UNKNOWN: "another, perhaps a tighter one"}


def _is_request(method: Method) -> bool:
    return len(method.arguments) == 1 and isinstance(method.arguments[0].type, StructType)


def _wire_word(type_: Type) -> str:
    match type_:
        case ScalarType(scalar=Scalar.BINARY):
            return "string"
        case ScalarType(scalar=scalar):
            return scalar.value
        case EnumType():
            return "i32"
    return ""


def _json_form(type_: Type) -> object:
    """What JSON makes of a type, but for what is in its structs."""
    match type_:
        case ListType(element=element) | SetType(element=element):
            return ("list", _json_form(element))
        case MapType(key=key, value=value):
            return ("map", _json_form(key), _json_form(value))
        case StructType():
            return "struct"
        case EnumType():
            return "enum"
        case ScalarType(scalar=scalar):
            return scalar.value


def _shown(type_: Type) -> str:
    return str(type_)


def _value(field: Field) -> str:
    return "none" if field.default is None else repr(field.default)[:60]


def _places(field: Field, side: _Side) -> list[str]:
    """Where clients put the field, or find it, in words."""
    if side is _Side.REQUEST:
        return [*_request_places(field), *_key("in a JSON call", call_key(field))]
    if side is _Side.RESPONSE or side is _Side.FAILURE:
        found = [f"{a.key.lower()} {a.value}".rstrip() for a in field.annotations if a.key.lower() in targets]
        return found or _key("in the body", response_key(field))
    if side is _Side.THROWS:
        return []
    places = [*_key("in JSON", nested_key(field)), *_key("in a JSON call", call_key(field))]
    # The fields of a struct may stand for themselves, as if they were the request's own.
    return [*places, *_written(field)] if side.is_request else places


def _request_places(field: Field) -> list[str]:
    places = _written(field)
    written = [a.key.lower() for a in field.annotations if a.key.lower() in sources]
    keys = request_keys(field)
    if any(sources[key].whole for key in written):
        keys = ()
    query = [f"api.query {keys[0]}"] if keys and not written else []
    return list(dict.fromkeys([*places, *query, *(f"in the body as {key!r}" for key in keys)]))


def _written(field: Field) -> list[str]:
    """The sources that annotations name. Clients fill in a path without hearing what its parameters are called."""
    found = [(a.key.lower(), a.value or field.name) for a in field.annotations if a.key.lower() in sources]
    return ["in the path" if key == "api.path" else f"{key} {name}" for key, name in found]


def _key(where: str, key: str | None) -> list[str]:
    return [] if key is None else [f"{where} as {key!r}"]


def _rules(field: Field) -> list[tuple[str, str]]:
    """The rules of a field: by key, what is written."""
    found: dict[str, list[str]] = {}
    for annotation in field.annotations:
        if annotation.key.lower() == VD or annotation.key.lower().startswith(VT):
            found.setdefault(annotation.key.lower(), []).append(annotation.value)
    return [(key, " && ".join(values)) for key, values in found.items()]


def _tighter_vt(before: dict[str, str], after: dict[str, str], key: str) -> Tighter | None:
    if before.get(key) == after.get(key):
        return None
    if key not in after:
        return Tighter.NO
    return Tighter.UNKNOWN if key in before else Tighter.YES


def _handled() -> frozenset[str]:
    """Annotations of fields that are compared by what they mean."""
    return frozenset((*sources, *targets, *json_keys, *_MARKS, VD))


def _noticed(annotations: Annotations, but: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for annotation in annotations:
        key = annotation.key.lower()
        if key.startswith(_NOTICED) and key not in but and not key.startswith(VT):
            found.setdefault(key, []).append(annotation.value)
    return found
