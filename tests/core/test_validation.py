"""The walk over a request, and what the recorded cases say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import vd
from txgateway.core.descriptor import Field, Struct, TypeName
from txgateway.core.validation import Failure, Validator, compile_validator

RECORDED = Path(__file__).parents[1] / "vectors" / "vd"


def access(struct: Struct, field: Field) -> Callable[[dict[str, Any]], Any]:
    """Objects of these tests are dictionaries."""
    return lambda value: value.get(field.name)


def validator(root: str = "R", **structs: list[dict[str, str]]) -> Validator:
    """The validator of a struct written as in the vectors."""
    compiled = compile_validator(vd.schema_of(structs), TypeName(vd.FILE, root), access)
    assert compiled is not None
    return compiled


def field(name: str, type: str, rule: str | None = None, **more: str) -> dict[str, str]:
    return {"name": name, "type": type, **({} if rule is None else {"vd": rule}), **more}


@pytest.mark.parametrize("group", sorted(file.stem for file in RECORDED.glob("*.json")))
def test_recorded_cases(group: str) -> None:
    cases = json.loads((RECORDED / f"{group}.json").read_text("utf-8"))["cases"]
    mismatches = {case["id"]: mismatch for case in cases if (mismatch := vd.run(case)) is not None}
    assert cases
    assert mismatches == {}


def test_the_book_rule() -> None:
    rule = "$<100; msg:'num must less than 100'"
    book = validator(R=[field("num", "i32", rule)])
    assert book({"num": 99}) is None
    assert book({"num": 100}) == Failure("num", "num must less than 100", rule)
