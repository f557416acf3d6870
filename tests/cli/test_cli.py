"""The command finds its commands, and they read IDL as the gateway does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from txgateway import __version__
from txgateway.cli import main
from txgateway.cli.routes import places_of
from txgateway.core import annotations as annotations_of_fields
from txgateway.core.codec.native import AUTO, chosen
from txgateway.core.descriptor import TypeName
from txgateway.core.linker import load

BOOK = """
struct Req { 1: i32 num (api.query = "num"), 2: string text }
service Books { void find(1: Req req) (api.get = "/find/:num") }
"""


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.thrift").write_text(text)
    return folder


# --- tgw --------------------------------------------------------------------------------


def test_commands_are_found_by_their_files() -> None:
    names = sorted(p.stem.replace("_", "-") for p in Path(main.callback.__code__.co_filename).parent.glob("[a-z]*.py"))
    assert main.list_commands(None) == names
    result = run("--help")
    assert all(name in result.output for name in names)
    assert run("--version").output == f"tgw, version {__version__}\n"
    assert run("nonsense").exit_code == 2


# --- tgw check --------------------------------------------------------------------------


def test_a_good_folder(tmp_path: Path) -> None:
    write(tmp_path, book=BOOK, common__types="struct OnlyTypes {}")
    result = run("check", tmp_path)
    assert (result.exit_code, result.output) == (0, "2 files, 1 service, 1 route: 0 errors, 0 warnings\n")


def test_odd_rules_are_warned_of(tmp_path: Path) -> None:
    rule = 'struct R { 1: i32 a (api.query="a", api.vd="$>5&&$<3") }'
    result = run("check", write(tmp_path, shop=f'{rule}\nservice S {{ R get(1: R r) (api.get="/x") }}\n'))
    assert result.exit_code == 0
    assert result.output.startswith(
        f"{tmp_path}/shop.thrift:1:45: warning: the rule of R.a: no value can meet this rule\n    {rule}\n"
    )


def test_errors_and_warnings_are_shown_with_their_lines(tmp_path: Path) -> None:
    write(tmp_path, book=BOOK.replace("api.query", "api.qeury"), bad="\nstruct S { 1: Nix x }")
    result = run("check", tmp_path)
    assert result.exit_code == 1
    assert result.output == (
        f"{tmp_path}/bad.thrift:2:15: error: there is no type 'Nix'\n"
        "    struct S { 1: Nix x }\n"
        "                  ^\n"
        f"{tmp_path}/book.thrift:2:26: warning: the annotation 'api.qeury' is unknown and does nothing\n"
        '    struct Req { 1: i32 num (api.qeury = "num"), 2: string text }\n'
        "                             ^\n"
        "    did you mean 'api.query'?\n"
        "2 files, 1 service, 1 route: 1 error, 1 warning\n"
    )


def test_warnings_fail_when_strict(tmp_path: Path) -> None:
    write(tmp_path, book=BOOK.replace("api.query", "api.qeury"))
    assert run("check", tmp_path).exit_code == 0
    assert run("check", "--strict", tmp_path).exit_code == 1
    assert run("check", "--strict", write(tmp_path / "good", book=BOOK)).exit_code == 0


def test_json_says_the_same(tmp_path: Path) -> None:
    write(tmp_path, bad="struct S { 1: strng x }")
    result = run("check", "--format", "json", tmp_path)
    path = str(tmp_path / "bad.thrift")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "files": [path],
        "services": [],
        "routes": 0,
        "diagnostics": [
            {
                "severity": "error",
                "file": path,
                "line": 1,
                "column": 15,
                "message": "there is no type 'strng'",
                "hint": "did you mean 'string'?",
                "source": "struct S { 1: strng x }",
            }
        ],
    }


def test_routes_and_rules_are_compiled_too(tmp_path: Path) -> None:
    twice = BOOK.replace("}\n", '}\nservice More { void again(1: Req req) (api.get = "/find/:id") }\n', 1)
    write(tmp_path, twice=twice, rule=BOOK.replace('"num")', '"num", api.vd = "$ >")').replace("/find", "/rule"))
    result = run("check", tmp_path)
    assert result.exit_code == 1
    assert "rule.thrift:2:" in result.output
    assert "twice.thrift:4:" in result.output
    assert all(line in result.output for line in ("    struct Req { 1: i32 num", "    service Books {"))


def test_what_editors_leave_behind_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, book=BOOK)
    for name in (".#book.thrift", "book.thrift~", "#book.thrift#", ".book.thrift.swp", ".git/x.thrift", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("this is no IDL")
    assert run("check", tmp_path).output.startswith("1 file, 1 service")


def test_files_of_one_name_do_not_disturb_each_other(tmp_path: Path) -> None:
    write(
        tmp_path,
        a__one='include "types.thrift"' + BOOK.replace("i32 num", "types.Id num"),
        a__types="typedef i32 Id",
        b__two='include "types.thrift"' + BOOK.replace("i32 num", "types.Id num").replace("/find", "/two"),
        b__types="typedef string Id",
    )
    assert run("check", tmp_path).output == "4 files, 2 services, 2 routes: 0 errors, 0 warnings\n"


def test_include_folders(tmp_path: Path) -> None:
    write(
        tmp_path, idl__book='include "base.thrift"' + BOOK.replace("i32 num", "base.Id num"), lib__base="typedef i32 Id"
    )
    assert run("check", tmp_path / "idl").exit_code == 1
    assert run("check", "-I", tmp_path / "lib", tmp_path / "idl").exit_code == 0


def test_a_path_must_lead_somewhere(tmp_path: Path) -> None:
    assert run("check").exit_code == 2
    assert run("check", tmp_path / "nix").exit_code == 2
    result = run("check", tmp_path)
    assert (result.exit_code, result.output) == (2, f"Error: there is no .thrift file in {tmp_path}\n")


def test_colours_are_for_terminals(tmp_path: Path) -> None:
    write(tmp_path, bad="struct S { 1: Nix x }")
    plain = CliRunner().invoke(main, ["check", str(tmp_path)]).output
    coloured = CliRunner().invoke(main, ["check", str(tmp_path)], color=True).output
    assert "\x1b[" not in plain
    assert "\x1b[31m" in coloured


# --- tgw routes -------------------------------------------------------------------------


def test_routes_say_where_each_field_is_looked_for(tmp_path: Path) -> None:
    write(tmp_path, book=BOOK)
    result = run("routes", tmp_path)
    codec = chosen(AUTO)
    assert [line.split() for line in result.output.splitlines()] == [
        ["Verb", "Path", "Service", "Method", "Codec", "Fields"],
        ["GET", "/find/:num", "book", "Books.find", codec, "num:", "query", "num,", "body", "num"],
        ["text:", "body", "text,", "query", "text"],
    ]
    assert json.loads(run("routes", "--format", "json", tmp_path).output) == [
        {
            "verb": "GET",
            "path": "/find/:num",
            "service": "book",
            "method": "Books.find",
            "codec": {"request": codec, "reply": codec},
            "fields": {"num": ["query num", "body num"], "text": ["body text", "query text"]},
        }
    ]


@pytest.mark.parametrize(
    ("annotations", "places"),
    [
        ("", ["body a", "query a"]),
        ('api.query = "q", api.path = "p"', ["path p", "query q", "body a"]),
        ('api.header = "X-A", api.body = "b"', ["form b", "header X-A", "body b"]),
        ("go.tag = 'json:\"g\"'", ["body g", "query g"]),
        ('api.raw_body = ""', ["raw body"]),
        ('api.none = ""', []),
        ('api.no_body_struct = ""', ["its own fields"]),
    ],
)
def test_places_of_a_field(annotations: str, places: list[str]) -> None:
    text = f"struct S {{ 1: string a ({annotations}) }}"
    (field,) = load("a.thrift", {"a.thrift": text}.__getitem__).schema.structs[TypeName("a.thrift", "S")].fields
    annotations_of_fields.load()
    assert places_of(field) == places


def test_a_file_that_does_not_load_costs_only_its_own_routes(tmp_path: Path) -> None:
    write(tmp_path, book=BOOK, bad="struct {")
    result = run("routes", tmp_path)
    assert result.exit_code == 1
    assert "GET   /find/:num" in result.stdout
    assert "bad.thrift:1:8: error: expected a name" in result.stderr


def test_without_idl_a_running_gateway_is_asked(tmp_path: Path, admin_pages, monkeypatch) -> None:
    monkeypatch.setenv("TGW_ADMIN", admin_pages({"/routes": {"routes": [], "mapping": {"errors": ["is asked"]}}}))
    assert "is asked" in run("routes").stderr
    assert "is asked" not in run("routes", write(tmp_path, book=BOOK)).stderr
    both = run("routes", tmp_path, "--admin", "127.0.0.1:1")
    assert (both.exit_code, "not both" in both.stderr) == (2, True)
    odd = run("routes", "--legacy")
    assert (odd.exit_code, "by its own settings" in odd.stderr) == (2, True)


def test_routes_of_a_running_gateway_have_no_fields(admin_pages) -> None:
    route = {
        "verb": "GET",
        "path": "/x",
        "service": "s",
        "method": "m",
        "codec": {"request": "plain", "reply": "plain"},
    }
    url = admin_pages({"/routes": {"routes": [route], "mapping": {"errors": ["a.thrift:1:1: error: bad"]}}})
    result = run("routes", "--admin", url)
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["Verb", "Path", "Service", "Method", "Codec"],
        ["GET", "/x", "s", "m", "plain"],
    ]
    assert (result.exit_code, result.stderr) == (1, "a.thrift:1:1: error: bad\n")
    assert json.loads(run("routes", "--admin", url, "--format", "json").stdout) == [route]
    assert run("routes", "--admin", admin_pages({"/routes": {}})).exit_code == 2
