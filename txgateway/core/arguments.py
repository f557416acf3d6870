"""A method's arguments: one struct, of which the gateway fills the first field."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from .codec.structs import Structs, ThriftStruct
from .codec.walking import DEPTH
from .descriptor import Field, Method, Requiredness, StructType
from .errors import BadRequest
from .misfit import Misfit, Missing

# The arguments struct is one level, what is in it another, and its fields a third.
ARGUMENT_DEPTH = DEPTH - 1
FIELD_DEPTH = DEPTH - 2


class Argument:
    """The argument that is sent; of several that is the first.

    :ivar field: what the IDL says of it.
    :ivar is_struct: whether it is a request struct, as it nearly always is.
    """

    def __init__(self, structs: Structs, method: Method) -> None:
        only = evolve(method, arguments=method.arguments[:1])
        self.field: Field = only.arguments[0]
        self.is_struct = isinstance(self.field.type, StructType)
        self.cls = structs.arguments(only)
        self.attribute = next(iter(self.cls.__names__))
        self._structs = structs

    def holding(self, value: Any) -> ThriftStruct:
        """The arguments with this value."""
        made: ThriftStruct = self.cls.__new__(self.cls)
        setattr(made, self.attribute, value)
        return made

    def absent(self) -> ThriftStruct:
        """The arguments if nothing was given for one that is no struct; raises Missing."""
        if self.field.requiredness is Requiredness.REQUIRED and self.field.default is None:
            raise Missing(self.field.name)
        return self.holding(self._structs.zero(self.field))


def bad_request(misfit: Misfit) -> BadRequest:
    """What the client is told of a value that does not fit."""
    if not misfit.path:
        return BadRequest(f"The body: {misfit}")
    return BadRequest(f"{misfit.source or f'field {misfit.path}'}: {misfit}", field=misfit.path)
