"""What JSON Schema can say of a rule, and of the lengths that rules speak of."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import frozen

from ..descriptor import ListType, MapType, Scalar, ScalarType, SetType, StructType, Type
from .json_schema import ANYTHING, NOTHING, Json, either, negated, tightened


@frozen
class Said:
    """What every value meets that meets the rule.

    :ivar exact: and no other value does, so that nothing is left to be said in words.
    """

    schema: Json
    exact: bool = True


UNSAID = Said(ANYTHING, exact=False)
ALWAYS, NEVER = Said(ANYTHING), Said(NOTHING)


def all_of(each: Iterable[Said]) -> Said:
    schema, exact = ANYTHING, True
    for said in each:
        schema, exact = tightened(schema, said.schema), exact and said.exact
    return Said(schema, exact)


def any_of(each: Iterable[Said]) -> Said:
    each = list(each)
    return Said(either([said.schema for said in each]), all(said.exact for said in each))


def none_of(said: Said) -> Said:
    return Said(negated(said.schema)) if said.exact else UNSAID


@frozen
class Subject:
    """A value that rules speak of, as it stands in a request.

    :ivar raw: binary comes as the bytes of a text, and not as base64.
    """

    type: Type
    raw: bool = False

    @property
    def is_text(self) -> bool:
        return self.type == ScalarType(Scalar.STRING, self.type.annotations)

    @property
    def is_binary(self) -> bool:
        return self.type == ScalarType(Scalar.BINARY, self.type.annotations)


def bytes_between(subject: Subject, least: float, most: float) -> Said:
    """A text or binary of so many bytes: JSON Schema counts characters, of one to four bytes each."""
    if subject.is_binary and not subject.raw:
        return _base64_between(least, most)
    parts = [characters_between(math.ceil(least / 4), most)]
    return Said(all_of(parts).schema, exact=least <= 1 and (most <= 0 or most == math.inf))


def characters_between(least: float, most: float) -> Said:
    return _between(least, most, "minLength", "maxLength")


def _base64_between(least: float, most: float) -> Said:
    """Three bytes, or the one or two that are left over, take four characters."""
    fits = most == math.inf or most % 3 == 0
    said = _between(4 * math.ceil(least / 3), most if most == math.inf else 4 * math.ceil(most / 3), *_OF_TEXT)
    return Said(said.schema, exact=fits and (least <= 0 or least % 3 == 1))


def count_between(subject: Subject, least: float, most: float) -> Said:
    """A container of so many elements."""
    match subject.type:
        case ListType():
            return _between(least, most, "minItems", "maxItems")
        case SetType() | MapType(key=StructType()):
            # What comes twice counts once.
            if most < 0:
                return NEVER
            said = _between(least, 0 if most == 0 else math.inf, "minItems", "maxItems")
            return Said(said.schema, exact=least <= 1 and most in (0, math.inf))
        case MapType():
            return _between(least, most, "minProperties", "maxProperties")
    return UNSAID


_OF_TEXT = ("minLength", "maxLength")


def _between(least: float, most: float, low: str, high: str) -> Said:
    if most < 0:
        return NEVER
    schema: Json = {}
    if least > 0:
        schema[low] = int(least)
    if most != math.inf:
        schema[high] = int(most)
    return Said(schema)
