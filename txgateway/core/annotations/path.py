"""``api.path``: the parameter of the route with that name (``:name`` or ``*name``)."""

from __future__ import annotations

from ..inputs import Inputs
from . import Source, sources


@sources.register("api.path")
class Path(Source):
    rank = 10
    place = "path parameter"

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        value = inputs.path.get(self.name)
        return None if value is None else [value]
