"""Every row of the page on rules is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from txgateway.cli.explain_rule import command
from txgateway.core.explain_rule import explain_rule
from txgateway.core.expression.syntax import FUNCTIONS
from txgateway.core.linker import load
from txgateway.core.vt.rules import _KEYS

PAGE = (Path(__file__).parent.parent / "docs" / "rules.md").read_text("utf-8")
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| (.+?) \|$", re.MULTILINE)
ROWS = [tuple(cell.replace(r"\|", "|") for cell in row) for row in ROW.findall(PAGE)]


@pytest.mark.parametrize(("rule", "type", "value", "outcome"), ROWS)
def test_a_row(rule: str, type: str, value: str, outcome: str) -> None:
    failure = explain_rule(rule, json.loads(value), name="v", type=type).failure
    assert (failure.message if failure else "passes") == outcome


def test_every_table_is_read_and_every_function_shown() -> None:
    assert len(ROWS) == sum(line.startswith("| `") and line.count("| ") > 3 for line in PAGE.splitlines())
    assert all(any(f"{name}(" in rule for rule, *_ in ROWS) for name in FUNCTIONS)
    assert all(f"`{key}" in PAGE or f" {key}" in PAGE for keys in _KEYS.values() for key in keys)


def test_the_example_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    prompt, *shown = PAGE.split("```\n$ tgw explain-rule ")[1].split("```")[0].rstrip().split("\n")
    rule, value = re.fullmatch(r'"(.+)" (\w+)', prompt).groups()  # type: ignore[union-attr]
    with pytest.raises(SystemExit):
        command.main([rule.replace("\\$", "$"), value])
    assert capsys.readouterr().out.splitlines() == shown


@pytest.mark.parametrize("idl", re.findall(r"```thrift\n(.*?)```", PAGE, re.DOTALL))
def test_the_idl_is_idl(idl: str) -> None:
    load("page.thrift", lambda path: f"enum Color {{ RED = 1 }}\n{idl}")
