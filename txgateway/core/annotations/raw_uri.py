"""``api.raw_uri``: the request's target as it was sent, path and query."""

from __future__ import annotations

from ..inputs import Inputs
from . import Source, marks, sources

marks.register("api.raw_uri")("the request's target")


@sources.register("api.raw_uri")
class RawUri(Source):
    rank = 80
    place = "request target"
    whole = True

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        return [inputs.request.target]
