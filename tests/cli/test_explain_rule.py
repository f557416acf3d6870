"""``tgw explain-rule`` as it is typed."""

from __future__ import annotations

import json

from click.testing import CliRunner

from txgateway.cli import main


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["explain-rule", *arguments])
    return result.exit_code, result.output


def test_a_rule_that_passes() -> None:
    assert run("$<100", "99") == (0, "$<100  true\n  $    99\npasses\n")


def test_a_rule_that_refuses() -> None:
    code, output = run("$<=(hi)$; msg:'n='+$", "5", "--with", "hi=4", "--name", "n")
    assert code == 1
    assert output.splitlines() == [
        "$<=(hi)$  false",
        "  $       5",
        "  (hi)$   4",
        "'n='+$    'n=5'",
        "  $       5",
        "fails: n=5",
    ]


def test_what_is_no_json_is_a_text() -> None:
    assert run("len($)", "a b")[1].splitlines()[-2:] == ["  $     'a b'", "passes"]
    assert run("$==nil", "null", "--type", "i32")[0] == 0


def test_a_mistake_is_pointed_at() -> None:
    code, output = run("$ = 5", "5")
    assert code == 1
    assert output.splitlines() == ["Error: `= 5` is left over", "    $ = 5", "      ^", "    to compare, write =="]


def test_the_same_as_json():
    result = CliRunner().invoke(main, ["explain-rule", "$<100 && $>5; msg:'too odd'", "700", "--format", "json"])
    assert result.exit_code == 1
    page = json.loads(result.output)
    assert (page["passes"], page["message"]) == (False, "too odd")
    assert page["parts"][0] == {"depth": 0, "text": "$<100 && $>5", "value": "false"}
