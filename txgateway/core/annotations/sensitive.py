"""``tgw.sensitive``: the field's value is for the service alone, and stands in no message, log or explanation."""

from __future__ import annotations

from . import marks

SENSITIVE = "tgw.sensitive"
marks.register(SENSITIVE)("a value that is never shown")
