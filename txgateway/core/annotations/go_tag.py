"""``go.tag``: a field's key in JSON, at any depth, as the Go tag ``json:"key,omitempty"`` says."""

from __future__ import annotations

import re

from . import keys

_JSON = re.compile(r'\bjson:"((?:[^"\\]|\\.)*)"').search


@keys.register("go.tag")
def json_key(value: str) -> str | None:
    """What stands before the first comma; ``-`` alone hides the field, and a tag for something else says nothing."""
    match = _JSON(value)
    name = match[1].partition(",")[0] if match else ""
    return None if match and match[1] == "-" else name
