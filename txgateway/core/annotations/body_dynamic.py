"""``tgw.body_dynamic``: a string whose text is JSON and stands in JSON as such, both ways."""

from __future__ import annotations

from . import marks

BODY_DYNAMIC = "tgw.body_dynamic"
marks.register(BODY_DYNAMIC)("JSON within JSON")
