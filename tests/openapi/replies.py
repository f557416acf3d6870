"""Random replies that an IDL allows."""

from __future__ import annotations

from random import Random
from typing import Any

from txgateway.core.codec.binary import encode
from txgateway.core.codec.structs import Structs
from txgateway.core.descriptor import (
    EnumType,
    Field,
    ListType,
    MapType,
    Method,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
    TypeName,
)
from txgateway.core.text import RANGES

# So deep do structs hold others.
LEVELS = 4
_LETTERS = "abc xyz0189-_.,;'\"\\/äß图\U0001f4d6"


class Replies:
    """Makes replies to the methods of one schema."""

    def __init__(self, schema: Schema, seed: int) -> None:
        self._structs = Structs(schema)
        self._random = Random(seed)

    def to(self, method: Method) -> bytes:
        """The bytes of a result, or of one of the declared exceptions."""
        cls = self._structs.result(method)
        if not method.throws or self._random.random() < 0.6:
            chosen = [] if method.result is None else [cls.__declaration__.fields[0]]
        else:
            chosen = [self._random.choice(cls.__declaration__.fields[-len(method.throws) :])]
        names = {label: attribute for attribute, label in cls.__names__.items()}
        return encode(cls(**{names[each.name]: self._value(each.type, LEVELS) for each in chosen}))

    def _struct(self, name: TypeName, levels: int) -> Any:
        cls = self._structs[name]
        attributes = dict(zip((field.name for field in cls.__declaration__.fields), cls.__names__, strict=True))
        chosen = [field for field in cls.__declaration__.fields if self._is_set(field, levels)]
        if cls.__declaration__.kind is StructKind.UNION:
            chosen = [self._random.choice(cls.__declaration__.fields)]
        made = cls.__new__(cls)
        for field in chosen:
            setattr(made, attributes[field.name], self._of_field(cls.__declaration__, field, levels - 1))
        return made

    def _is_set(self, field: Field, levels: int) -> bool:
        return field.requiredness is not Requiredness.OPTIONAL or (levels > 0 and self._random.random() < 0.5)

    def _of_field(self, struct: Struct, field: Field, levels: int) -> Any:
        if "api.http_code" in field.annotations:
            statuses = [0, 404, 409, 410] if struct.kind is StructKind.EXCEPTION else [0, 200, 201, 204, 404]
            return self._random.choice(statuses)
        if "api.header" in field.annotations or "api.cookie" in field.annotations:
            value = self._value(field.type, levels, letters="abc019-_.")
            # To who reads headers an empty list is no list.
            return [7] if value == [] else value
        return self._value(field.type, levels)

    def _value(self, type: Type, levels: int, letters: str = _LETTERS) -> Any:
        random = self._random
        match type:
            case ScalarType(Scalar.BOOL):
                return random.random() < 0.5
            case ScalarType(Scalar.DOUBLE):
                return random.choice([0.0, 1.5, -2.0, 1e300, random.uniform(-10, 10)])
            case ScalarType(Scalar.STRING):
                return "".join(random.choices(letters, k=random.randrange(6)))
            case ScalarType(Scalar.BINARY):
                return random.randbytes(random.randrange(6))
            case ScalarType(scalar):
                return random.choice([0, 1, *RANGES[scalar], random.randint(*RANGES[scalar])])
            case EnumType():
                return random.choice([1, 2, 5, 77])
            case StructType(name):
                return self._struct(name, levels)
            case ListType(element) | SetType(element):
                count = range(random.randrange(3) if levels > 0 else 0)
                return [self._value(element, levels - 1, letters) for _ in count]
            case MapType(key, value):
                count = range(random.randrange(3) if levels > 0 else 0)
                return {self._value(key, levels - 1): self._value(value, levels - 1) for _ in count}
