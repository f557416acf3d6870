"""``vt.*``: the rules of Kitex's validator plugin, independent of ``api.vd`` and held after it."""

from __future__ import annotations

from ..descriptor import Schema, TypeName
from ..vt import compile_validator
from . import Access, Check, Surroundings, checks


@checks.register("vt")
def compile_check(schema: Schema, root: TypeName, access: Access, surroundings: Surroundings) -> Check | None:
    return compile_validator(schema, root, access, surroundings.now, lines=surroundings.lines)
