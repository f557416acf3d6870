"""``api.no_body_struct``: a struct that is filled by its fields' own sources, never from the body.

It is always there; a scalar in it that the request does not give is sent as zero.
"""

from __future__ import annotations

from . import marks

NO_BODY_STRUCT = "api.no_body_struct"
marks.register(NO_BODY_STRUCT)("a struct from everywhere but the body")
