"""bind: a request to the method's arguments, compiled once per method.

Each field of the request struct becomes one function that looks through the field's
sources in their fixed order and puts the first value it finds into the struct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import frozen

from .annotations import Source, marked
from .annotations.none import NONE
from .arguments import ARGUMENT_DEPTH, FIELD_DEPTH, Argument, bad_request
from .codec.json_to_thrift import JsonReaders, Reader
from .codec.structs import Structs, ThriftStruct, exactly_one
from .descriptor import Field, Method, StructKind, StructType
from .errors import BadRequest
from .inputs import BodyKind, Inputs, PathParameters, parse_json
from .keys import converts, embeds, nested_key, request_keys
from .message import Request
from .misfit import Misfit, Missing
from .places import Otherwise, Wanted, is_of_body, is_whole, places_of_value, sources_of, wanted_of
from .text_values import Texts, texts

Bind = Callable[[Request, PathParameters], ThriftStruct]
# Puts one field of the struct, if the request gives it; raises Misfit.
Fill = Callable[[Inputs, ThriftStruct], None]


class Binders:
    """Makes the binders of one schema's methods."""

    def __init__(self, structs: Structs) -> None:
        self._structs = structs
        self._readers = JsonReaders(structs, nested_key, converts, embeds=embeds)

    def route(self, method: Method) -> Bind:
        """Binds a request to the method's arguments by the annotations of the IDL."""
        if not method.arguments:
            nothing = self._structs.arguments(method)()
            return lambda request, path: nothing
        argument = Argument(self._structs, method)
        if isinstance(argument.field.type, StructType):
            return _bind_struct(argument, self._structs[argument.field.type.name], self._structs, self._readers)
        return _bind_value(argument, self._readers)


def named(reader: Reader, name: str) -> Reader:
    """A reader whose misfits tell the name of what is read."""

    def read(value: Any, depth: int) -> Any:
        try:
            return reader(value, depth)
        except Misfit as misfit:
            raise misfit.inside(name) from None

    return read


def _bind_value(argument: Argument, readers: JsonReaders) -> Bind:
    """The argument is no struct: it has a source of its own, or it is the whole JSON body, or a parameter."""
    field = argument.field
    sources = sources_of(field)
    fill = _filler(argument.attribute, Wanted(field, places_of_value(field)), readers)
    read_whole = None if sources else named(readers.field(field), field.name)
    read_body = value_body_reader(field)

    def bind(request: Request, path: PathParameters) -> ThriftStruct:
        inputs = Inputs(request, path)
        made = argument.cls.__new__(argument.cls)
        try:
            if read_whole is None or inputs.kind is not BodyKind.JSON:
                read_body(inputs)
                fill(inputs, made)
            elif (value := parse_json(request.body)) is not None:
                setattr(made, argument.attribute, read_whole(value, ARGUMENT_DEPTH))
            return made if made.__dict__ else argument.absent()
        except Misfit as misfit:
            raise bad_request(misfit) from None

    return bind


def value_body_reader(field: Field) -> Callable[[Inputs], None]:
    """As :func:`body_reader`, for an argument that is no struct, where it is not the JSON body as a whole."""
    takes_form = is_of_body(field)
    takes_any = not takes_form or any(source.of_body and source.whole for source in sources_of(field))

    def read(inputs: Inputs) -> None:
        if not takes_any:
            inputs.refuse_other()
        if takes_form:
            inputs.read_form()

    return read


def _bind_struct(argument: Argument, cls: type[ThriftStruct], structs: Structs, readers: JsonReaders) -> Bind:
    arguments, attribute = argument.cls, argument.attribute
    struct = cls.__declaration__
    fields = zip(cls.__names__, wanted_of(struct.fields, structs.schema), strict=True)
    fills = tuple(fill for name, wanted in fields for fill in _fills(name, wanted, structs, readers))
    read_body = body_reader(struct.fields)
    union = struct.name.name if struct.kind is StructKind.UNION else ""

    def bind(request: Request, path: PathParameters) -> ThriftStruct:
        inputs = Inputs(request, path)
        if inputs.kind is not BodyKind.NONE:
            read_body(inputs)
        made = cls.__new__(cls)
        try:
            for fill in fills:
                fill(inputs, made)
            if union:
                exactly_one(made, union)
        except Misfit as misfit:
            raise bad_request(misfit) from None
        bound = arguments.__new__(arguments)
        setattr(bound, attribute, made)
        return bound

    return bind


