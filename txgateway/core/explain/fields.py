"""Where the value of each field came from: the binder's own description of the fields, read aloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from attrs import evolve, frozen

from ..annotations import Source
from ..arguments import ARGUMENT_DEPTH, FIELD_DEPTH, Argument, bad_request
from ..binding import body_reader, value_body_reader
from ..call_binding import body_parser, call_body
from ..codec.json_to_thrift import JsonReaders
from ..codec.structs import Structs, ThriftStruct, exactly_one, inner_structs
from ..descriptor import Field, ListType, Method, Scalar, ScalarType, SetType, Struct, StructKind, StructType, Type
from ..errors import BadRequest, UnsupportedBody
from ..inputs import BodyKind, Inputs, PathParameters, parse_json
from ..keys import call_argument_key, converts, embeds, nested_key
from ..message import Request
from ..misfit import Misfit
from ..places import Otherwise, Places, Wanted, is_demanded, places_of_value, sources_of, wanted_of
from ..sensitive import Sensitive
from ..text import scalar_reader
from ..text_values import texts
from .hiding import is_hidden, is_told_of_in_parts
from .story import HIDDEN, Fate, FieldStory, Look, Unused
from .values import json_text, value_text
from .words import SHOWN, printable, shortened, similar

# So many fields are told of, of an array so many elements, and so many levels.
MOST_FIELDS = 200
MOST_ELEMENTS = 3
MOST_LEVELS = 8
# So many names that no field takes are told of.
MOST_UNUSED = 20

# A source of text, or a key of the JSON body.
Place = Source | str


@frozen
class Told:
    """What a request gives the fields of its method.

    :ivar arguments: None if it cannot be bound.
    """

    fields: tuple[FieldStory, ...] = ()
    unused: tuple[Unused, ...] = ()
    arguments: ThriftStruct | None = None


def tell_route(
    structs: Structs, method: Method, sensitive: Sensitive | None, request: Request, path: PathParameters
) -> Told:
    """The fields of a request by a route."""
    if not method.arguments:
        return Told(arguments=structs.arguments(method)())
    readers = JsonReaders(structs, nested_key, converts, embeds=embeds)
    argument, inputs = Argument(structs, method), Inputs(request, path)
    teller = _RouteTeller(structs, readers, nested_key, sensitive, inputs)
    with suppress(BadRequest, UnsupportedBody):
        return teller.struct(argument) if argument.is_struct else teller.value(argument)
    # The body is refused as a whole.
    return Told()


def tell_call(structs: Structs, method: Method, sensitive: Sensitive | None, request: Request, enveloped: bool) -> Told:
    """The fields of a JSON call."""
    if not method.arguments:
        return Told(arguments=structs.arguments(method)())
    readers = JsonReaders(structs, call_argument_key, converts, digits=True, embeds=embeds)
    argument = Argument(structs, method)
    with suppress(BadRequest):
        body = call_body(request, enveloped)
        value = body_parser(argument.field)(body) if body else None
        return _Teller(structs, readers, call_argument_key, sensitive).whole(argument, value)
    return Told()


@frozen
class _Found:
    """A field's story, and what the field is set to; ``fails`` if the request is refused for it."""

    story: FieldStory
    value: Any = None
    fails: bool = False


