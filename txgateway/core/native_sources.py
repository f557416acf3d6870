"""What the native codec is to look for in a request, as its rows: sources, keys, and the structs that they fill."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from .annotations import Source
from .annotations.body import Body
from .annotations.cookie import Cookie
from .annotations.form import Form
from .annotations.header import RequestHeader
from .annotations.path import Path
from .annotations.query import Query
from .annotations.raw_body import RawBody
from .annotations.raw_uri import RawUri
from .arguments import Argument
from .codec.structs import ThriftStruct
from .codec.tables import RequestTables, Unsupported
from .descriptor import Field, StructType
from .keys import embeds
from .places import Otherwise, Places, Plain, Wanted, is_demanded, places_of_value, sources_of

if TYPE_CHECKING:
    from .codec._native import Binder, PartRow, PlaceRow

# The kind of a source's text, and the kind that is taken where there is none of it.
_KIND_OF: Mapping[type[Source], tuple[str, str | None]] = {
    Body: ("form", None),
    Cookie: ("cookie", None),
    Form: ("form", "query"),
    Path: ("path", None),
    # One of the two at most is looked at.
    Plain: ("plain", "form"),
    Query: ("query", None),
    RawBody: ("body", None),
    RawUri: ("target", None),
    RequestHeader: ("header", None),
}

_NOWHERE = Places()


@define
class _Slots:
    """The texts that the fields of a method want, each distinct one with a number."""

    _numbers: dict[tuple[str, bytes], int] = field(factory=dict)

    def places(self, sources: Sequence[Source]) -> list[PlaceRow]:
        """The rows of sources; raises Unsupported for one that another package brings."""
        return list(map(self._place, sources))

    def _place(self, source: Source) -> PlaceRow:
        if type(source) not in _KIND_OF:
            raise Unsupported
        kind, otherwise = _KIND_OF[type(source)]
        key = b"" if source.whole else source.key
        behind = None if otherwise is None else self._number(otherwise, key)
        return self._number(kind, key), behind, source.trims, source.whole

    def _number(self, kind: str, key: bytes) -> int:
        return self._numbers.setdefault((kind, key), len(self._numbers))

    def named(self, kind: str) -> list[tuple[bytes, int]]:
        """The names of this kind, with their numbers."""
        return [(key, number) for (each, key), number in self._numbers.items() if each == kind]

    def only(self, kind: str) -> int | None:
        """The number of a kind that has no names."""
        return self._numbers.get((kind, b""))


@frozen
class Sought:
    """What is looked for in the requests of a method.

    :ivar argument: the id of the argument that is a struct; None if it is another value, and ``part`` the arguments.
    :ivar keys: of the JSON body, each with the place of its field; None: the body is the first field's value.
    """

    part: PartRow
    argument: int | None
    keys: Sequence[tuple[str, int]] | None
    slots: _Slots = field(factory=_Slots)

    def binder(self, tables: RequestTables, most: int) -> Binder:
        """What looks for it; raises Unsupported.

        :param most: bytes that the arguments may have.
        """
        keys = [key for key, _ in self.keys or ()]
        if len(set(keys)) < len(keys):
            raise Unsupported
        slots = self.slots
        return tables.native.binder(
            self.part,
            self.argument,
            self.keys,
            tuple(slots.named(kind) for kind in ("query", "plain", "form", "header", "cookie")),  # type: ignore[arg-type]
            [(key.decode(), number) for key, number in slots.named("path")],
            (slots.only("body"), slots.only("target")),
            tables.digits,
            most,
        )


def seek_fields(
    tables: RequestTables,
    cls: type[ThriftStruct],
    argument: int,
    wanted: Sequence[Wanted],
    looked_at: Collection[str],
) -> Sought:
    """A struct's fields, each in its own places; raises Unsupported.

    :param wanted: how each field comes to its value.
    :param looked_at: the fields whose values are needed as Python's.
    """
    for each in wanted:
        # Python would see them as unset, not as what is sent for them.
        if each.field.name in looked_at and (each.inside is not None or each.otherwise is Otherwise.ZERO):
            raise Unsupported
    slots = _Slots()
    part = _part(tables, cls, {each.field.name: each for each in wanted}, looked_at, slots)
    keys = [(key, at) for at, each in enumerate(wanted) for key in each.places.keys]
    return Sought(part, argument, keys, slots)


def _part(
    tables: RequestTables,
    cls: type[ThriftStruct],
    wanted: Mapping[str, Wanted],
    looked_at: Collection[str],
    slots: _Slots,
    is_inside: bool = False,
) -> PartRow:
    fields = [wanted.get(each.name, Wanted(each)) for each in cls.__declaration__.fields]
    hidden = [each.field.name for each in fields if each.otherwise is Otherwise.ZERO]
    inside: list[Any] = [None if each.inside is None else _inside(tables, each, slots) for each in fields]
    return (
        tables.row(cls, hidden, looked_at, exact=not is_inside),
        [slots.places(each.places.before) for each in fields],
        [slots.places(each.places.after) for each in fields],
        inside,
    )


def _inside(tables: RequestTables, wanted: Wanted, slots: _Slots) -> PartRow:
    """The struct that is filled by its own fields' places."""
    assert isinstance(wanted.field.type, StructType)
    assert wanted.inside is not None
    fields = {each.field.name: each for each in wanted.inside}
    return _part(tables, tables.structs[wanted.field.type.name], fields, (), slots, is_inside=True)


def seek_keys(
    tables: RequestTables,
    cls: type[ThriftStruct],
    argument: int,
    key_of: Callable[[Field], str | None],
    looked_at: Collection[str],
) -> Sought:
    """A struct's fields, each by its key in JSON; raises Unsupported.

    :param key_of: None: JSON does not have the field.
    """
    fields = cls.__declaration__.fields
    keys = [(key, at) for at, each in enumerate(fields) if (key := key_of(each)) is not None]
    hidden = [each.name for each in fields if key_of(each) is None and is_demanded(each)]
    if not set(hidden).isdisjoint(looked_at):
        raise Unsupported
    nowhere: list[list[PlaceRow]] = [[] for _ in fields]
    part = (tables.row(cls, hidden, looked_at), nowhere, nowhere, [None for _ in fields])
    return Sought(part, argument, keys)


def seek_value(tables: RequestTables, argument: Argument, *, is_call: bool, looked_at: Collection[str]) -> Sought:
    """An argument that is no struct: a text of its own, or all of the JSON body; raises Unsupported."""
    declared = argument.field
    if embeds(declared):
        raise Unsupported
    slots = _Slots()
    places = _NOWHERE if is_call else places_of_value(declared)
    hidden = [] if is_demanded(declared) else [declared.name]
    part = (
        tables.row(argument.cls, hidden, looked_at),
        [slots.places(places.before)],
        [slots.places(places.after)],
        [None],
    )
    return Sought(part, None, [] if sources_of(declared) and not is_call else None, slots)
