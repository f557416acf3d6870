"""bind: a request to the method's arguments, compiled once per method.

Each field of the request struct becomes one function that looks through the field's
sources in their fixed order and puts the first value it finds into the struct.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from .annotations import JSON_RANK, Source, marked
from .annotations import sources as known_sources
from .annotations.no_body_struct import NO_BODY_STRUCT
from .annotations.none import NONE
from .arguments import ARGUMENT_DEPTH, FIELD_DEPTH, Argument, bad_request
from .codec.json_to_thrift import JsonReaders, Reader
from .codec.structs import Structs, ThriftStruct, exactly_one
from .descriptor import Field, Method, Requiredness, StructKind, StructType, TypeName
from .errors import BadRequest
from .inputs import BodyKind, Inputs, PathParameters, parse_json
from .keys import API_BODY, converts, embeds, nested_key, request_keys
from .message import Request
from .misfit import Misfit, Missing
from .text import scalar_reader
from .text_values import Texts, texts

Bind = Callable[[Request, PathParameters], ThriftStruct]
# Puts one field of the struct, if the request gives it; raises Misfit.
Fill = Callable[[Inputs, ThriftStruct], None]


class Plain(Source):
    """Where a field without any source annotation finds its text: the query, or a form if that is the body."""

    rank = 30
    place = "parameter"

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        return inputs.plain(self.key)


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
    sources = _sources(field)
    optional = evolve(field, requiredness=Requiredness.OPTIONAL)
    fill = _filler(argument.attribute, optional, readers, sources or [Plain(field.name)], keys=())
    read_whole = None if sources else named(readers.field(field), field.name)
    takes_form = _is_of_body(field)
    takes_any = not takes_form or any(source.of_body and source.whole for source in sources)

    def bind(request: Request, path: PathParameters) -> ThriftStruct:
        inputs = Inputs(request, path)
        made = argument.cls.__new__(argument.cls)
        try:
            if read_whole is None or inputs.kind is not BodyKind.JSON:
                if not takes_any:
                    inputs.refuse_other()
                if takes_form:
                    inputs.read_form()
                fill(inputs, made)
            elif (value := parse_json(request.body)) is not None:
                setattr(made, argument.attribute, read_whole(value, ARGUMENT_DEPTH))
            return made if made.__dict__ else argument.absent()
        except Misfit as misfit:
            raise bad_request(misfit) from None

    return bind


def _bind_struct(argument: Argument, cls: type[ThriftStruct], structs: Structs, readers: JsonReaders) -> Bind:
    arguments, attribute = argument.cls, argument.attribute
    struct = cls.__declaration__
    fields = zip(cls.__names__, struct.fields, strict=True)
    fills = tuple(_field(name, field, structs, readers) for name, field in fields)
    read_body = _body_reader([field for field in struct.fields if not marked(field, NONE)])
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


def _body_reader(fields: list[Field]) -> Callable[[Inputs], None]:
    """Reads the body as far as the fields can use it; raises BadRequest or UnsupportedBody."""
    needs = _BodyNeeds(
        json=any(request_keys(field) and not _is_whole(field) for field in fields),
        plain=any(_is_of_body(field) for field in fields),
        raw=any(source.of_body and source.whole for field in fields for source in _sources(field)),
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


def _is_of_body(field: Field) -> bool:
    """Whether the body is where the field is expected, not only where it is looked for at last."""
    sources = _sources(field)
    return not sources or any(source.of_body and not source.whole for source in sources)


def _is_whole(field: Field) -> bool:
    """Whether the field's own sources leave nothing to be looked up in the body."""
    return any(source.whole for source in _sources(field)) and API_BODY not in field.annotations


def _sources(field: Field) -> list[Source]:
    """The field's sources in the order in which they are asked; of equal ones the written order."""
    found = [
        known_sources[a.key.lower()](a.value or field.name) for a in field.annotations if a.key.lower() in known_sources
    ]
    return sorted(found, key=lambda source: source.rank)


def _field(attribute: str, field: Field, structs: Structs, readers: JsonReaders) -> Fill:
    if marked(field, NO_BODY_STRUCT) and isinstance(field.type, StructType):
        return _bodiless(attribute, field, structs, readers, ())
    sources = _sources(field)
    keys = request_keys(field)
    if marked(field, NONE) or not (sources or keys):
        return _hidden(attribute, field, structs)
    if not sources:
        sources = [Plain(keys[0])]
    return _filler(attribute, field, readers, sources, () if _is_whole(field) else keys)


def _hidden(attribute: str, field: Field, structs: Structs) -> Fill:
    """A field that no request can give; one that is required is sent as zero."""
    if field.requiredness is not Requiredness.REQUIRED or field.default is not None:
        return _nothing
    return _constant(attribute, structs.zero(field))


def _nothing(inputs: Inputs, made: ThriftStruct) -> None:
    """The field keeps its rest value."""


def _constant(attribute: str, value: object) -> Fill:
    return lambda inputs, made: setattr(made, attribute, value)


def _bodiless(
    attribute: str, field: Field, structs: Structs, readers: JsonReaders, outer: tuple[TypeName, ...]
) -> Fill:
    """Fills a struct from its fields' own sources; a scalar that they do not give is zero."""
    assert isinstance(field.type, StructType)
    name, outer = field.name, (*outer, field.type.name)
    cls = structs[field.type.name]
    fills: list[Fill] = []
    for inner, each in zip(cls.__names__, cls.__declaration__.fields, strict=True):
        if marked(each, NO_BODY_STRUCT) and isinstance(each.type, StructType):
            if each.type.name not in outer:  # Else it would hold itself without end.
                fills.append(_bodiless(inner, each, structs, readers, outer))
            continue
        if scalar_reader(each.type) is not None:
            fills.append(_constant(inner, structs.zero(each)))
            each = evolve(each, requiredness=Requiredness.OPTIONAL)
        sources = [source for source in _sources(each) if not source.of_body]
        fills.append(_filler(inner, each, readers, sources, keys=()))

    def fill(inputs: Inputs, made: ThriftStruct) -> None:
        inside = cls.__new__(cls)
        try:
            for each in fills:
                each(inputs, inside)
        except Misfit as misfit:
            raise misfit.inside(name) from None
        setattr(made, attribute, inside)

    return fill


def _filler(attribute: str, field: Field, readers: JsonReaders, sources: list[Source], keys: tuple[str, ...]) -> Fill:
    """Fills one field from the first of its sources that has a value, the JSON body after most of those of text."""
    name = field.name
    reader = readers.field(field)
    # The text of an embedded field is a text, whatever it holds.
    early = tuple(_taker(source, field, reader) for source in sources if source.rank < JSON_RANK)
    late = tuple(_taker(source, field, reader) for source in sources if source.rank >= JSON_RANK)
    required = field.requiredness is Requiredness.REQUIRED and field.default is None

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