class _Teller:
    """Tells of fields that JSON gives.

    :param key_of: the key of a field in an object that becomes a struct.
    """

    def __init__(
        self,
        structs: Structs,
        readers: JsonReaders,
        key_of: Callable[[Field], str | None],
        sensitive: Sensitive | None,
    ) -> None:
        self._structs = structs
        self._readers = readers
        self._key_of = key_of
        self._sensitive = sensitive
        self._left = MOST_FIELDS

    def whole(self, argument: Argument, value: Any) -> Told:
        """The argument is the JSON value as a whole."""
        field, hides = argument.field, self._hides(argument.field)
        if not isinstance(field.type, StructType):
            return self._only(argument, self._whole_value(field, value, hides))
        value = {} if value is None else value
        fields = self._inside(field.type, value, "", hides)
        unused = self._unused_keys(self._structs.schema.structs[field.type.name], value)
        with suppress(Misfit):
            return Told(fields, unused, argument.holding(self._readers.field(field)(value, ARGUMENT_DEPTH)))
        return Told(fields, unused)

    def _whole_value(self, field: Field, value: Any, hides: bool) -> _Found:
        look = Look("JSON body", None if value is None else self._seen(json_text(value), field, hides))
        if value is None:
            found = self._unset(None, Wanted(field, otherwise=_of_value(field)), field.name, hides)
        else:
            found = self._read(field, value, field.name, hides, ARGUMENT_DEPTH)
        return _looked(found, [look])

    def _only(self, argument: Argument, found: _Found) -> Told:
        return Told((found.story,), arguments=None if found.fails else argument.holding(found.value))

    def _unused_keys(self, struct: Struct, value: Any) -> tuple[Unused, ...]:
        known = [key for field in struct.fields if (key := self._key_of(field)) is not None]
        return _unused("JSON key", value if isinstance(value, dict) else (), known)

    def _read(self, field: Field, item: Any, path: str, hides: bool, depth: int) -> _Found:
        """What a JSON value gives."""
        conversion = f"{_json_kind(item)} to {_target(field)}"
        inside = self._inside(field.type, item, path, hides)
        try:
            value = self._readers.field(field)(item, depth)
        except Misfit as misfit:
            return self._misfit(field, path, misfit, conversion, inside)
        return self._given(field, path, value, conversion, hides, inside)

    def _given(
        self, field: Field, path: str, value: Any, conversion: str, hides: bool, inside: tuple[FieldStory, ...] = ()
    ) -> _Found:
        shown = self._shown(value, field, hides)
        return _Found(_story(field, path, Fate.GIVEN, conversion=conversion, value=shown, inside=inside), value)

    def _misfit(
        self, field: Field, path: str, misfit: Misfit, conversion: str, inside: tuple[FieldStory, ...] = ()
    ) -> _Found:
        """In the words that the client gets."""
        error = bad_request(misfit.inside(path))
        note = (error if self._sensitive is None else self._sensitive.hidden(error)).detail
        story = _story(field, path, Fate.MISFIT, conversion=conversion, note=note, inside=inside)
        return _Found(story, fails=True)

    def _unset(self, struct: Struct | None, wanted: Wanted, path: str, hides: bool) -> _Found:
        """Nothing gives the field a value.

        :param struct: whose field it is; None for an argument that is no struct.
        """
        field = wanted.field
        if wanted.otherwise is Otherwise.REFUSED:
            return _Found(_story(field, path, Fate.MISSING, note="it is required"), fails=True)
        is_set = struct is None or wanted.otherwise is Otherwise.ZERO
        value = self._structs.zero(field) if is_set or struct is None else self._structs.rest(struct, field)
        if value is None:
            return _Found(_story(field, path, Fate.ABSENT))
        fate = Fate.ZERO if field.default is None else Fate.DEFAULT
        return _Found(_story(field, path, fate, value=self._shown(value, field, hides)), value if is_set else None)

    def _seen(self, text: str, field: Field, hides: bool) -> str:
        """What was found for a field."""
        return HIDDEN if hides or is_told_of_in_parts(field, self._sensitive) else text

    def _hides(self, field: Field) -> bool:
        return is_hidden(field, self._sensitive)

    def _shown(self, value: Any, field: Field, hides: bool) -> str:
        return HIDDEN if hides else value_text(value, field.type, self._structs.schema)

    # What JSON holds inside

    def _inside(self, declared: Type, item: Any, path: str, hides: bool) -> tuple[FieldStory, ...]:
        return tuple(self._parts(declared, item, path, hides))

    def _parts(self, declared: Type, item: Any, path: str, hides: bool) -> Iterator[FieldStory]:
        """The fields of an object that becomes a struct, or of the first such objects of an array."""
        match declared:
            case StructType(name) if isinstance(item, dict) and path.count(".") < MOST_LEVELS:
                struct = self._structs.schema.structs[name]
                for field in struct.fields:
                    self._left -= 1
                    if self._left >= 0:
                        yield self._part(struct, field, item, path, hides or self._hides(field))
            case ListType(element) | SetType(element) if isinstance(item, list) and any(inner_structs(element)):
                for number, each in enumerate(item[:MOST_ELEMENTS]):
                    yield from self._parts(element, each, f"{path}[{number}]", hides)

    def _part(self, struct: Struct, field: Field, item: dict[str, Any], path: str, hides: bool) -> FieldStory:
        path, key = _below(path, field), self._key_of(field)
        if key is None:
            otherwise = Otherwise.ZERO if is_demanded(field) else Otherwise.UNSET
            return _looked(self._unset(struct, Wanted(field, otherwise=otherwise), path, hides), []).story
        value = item.get(key)
        look = Look(_place(key), None if value is None else self._seen(json_text(value), field, hides))
        if value is None:
            otherwise = Otherwise.REFUSED if is_demanded(field) else Otherwise.UNSET
            return _looked(self._unset(struct, Wanted(field, otherwise=otherwise), path, hides), [look]).story
        return _looked(self._read(field, value, path, hides, FIELD_DEPTH), [look]).story