@frozen
class _BodyNeeds:
    """What a method's fields want of a body, by which one that cannot be read is judged."""

    json: bool
    plain: bool
    raw: bool


def body_reader(fields: Iterable[Field]) -> Callable[[Inputs], None]:
    """Reads the body as far as the fields can use it; raises BadRequest or UnsupportedBody."""
    fields = [field for field in fields if not marked(field, NONE)]
    needs = _BodyNeeds(
        json=any(request_keys(field) and not is_whole(field) for field in fields),
        plain=any(is_of_body(field) for field in fields),
        raw=any(source.of_body and source.whole for field in fields for source in sources_of(field)),
    )

    def read(inputs: Inputs) -> None:
        if inputs.kind is BodyKind.OTHER and needs.plain and not needs.raw:
            inputs.refuse_other()
        try:
            inputs.read_form()
            if inputs.kind is BodyKind.JSON and needs.json:
                inputs.read_json()
        except BadRequest:
            # Whoever takes a body as it is takes any; unless it was announced as JSON or
            # a form, and other fields wait for what is in it.
            announced = inputs.request.header(b"content-type") is not None
            if not needs.raw or (needs.plain and announced):
                raise

    return read


def _fills(attribute: str, wanted: Wanted, structs: Structs, readers: JsonReaders) -> Iterator[Fill]:
    if wanted.inside is not None:
        yield _bodiless(attribute, wanted, structs, readers)
        return
    if wanted.otherwise is Otherwise.ZERO:
        yield _constant(attribute, structs.zero(wanted.field))
    if wanted.places or wanted.otherwise is Otherwise.REFUSED:
        yield _filler(attribute, wanted, readers)


def _constant(attribute: str, value: object) -> Fill:
    return lambda inputs, made: setattr(made, attribute, value)


def _bodiless(attribute: str, wanted: Wanted, structs: Structs, readers: JsonReaders) -> Fill:
    """Fills a struct from its fields' own sources."""
    assert isinstance(wanted.field.type, StructType)
    name, cls = wanted.field.name, structs[wanted.field.type.name]
    attributes = {label: inner for inner, label in cls.__names__.items()}
    inside = wanted.inside or ()
    fills = [fill for each in inside for fill in _fills(attributes[each.field.name], each, structs, readers)]

    def fill(inputs: Inputs, made: ThriftStruct) -> None:
        filled = cls.__new__(cls)
        try:
            for each in fills:
                each(inputs, filled)
        except Misfit as misfit:
            raise misfit.inside(name) from None
        setattr(made, attribute, filled)

    return fill


def _filler(attribute: str, wanted: Wanted, readers: JsonReaders) -> Fill:
    """Fills one field from the first of its places that has a value."""
    field, keys = wanted.field, wanted.places.keys
    name = field.name
    reader = readers.field(field)
    # The text of an embedded field is a text, whatever it holds.
    early, late = (
        tuple(_taker(source, field, reader) for source in sources)
        for sources in (wanted.places.before, wanted.places.after)
    )
    required = wanted.otherwise is Otherwise.REFUSED

    def fill(inputs: Inputs, made: ThriftStruct) -> None:
        for take in early:
            value = take(inputs)
            if value is not None:
                setattr(made, attribute, value)
                return
        for key in keys:
            item = inputs.json.get(key)
            if item is not None:
                try:
                    setattr(made, attribute, reader(item, FIELD_DEPTH))
                except Misfit as misfit:
                    raise misfit.inside(name) from None
                return
        for take in late:
            value = take(inputs)
            if value is not None:
                setattr(made, attribute, value)
                return
        if required:
            raise Missing(name)

    return fill


def _taker(source: Source, field: Field, reader: Reader) -> Callable[[Inputs], Any]:
    """Gives the field's value from one source; None: it has none."""
    name, occurrences = field.name, source.occurrences
    read: Texts = texts(field.type, reader, source, FIELD_DEPTH)

    def take(inputs: Inputs) -> Any:
        found = occurrences(inputs)
        if found is None:
            return None
        try:
            return read(found)
        except Misfit as misfit:
            misfit.source = misfit.source or str(source)
            raise misfit.inside(name) from None

    return take
