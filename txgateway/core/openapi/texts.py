"""What the text of a parameter or of a form's field may be: the type of its value, or JSON in it."""

from __future__ import annotations

from attrs import frozen

from ..descriptor import EnumType, ListType, Scalar, ScalarType, SetType, Type
from ..keys import embeds
from ..places import Otherwise, Wanted
from ..text import scalar_reader
from .components import REPLY, Direction, Family
from .json_schema import Json, tightened
from .rules import Held
from .types import SCALARS, Types, ruled


@frozen
class TextSchema:
    """
    :ivar demanded: by the IDL, or by a rule: a request without the field is refused.
    :ivar schema: of the value that the text stands for.
    :ivar is_json: the text is the value as JSON.
    :ivar is_list: the text is split at commas, or comes several times.
    """

    demanded: bool
    schema: Json
    is_json: bool = False
    is_list: bool = False


def text_schema(types: Types, wanted: Wanted, held: Held) -> TextSchema:
    """
    :param held: the rules that hold where the field stands.
    """
    field = wanted.field
    element = field.type.element if isinstance(field.type, ListType | SetType) else None
    is_scalar = embeds(field) or scalar_reader(field.type) is not None
    is_list = element is not None and scalar_reader(element) is not None
    is_json = not is_scalar and not is_list
    rules = types.rules.of(field, held, raw=not is_json, is_zero=wanted.otherwise is Otherwise.ZERO)
    demanded = wanted.otherwise is Otherwise.REFUSED or rules.demanded
    if is_json:
        bare = types.bare(field, Family(Direction.REQUEST, held))
    elif element is not None:
        bare = {"type": "array", "items": _scalar(types, element)}
        if demanded:
            bare = tightened(bare, _not_nothing(element))
    else:
        bare = _scalar(types, field.type)
    schema, rules = ruled(bare, rules)
    return TextSchema(demanded, types.told(field, schema, Direction.REQUEST, rules), is_json, is_list)


def _scalar(types: Types, type: Type) -> Json:
    match type:
        case EnumType():
            return types.value(type, REPLY)
        case ScalarType(Scalar.BINARY):
            return {"type": "string"}
        case ScalarType(scalar):
            return SCALARS[scalar]
    raise AssertionError(type)


def _not_nothing(element: Type) -> Json:
    """A list that is there: nothing, and items that are empty each, are as good as no list."""
    some: Json = {"minItems": 1}
    is_text = isinstance(element, ScalarType) and element.scalar in (Scalar.STRING, Scalar.BINARY)
    return {**some, "contains": {"minLength": 1}} if is_text else some
