"""``api.vd``: a rule that a field's value must meet."""

from __future__ import annotations

from ..descriptor import Schema, TypeName
from ..validation import ANNOTATION, compile_validator
from . import Access, Check, Surroundings, checks


@checks.register(ANNOTATION)
def compile_check(schema: Schema, root: TypeName, access: Access, surroundings: Surroundings) -> Check | None:
    return compile_validator(schema, root, access, lines=surroundings.lines)
