"""Every row of the page on the OpenAPI document is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from txgateway.core.descriptor import Field
from txgateway.core.explain_rule import parse_type
from txgateway.core.expression import parse
from txgateway.core.openapi.vd_schema import said_by

PAGE = (Path(__file__).parent.parent / "docs" / "openapi.md").read_text("utf-8")
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", re.MULTILINE)
WHOLE, _, IN_PART = PAGE.partition("only a part is said")


def rows(text: str) -> list[tuple[str, ...]]:
    return [tuple(cell.replace(r"\|", "|") for cell in row) for row in ROW.findall(text)]


@pytest.mark.parametrize(
    ("exact", "rule", "type", "schema"),
    [*((True, *row) for row in rows(WHOLE)), *((False, *row) for row in rows(IN_PART))],
)
def test_a_row(exact: bool, rule: str, type: str, schema: str) -> None:
    said = said_by(parse(rule).check, Field(1, "v", parse_type(type)), raw=True)  # type: ignore[arg-type]
    assert (said.schema, said.exact) == (json.loads(schema), exact)


def test_every_row_is_read() -> None:
    rules = PAGE.partition("## Rules")[2].partition("## Answers")[0]
    assert len(rows(PAGE)) == sum(line.startswith("| `") for line in rules.splitlines()) == 21
