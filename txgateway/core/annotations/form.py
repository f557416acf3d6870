"""``api.form``: the field of that name in an urlencoded or multipart form, else in the query."""

from __future__ import annotations

from ..inputs import Inputs
from . import Source, sources


@sources.register("api.form")
class Form(Source):
    """A JSON body is read by this key as well, which the binder sees to."""

    rank = 20
    place = "form field"
    of_body = True

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        found = inputs.form.get(self.key)
        return inputs.query.get(self.key) if found is None else found
