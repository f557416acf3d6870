"""The rules of ``vt``: against what the code of thrift-gen-validator did, and by values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.vd import value_of
from txgateway.core.descriptor import Field, Schema, Struct, StructType, TypeName
from txgateway.core.errors import IdlError
from txgateway.core.linker import load
from txgateway.core.validation import Validator
from txgateway.core.vt import compile_validator

RECORDED = Path(__file__).parents[1] / "vectors_vt"
NOW = 1_700_000_000_000_000_000


def schema_of(idl: str) -> Schema:
    return load("case.thrift", lambda path: idl).schema


def access(struct: Struct, field: Field) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value.get(field.name)


def validator(schema: Schema, struct: str) -> Validator | None:
    return compile_validator(schema, TypeName("case.thrift", struct), access, lambda: NOW)


def recorded(group: str) -> dict[str, Any]:
    return json.loads((RECORDED / f"{group}.json").read_text("utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("group", ["numbers", "texts", "containers", "structs", "values", "odd"])
def test_values_that_the_generated_code_has_judged(group: str) -> None:
    vectors = recorded(group)
    schema = schema_of(vectors["idl"])
    wrong = {}
    for case in vectors["cases"]:
        name = TypeName("case.thrift", case["struct"])
        value = value_of(case["value"], StructType(name), schema)
        judge = validator(schema, case["struct"])
        failure = judge and judge(value)
        got, want = failure and failure.message, case["here"] if "here" in case else case["expect"]
        if got != want:
            wrong[case["id"]] = (want, got)
    assert vectors["cases"]
    assert wrong == {}


@pytest.mark.parametrize("case", recorded("refused")["cases"], ids=lambda case: case["id"])
def test_idl_that_the_plugin_refuses(case: dict[str, Any]) -> None:
    schema = schema_of(case["idl"])
    with pytest.raises(IdlError):
        validator(schema, "R")
