"""``api.key``: a field's key in JSON, at any depth."""

from __future__ import annotations

from . import keys


@keys.register("api.key")
def json_key(value: str) -> str | None:
    return value
