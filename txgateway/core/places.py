"""Where in a request the fields of its struct are looked for: binding, explaining and listing go by this alone."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from attrs import frozen

from .annotations import JSON_RANK, Source, marked
from .annotations import sources as known_sources
from .annotations.no_body_struct import NO_BODY_STRUCT
from .annotations.none import NONE
from .descriptor import Field, Requiredness, Schema, StructType, TypeName
from .inputs import Inputs
from .keys import API_BODY, request_keys
from .text import scalar_reader


class Plain(Source):
    """Where a field without any source annotation finds its text: the query, or a form if that is the body."""

    rank = 30
    place = "parameter"

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        return inputs.plain(self.key)


@frozen
class Places:
    """The places of one field, in the order in which they are asked.

    :ivar before: sources of text that go before the JSON body.
    :ivar keys: of the JSON body, in the order in which they are tried.
    :ivar after: sources of text that come last.
    """

    before: tuple[Source, ...] = ()
    keys: tuple[str, ...] = ()
    after: tuple[Source, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.before or self.keys or self.after)


class Otherwise(enum.Enum):
    """What becomes of a field that no place gives a value."""

    # The IDL decides what is sent: its default, the zero value, or nothing.
    UNSET = "unset"
    # As if the zero value, or else the default, had been given.
    ZERO = "zero"
    # The request is refused.
    REFUSED = "refused"


@frozen
class Wanted:
    """How a field comes to its value.

    :ivar places: empty if no request can give it.
    :ivar inside: of a struct that is filled from its fields' own sources, these; None for any other field.
    """

    field: Field
    places: Places = Places()
    otherwise: Otherwise = Otherwise.UNSET
    inside: tuple[Wanted, ...] | None = None


def wanted_of(fields: Sequence[Field], schema: Schema) -> tuple[Wanted, ...]:
    """The fields of a request struct."""
    return tuple(_wanted(field, schema) for field in fields)


def places_of_value(field: Field) -> Places:
    """The places of an argument that is no struct, but for the JSON body, which it may be as a whole."""
    return _places(sources_of(field) or [Plain(field.name)], ())


def sources_of(field: Field) -> list[Source]:
    """The field's sources in the order in which they are asked; of equal ones the written order."""
    found = [
        known_sources[a.key.lower()](a.value or field.name) for a in field.annotations if a.key.lower() in known_sources
    ]
    return sorted(found, key=lambda source: source.rank)


def is_of_body(field: Field) -> bool:
    """Whether the body is where the field is expected, not only where it is looked for at last."""
    sources = sources_of(field)
    return not sources or any(source.of_body and not source.whole for source in sources)


def is_whole(field: Field) -> bool:
    """Whether the field's own sources leave nothing to be looked up in the body."""
    return any(source.whole for source in sources_of(field)) and API_BODY not in field.annotations


def is_demanded(field: Field) -> bool:
    """Whether a request without it is refused."""
    return field.requiredness is Requiredness.REQUIRED and field.default is None


def _wanted(field: Field, schema: Schema) -> Wanted:
    if marked(field, NO_BODY_STRUCT) and isinstance(field.type, StructType):
        return Wanted(field, inside=_bodiless(field.type.name, schema, ()))
    sources, keys = sources_of(field), request_keys(field)
    if marked(field, NONE) or not (sources or keys):
        return Wanted(field, otherwise=Otherwise.ZERO if is_demanded(field) else Otherwise.UNSET)
    places = _places(sources or [Plain(keys[0])], () if is_whole(field) else keys)
    return Wanted(field, places, Otherwise.REFUSED if is_demanded(field) else Otherwise.UNSET)


def _bodiless(name: TypeName, schema: Schema, outer: tuple[TypeName, ...]) -> tuple[Wanted, ...]:
    """The fields of a struct that no body gives; a scalar that their own sources do not give is zero."""
    outer = (*outer, name)
    wanted = []
    for field in schema.structs[name].fields:
        if marked(field, NO_BODY_STRUCT) and isinstance(field.type, StructType):
            if field.type.name not in outer:  # Else it would hold itself without end.
                wanted.append(Wanted(field, inside=_bodiless(field.type.name, schema, outer)))
            continue
        demanded = Otherwise.REFUSED if is_demanded(field) else Otherwise.UNSET
        places = _places([source for source in sources_of(field) if not source.of_body], ())
        wanted.append(Wanted(field, places, demanded if scalar_reader(field.type) is None else Otherwise.ZERO))
    return tuple(wanted)


def _places(sources: Sequence[Source], keys: tuple[str, ...]) -> Places:
    return Places(
        tuple(source for source in sources if source.rank < JSON_RANK),
        keys,
        tuple(source for source in sources if source.rank >= JSON_RANK),
    )
