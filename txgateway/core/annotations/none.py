"""``api.none``: the field is neither bound nor shown."""

from __future__ import annotations

from . import marks

NONE = "api.none"
marks.register(NONE)("a hidden field")
