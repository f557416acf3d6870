"""The text of a source to the value of a field, whatever the field's type: scalars, lists, JSON text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from .annotations import Source
from .codec.json_to_thrift import Reader, hashable
from .descriptor import ListType, Scalar, ScalarType, SetType, Type
from .inputs import load_json
from .misfit import Misfit, text
from .text import TextReader, scalar_reader, takes_empty

# Every occurrence of a key to one value; None if they count as absent.
Texts = Callable[[list[bytes]], Any]


def texts(declared: Type, reader: Reader, source: Source, depth: int) -> Texts:
    """What turns the occurrences of a source's key into a value of the type.

    :param reader: reads a JSON value of the type, for what may come as JSON text.
    :param depth: levels of structs and containers that the value may have.
    """
    scalar = scalar_reader(declared)
    if scalar is not None:
        return _scalar(scalar, takes_empty(declared))
    match declared:
        case ListType(ScalarType(Scalar.I8)) if source.whole:
            return _bytes
        case ListType(element) | SetType(element) if not source.whole:
            item = scalar_reader(element)
            if item is not None:
                items = _items(item, _json(reader, depth), source.trims, takes_empty(element))
                return _distinct(items) if isinstance(declared, SetType) else items
    return _json_text(_json(reader, depth))


def _scalar(read: TextReader, empty: bool) -> Texts:
    """Of several occurrences the first counts; an empty text is a value only of a string."""

    def value(found: list[bytes]) -> Any:
        first = found[0]
        return read(first) if first or empty else None

    return value


def _bytes(found: list[bytes]) -> list[int]:
    """A raw body as a list of signed bytes."""
    return [byte - 256 if byte > 127 else byte for byte in found[0]]


def _items(read: TextReader, json: Callable[[bytes], Any], trims: bool, strings: bool) -> Texts:
    """Every occurrence counts, each split at its commas; or a single one is the text of a JSON array."""

    def value(found: list[bytes]) -> list[Any] | None:
        given = [each for each in found if each]
        if not given:
            return None
        if len(given) == 1 and given[0].startswith(b"["):
            try:
                array: list[Any] = json(given[0])
            except Misfit:
                # To a list of strings "[a" is a string like any other.
                if not strings:
                    raise
            else:
                return array
        items = b",".join(given).split(b",")
        if trims:
            items = [item.strip() for item in items]
        values: list[Any] = []
        try:
            values.extend(map(read, items))
        except Misfit as misfit:
            raise misfit.inside(f"[{len(values)}]") from None
        return values

    return value


def _distinct(items: Texts) -> Texts:
    def value(found: list[bytes]) -> list[Any] | None:
        values = items(found)
        return values and list(dict.fromkeys(map(hashable, values)))

    return value


def _json_text(json: Callable[[bytes], Any]) -> Texts:
    return lambda found: json(found[0]) if found[0] else None


def _json(reader: Reader, depth: int) -> Callable[[bytes], Any]:
    def value(found: bytes) -> Any:
        try:
            parsed = load_json(found)
        except orjson.JSONDecodeError:
            raise Misfit("JSON text", text(found)) from None
        # As for any field in a JSON body, null is the absence of a value.
        return None if parsed is None else reader(parsed, depth)

    return value
