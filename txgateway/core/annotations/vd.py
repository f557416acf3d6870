"""``api.vd``: a rule that a field's value must meet."""

from __future__ import annotations

from ..descriptor import Schema, TypeName
from ..rule_position import Lines
from ..validation import ANNOTATION, compile_validator
from . import Access, Check, checks


@checks.register(ANNOTATION)
def compile_check(schema: Schema, root: TypeName, access: Access, *, lines: Lines) -> Check | None:
    validator = compile_validator(schema, root, access, lines=lines)
    return validator and validator.first