class _RouteTeller(_Teller):
    """Tells of fields that any part of a request may give."""

    def __init__(
        self,
        structs: Structs,
        readers: JsonReaders,
        key_of: Callable[[Field], str | None],
        sensitive: Sensitive | None,
        inputs: Inputs,
    ) -> None:
        super().__init__(structs, readers, key_of, sensitive)
        self._inputs = inputs

    def struct(self, argument: Argument) -> Told:
        assert isinstance(argument.field.type, StructType)
        cls = self._structs[argument.field.type.name]
        fields = cls.__declaration__.fields
        if self._inputs.kind is not BodyKind.NONE:
            body_reader(fields)(self._inputs)
        wanted = wanted_of(fields, self._structs.schema)
        stories, made = self._filled(cls, wanted, "", self._hides(argument.field))
        return Told(stories, self._all_unused(wanted), None if made is None else argument.holding(made))

    def value(self, argument: Argument) -> Told:
        field, hides = argument.field, self._hides(argument.field)
        if self._inputs.kind is BodyKind.JSON and not sources_of(field):
            return self._only(argument, self._whole_value(field, parse_json(self._inputs.request.body), hides))
        value_body_reader(field)(self._inputs)
        wanted = Wanted(field, places_of_value(field), _of_value(field))
        return self._only(argument, self._asked(None, wanted, field.name, hides))

    def _filled(
        self, cls: type[ThriftStruct], wanted: Iterable[Wanted], path: str, hides: bool
    ) -> tuple[tuple[FieldStory, ...], ThriftStruct | None]:
        """The stories of these fields, and the struct that they make; None if the request is refused."""
        struct = cls.__declaration__
        attributes = {label: attribute for attribute, label in cls.__names__.items()}
        made: ThriftStruct = cls.__new__(cls)
        found = {each.field.name: self._found(struct, each, _below(path, each.field), hides) for each in wanted}
        for name, each in found.items():
            if each.value is not None:
                setattr(made, attributes[name], each.value)
        stories = tuple(each.story for each in found.values())
        fails = any(each.fails for each in found.values()) or (not path and _is_bad_union(made))
        return stories, None if fails else made

    def _found(self, struct: Struct, wanted: Wanted, path: str, hides: bool) -> _Found:
        hides = hides or self._hides(wanted.field)
        if wanted.inside is None:
            return self._asked(struct, wanted, path, hides)
        assert isinstance(wanted.field.type, StructType)
        stories, made = self._filled(self._structs[wanted.field.type.name], wanted.inside, path, hides)
        story = _story(wanted.field, path, Fate.GIVEN, note="filled from its fields' own sources", inside=stories)
        return _Found(story, made, fails=made is None)

    def _asked(self, struct: Struct | None, wanted: Wanted, path: str, hides: bool) -> _Found:
        """Asks one place after the other, as the binder does; once there is a value, the others are only looked at."""
        found: _Found | None = None
        looks = []
        for place in _in_order(wanted.places):
            here, look = self._look(wanted.field, place, path, hides, asked=found is None)
            looks.append(look)
            found = found or here
        return _looked(found or self._unset(struct, wanted, path, hides), looks)

    def _look(self, field: Field, place: Place, path: str, hides: bool, asked: bool) -> tuple[_Found | None, Look]:
        if isinstance(place, str):
            item = self._inputs.json.get(place)
            if item is None:
                note = "null counts as nothing" if place in self._inputs.json else ""
                return None, Look(_place(place), None, asked, note)
            found = self._read(field, item, path, hides, FIELD_DEPTH) if asked else None
            return found, Look(_place(place), self._seen(json_text(item), field, hides), asked)
        occurrences = place.occurrences(self._inputs)
        if occurrences is None:
            return None, Look(_place(place), None, asked)
        found = self._taken(field, place, occurrences, path, hides) if asked else None
        note = "an empty text counts as nothing" if asked and found is None else ""
        return found, Look(
            self._whence(place, occurrences), self._seen(_joined(occurrences), field, hides), asked, note
        )

    def _whence(self, source: Source, occurrences: list[bytes]) -> str:
        """Some sources look at two places."""
        for place, pairs in (("query parameter", self._inputs.query), ("form field", self._inputs.form)):
            if occurrences is pairs.get(source.key):
                return f"{place} {source.name!r}"
        return str(source)

    def _taken(self, field: Field, source: Source, occurrences: list[bytes], path: str, hides: bool) -> _Found | None:
        """What the texts of a source give; None if they count as nothing."""
        conversion = f"{_texts_kind(field.type, source, occurrences)} to {_target(field)}"
        try:
            value = texts(field.type, self._readers.field(field), source, FIELD_DEPTH)(occurrences)
        except Misfit as misfit:
            misfit.source = misfit.source or str(source)
            return self._misfit(field, path, misfit, conversion)
        return None if value is None else self._given(field, path, value, conversion, hides)

    def _all_unused(self, wanted: tuple[Wanted, ...]) -> tuple[Unused, ...]:
        """What the query, a form or the JSON object has that nobody looks at."""
        places = [place for each in wanted for place in _all_places(each)]
        asked = [place for place in places if isinstance(place, Source)]
        keys = [place for place in places if isinstance(place, str)]
        names = [source.name for source in asked]
        held = [source.occurrences(self._inputs) for source in asked]
        taken = set(map(id, held))
        left = [
            (place, printable(name))
            for place, pairs in (("query parameter", self._inputs.query), ("form field", self._inputs.form))
            for name, values in pairs.items()
            if id(values) not in taken
        ]
        of_text = (Unused(place, name, similar(name, names)) for place, name in left[:MOST_UNUSED])
        return (*of_text, *_unused("JSON key", self._inputs.json, keys))[:MOST_UNUSED]


