"""``api.body``: the key of a field in the JSON body, both ways; in a form the field of that name."""

from __future__ import annotations

from ..inputs import Inputs
from . import Source, keys, sources


@sources.register("api.body")
class Body(Source):
    """The form's half of it; the JSON body's is the key, which counts for the fields of the outermost struct only."""

    rank = 20
    place = "form field"
    of_body = True

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        return inputs.form.get(self.key)


@keys.register("api.body")
def json_key(value: str) -> str | None:
    return value
