"""``tgw config``: all that is wrong in a file, with its lines, and an example of one."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from txgateway.cli import main
from txgateway.config import Settings, read_settings

BAD = """\
[http]
listen = ["nonsense:1", "systemd:domain=INET:index=0"]
max_bdy = 3
[upstream]
balancer = "wr"
[upstream.persistent]
"no header" = "x"
[policy.methods.book]
retries = "many"
timout = 3
[discovery]
etcd = "ftp://x"
static = ["book"]
[mapping]
pushed = "yes"
"""


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["config", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_all_that_is_wrong_is_said_with_its_line(tmp_path):
    file = tmp_path / "tgw.toml"
    file.write_text(BAD)
    result = run("--check", str(file))
    assert result.exit_code == 1
    assert [line.removeprefix(f"{file}:") for line in result.output.splitlines()] == [
        "2: http.listen: nonsense:1: not a Twisted endpoint string (Unknown endpoint type: 'nonsense')",
        "3: http.max_bdy: no such setting; did you mean max_body?",
        '5: upstream.balancer: no "wr"; did you mean wrr?',
        "6: upstream.persistent: 'no header' is no name of a header",
        "9: policy.methods.book.retries: expected a whole number from 0 to 5, got 'many'",
        "10: policy.methods.book.timout: no such policy; did you mean timeout?",
        "11: discovery: 'ftp://x' is not an etcd endpoint: http://HOST:PORT or https://HOST:PORT",
        "13: discovery.static: 'book' is not NAME=HOST:PORT*WEIGHT",
        '15: mapping.pushed: expected true or false, got "yes"',
    ]


def test_the_same_as_json(tmp_path):
    file = tmp_path / "tgw.toml"
    file.write_text("\n[htp]\n")
    result = run("--check", str(file), "--format", "json")
    assert result.exit_code == 1
    complaint = {"name": "htp", "message": "no such table; did you mean http?", "file": str(file), "line": 2}
    assert json.loads(result.output) == [complaint]
    file.write_text("[http\n")
    (complaint,) = json.loads(run("--check", str(file), "--format", "json").output)
    assert (complaint["line"], complaint["name"]) == (1, "")


def test_the_example_is_checked_and_is_all_defaults(tmp_path):
    file = tmp_path / "tgw.toml"
    file.write_text(run("--example").output)
    assert run("--check", str(file)).output == f"{file}: all is well\n"
    assert read_settings(file.read_text(), "tgw.toml") == Settings()
    assert json.loads(run("--example", "--format", "json").output) == {"toml": file.read_text()}


def test_what_cannot_be_read_is_no_verdict(tmp_path):
    result = run("--check", str(tmp_path / "none"))
    assert (result.exit_code, result.output) == (2, f"Error: {tmp_path}/none: No such file or directory\n")
    assert run().exit_code == 2
    assert run("--check", "x", "--example").exit_code == 2