def _is_bad_union(made: ThriftStruct) -> bool:
    if made.__declaration__.kind is not StructKind.UNION:
        return False
    try:
        exactly_one(made, "")
    except Misfit:
        return True
    return False


def _of_value(argument: Field) -> Otherwise:
    """What becomes of an argument that is no struct and was not given."""
    return Otherwise.REFUSED if is_demanded(argument) else Otherwise.ZERO


def _in_order(places: Places) -> tuple[Place, ...]:
    return (*places.before, *places.keys, *places.after)


def _all_places(wanted: Wanted) -> Iterator[Place]:
    yield from _in_order(wanted.places)
    for each in wanted.inside or ():
        yield from _all_places(each)


def _unused(place: str, names: Iterable[str], known: list[str]) -> tuple[Unused, ...]:
    left = islice((name for name in names if name not in known), MOST_UNUSED)
    return tuple(Unused(place, shortened(name), similar(name, known)) for name in left)


def _below(path: str, field: Field) -> str:
    return f"{path}.{field.name}" if path else field.name


def _story(field: Field, path: str, fate: Fate, **more: Any) -> FieldStory:
    return FieldStory(path, str(field.type), field.requiredness.value, fate, **more)


def _looked(found: _Found, looks: list[Look]) -> _Found:
    note = found.story.note or ("" if looks else "no request can give it")
    return evolve(found, story=evolve(found.story, looks=tuple(looks), note=note))


# Words


def _place(place: Place) -> str:
    return f"JSON key {place!r}" if isinstance(place, str) else str(place)


def _joined(occurrences: list[bytes]) -> str:
    return shortened(", ".join(map(printable, occurrences[:SHOWN])))


def _texts_kind(declared: Type, source: Source, occurrences: list[bytes]) -> str:
    if scalar_reader(declared) is not None:
        return "text" if len(occurrences) == 1 else f"the first of {len(occurrences)} texts"
    is_json = occurrences[0][:1] in (b"[", b"{")
    if isinstance(declared, ListType | SetType) and not is_json:
        return "bytes" if source.whole else "text, split at commas,"
    return "JSON text"


def _json_kind(item: Any) -> str:
    match item:
        case bool():
            return "JSON bool"
        case int() | float():
            return "JSON number"
        case str():
            return "JSON string"
        case list():
            return "JSON array"
    return "JSON object"


def _target(field: Field) -> str:
    if embeds(field):
        return "its own text (tgw.body_dynamic)"
    if isinstance(field.type, ScalarType) and field.type.scalar is Scalar.BINARY:
        return "binary"
    return f"{field.type} (api.js_conv)" if converts(field) else str(field.type)
