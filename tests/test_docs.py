"""What the documents say is so: every setting as it is declared, and no setting that there is not."""

from __future__ import annotations

from pathlib import Path

import click
from click.testing import CliRunner

from tests.mapped import schema_of
from txgateway.cli import main
from txgateway.cli import main as tgw
from txgateway.config import TABLES, read_settings
from txgateway.core.annotations.known import KNOWN
from txgateway.core.balancing import balancers
from txgateway.core.mapping import compile_service
from txgateway.core.policy import POLICIES, Choice
from txgateway.core.settings_text import reference
from txgateway.wiring import CLOSE_WITHIN

ROOT = Path(__file__).parent.parent


def test_the_configuration_page_is_what_the_settings_declare():
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page == reference(page, TABLES), "scripts/config-reference brings it up to date"


def test_the_page_on_policies_lists_every_annotation_and_balancer():
    balancers.load()
    page = (ROOT / "docs" / "policies.md").read_text("utf-8")
    annotations = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `tgw.")}
    assert annotations == {f"tgw.{name}" for name in POLICIES}
    assert annotations <= set(KNOWN)
    (names,) = [line for line in page.splitlines() if line.startswith("| `tgw.balancer` | ")]
    assert set(names.split(" | ")[1].replace("`", "").split(", ")) == set(balancers)


def test_the_example_of_policies_means_what_it_seems_to():
    page = (ROOT / "docs" / "policies.md").read_text("utf-8")
    example = page.partition("```thrift\n")[2].partition("```")[0]
    structs = (ROOT / "idl" / "book.thrift").read_text("utf-8").partition("service ")[0]
    service = compile_service("book", schema_of(structs + example))
    query, insert = (service.calls[name][0].policy for name in ("queryBook", "insertBook"))
    assert (query.timeout, query.retries, query.backup_after, query.idempotent) == (0.2, 2, 0.05, True)
    assert not insert.idempotent
    assert query.choice == insert.choice == Choice("ewma")
    assert service.warnings == ()


def test_the_example_of_an_explanation_is_what_is_printed():
    page = (ROOT / "docs" / "explain.md").read_text("utf-8")
    block = page.partition("    $ tgw explain ")[2].partition("\nThe request is written")[0]
    command, _, shown = block.partition("\n")
    request = command.partition("'")[2].partition("'")[0]
    printed = CliRunner().invoke(main, ["explain", request, "--idl", str(ROOT / "idl")]).output
    # How long the steps took is never the same.
    lines, wanted = ([line.strip() for line in text.split("\n") if " µs" not in line] for text in (printed, shown))
    assert [line for line in lines if line] == [line for line in wanted if line]


def test_the_page_on_the_command_lists_every_one():
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    does, prints = page.partition("## As JSON")[::2]
    names = set(tgw.list_commands(click.Context(tgw)))
    assert {name for name in names if f"| `tgw {name}" in does or f"`tgw {name} " in does} == names
    assert {name for name in names if f"| `{name}" in prints} == names


def test_what_systemd_is_told_fits_the_settings():
    folder = ROOT / "deploy" / "systemd"
    settings = read_settings((folder / "tgw.toml").read_text("utf-8"), "tgw.toml")
    unit = dict(line.split("=", 1) for line in (folder / "tgw.service").read_text("utf-8").splitlines() if "=" in line)
    assert float(unit["TimeoutStopSec"]) > settings.lifecycle.drain_timeout + 2 * CLOSE_WITHIN
    assert int(unit["LimitNOFILE"]) > settings.http.max_connections
    assert settings.http.listen == ("systemd:domain=INET:index=0",)
