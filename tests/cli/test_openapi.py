"""``tgw openapi``: a document on standard output, complaints on the other."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from openapi_spec_validator import OpenAPIV31SpecValidator

from txgateway.cli import main

IDL = Path(__file__).parents[2] / "idl"
ONE = 'struct R { 1: string s }\nservice One { void f(1: R r) (api.get="/one") }'
TAIL = 'struct R { 1: string s }\nservice Two { void f(1: R r) (api.get="/a/:x", api.get="/a/*x") }'


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["openapi", *map(str, arguments)])


def test_the_document_of_a_folder():
    result = run(IDL, "--title", "Books", "--api-version", "3", "--server", "http://a", "--server", "http://b")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert list(OpenAPIV31SpecValidator(found).iter_errors()) == []
    assert found["info"] == {"title": "Books", "version": "3"}
    assert [each["url"] for each in found["servers"]] == ["http://a", "http://b"]
    assert list(found["paths"]) == ["/book/query", "/book/insert"]
    assert "X-Request-Id" in found["paths"]["/book/query"]["get"]["responses"]["200"]["headers"]


def test_calls_and_ids_are_a_choice():
    found = json.loads(run(IDL, "--calls", "--request-id", "", "--format", "json").stdout)
    assert "/gateway/book/queryBook" in found["paths"]
    assert "X-Request-Id" not in json.dumps(found)


def test_a_service_is_chosen_by_its_name(tmp_path):
    (tmp_path / "one.thrift").write_text(ONE)
    (tmp_path / "two.thrift").write_text(ONE.replace("/one", "/two"))
    assert list(json.loads(run(tmp_path, "--service", "two").stdout)["paths"]) == ["/two"]
    result = run(tmp_path, "--service", "three")
    assert result.exit_code == 1
    assert "there is no service three; there are one, two" in result.stderr


def test_what_is_left_out_is_named(tmp_path):
    (tmp_path / "two.thrift").write_text(TAIL)
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.stderr == "GET /a/*x is left out: to OpenAPI its path is that of another route\n"


def test_a_broken_file_costs_only_its_own_service(tmp_path):
    (tmp_path / "one.thrift").write_text(ONE)
    (tmp_path / "bad.thrift").write_text("struct {")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert list(json.loads(result.stdout)["paths"]) == ["/one"]
    assert "bad.thrift:1:8: error" in result.stderr
