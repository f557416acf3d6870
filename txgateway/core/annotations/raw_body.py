"""``api.raw_body``: the whole body as it is, both ways."""

from __future__ import annotations

from collections.abc import Callable

from ..descriptor import EnumType, ListType, Scalar, ScalarType, Type
from ..inputs import Inputs
from ..text import written
from . import Head, Source, Target, marks, sources, targets

marks.register("api.raw_body")("the whole body")


@sources.register("api.raw_body")
class RawBody(Source):
    rank = 70
    place = "raw body"
    of_body = True
    whole = True

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        body = inputs.request.body
        return [body] if body else None


@targets.register("api.raw_body")
class RawResponse(Target):
    """Then no other field is in the body."""

    def __init__(self, key: str, declared: Type, as_json: Callable[[object], bytes]) -> None:
        super().__init__(key, declared, as_json)
        match declared:
            case ScalarType() | EnumType() | ListType(ScalarType(Scalar.I8)):
                return
        raise ValueError(f"a {declared} is no raw body; a scalar or a list of i8 is")

    def put(self, value: object, head: Head) -> None:
        if isinstance(value, list):
            head.body = bytes(byte & 0xFF for byte in value)
        else:
            head.body = written(value)
        is_text = self.declared == ScalarType(Scalar.STRING, self.declared.annotations)
        head.media_type = b"text/plain; charset=utf-8" if is_text else b"application/octet-stream"
