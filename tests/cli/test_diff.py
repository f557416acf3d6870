"""``tgw diff`` tells whom a change breaks, for people, programs and pull requests."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from txgateway.cli import main

IDL = 'struct A { 1: i32 n (api.query="n") }\nservice S { A f(1: A a) (api.get="/f") }\n'


@pytest.fixture
def diff(tmp_path):
    def run(old: str, new: str, *options: str):
        for name, text in (("old", old), ("new", new)):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "s.thrift").write_text(text)
        return CliRunner().invoke(main, ["diff", str(tmp_path / "old"), str(tmp_path / "new"), *options])

    return run


def test_no_change(diff):
    found = diff(IDL, "// A comment.\n" + IDL)
    assert (found.exit_code, found.output) == (0, "nothing that anybody can notice has changed\n")


def test_a_safe_change_exits_with_0_a_breaking_one_with_1(diff):
    safe = diff(IDL, IDL.replace(" }\nservice", ", 2: i32 m }\nservice"))
    assert safe.exit_code == 0
    assert "  safe  A.m: the field is new (" in safe.output
    breaking = diff(IDL, IDL.replace("i32", "i64"))
    assert breaking.exit_code == 1
    assert "  wire  A.n: the field is i64, not i32 (" in breaking.output
    assert "old/s.thrift:1 -> " in breaking.output


def test_what_cannot_be_loaded_exits_with_2(diff):
    found = diff(IDL, "struct {")
    assert found.exit_code == 2
    assert "new/s.thrift:1" in found.output


def test_for_programs_and_for_pull_requests(diff):
    new = IDL.replace("/f", "/g")
    found = diff(IDL, new, "--format", "json")
    (service,) = json.loads(found.output)
    assert service["service"] == "s"
    gone, _ = service["changes"]
    assert (gone["breaks"], gone["where"], gone["old"]["line"]) == ("http", "f", 2)
    table = diff(IDL, new, "--format", "markdown").output
    assert "### s\n" in table
    assert "| http | f | the route GET /f is gone |" in table


def test_a_service_that_is_gone(diff, tmp_path):
    diff(IDL, IDL)
    (tmp_path / "old" / "t.thrift").write_text(IDL.replace("/f", "/t"))
    found = CliRunner().invoke(main, ["diff", str(tmp_path / "old"), str(tmp_path / "new")])
    assert found.exit_code == 1
    assert "t: the service is gone" in found.output
