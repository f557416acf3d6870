"""``api.query``: the query parameter of that name."""

from __future__ import annotations

from ..inputs import Inputs
from . import Source, sources


@sources.register("api.query")
class Query(Source):
    rank = 30
    place = "query parameter"

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        return inputs.query.get(self.key)
