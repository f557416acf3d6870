"""What all commands share: their options, and the bar that shows that they still work."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import click
import pytest
from rich.console import Console

from txgateway.cli import _output, main
from txgateway.cli._output import Bar, Row, table_of

COMMANDS = [main.get_command(click.Context(main), name) for name in main.list_commands(click.Context(main))]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_every_command_can_print_json_and_says_what_its_options_are_for(command):
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    assert "json" in options["form"].type.choices
    assert all(option.help for option in options.values())
    assert all(option.help.endswith(".") for option in options.values())
    help_text = command.get_help(click.Context(command))
    assert command.short_help or command.help.partition("\n")[0].endswith(".")
    assert "_" not in "".join(word for word in help_text.split() if word.startswith("--"))


def test_options_mean_the_same_everywhere():
    seen: dict[str, set[tuple[object, ...]]] = {}
    for command in COMMANDS:
        for option in command.params:
            if isinstance(option, click.Option):
                seen.setdefault(option.opts[0], set()).add((option.metavar, option.multiple, tuple(option.opts)))
    same = ("--admin", "--include-dir", "--legacy", "--header", "--idl", "--etcd")
    assert {name: len(seen[name]) for name in same} == dict.fromkeys(same, 1)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, terminal, patience, pieces=()):
    monkeypatch.setattr(_output.sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Bar("counting sheep", 2, patience) as bar:
        for _ in bar.through(pieces):
            deadline = time.monotonic() + 10
            while patience == 0 and "sheep" not in terminal.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
    return terminal.getvalue()


def test_a_bar_is_shown_on_a_terminal_once_it_takes_long(monkeypatch):
    text = shown(monkeypatch, Terminal(), 0.0, "ab")
    assert "counting sheep" in text
    # And is gone at the end: its line is cleared.
    assert text.endswith("\x1b[2K")


@pytest.mark.parametrize(("terminal", "patience"), [(io.StringIO(), 0.0), (Terminal(), 60.0)])
def test_else_nothing_is_shown(monkeypatch, terminal, patience):
    assert "sheep" not in shown(monkeypatch, terminal, patience)


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [(["openapi", "idl"], True), (["openapi", "idl", "--format", "json"], False), (["check", "idl"], True)],
)
def test_who_asks_for_json_by_name_sees_no_bar(monkeypatch, arguments, shows):
    name, *others = arguments
    command = main.get_command(click.Context(main), name)
    terminal = Terminal()
    monkeypatch.setattr(_output.sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with command.make_context(name, others, resilient_parsing=True), Bar("counting sheep", 2, 60.0) as bar:
        # As when its patience is over.
        bar._show()
    assert ("sheep" in terminal.getvalue()) is shows


ROWS = [Row(("book", "127.0.0.1:9001", "a very long last error, 3 s ago")), Row(("書店", "[::1]:1", "a\nb"))]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            None,
            [
                "Service  Instance        Last error",
                "book     127.0.0.1:9001  a very long last error, 3 s ago",
                "書店     [::1]:1         a",
                "                         b",
            ],
        ),
        (56, ["Service  Instance        Last error"]),
        (
            55,
            [
                "Service  Instance",
                "book     127.0.0.1:9001",
                "書店     [::1]:1",
                "no room for: Last error",
            ],
        ),
        (12, ["Service", "book", "書店"]),
    ],
)
def test_a_table_leaves_out_whole_columns_where_there_is_no_room(width, lines):
    console = Console(width=width or 1000, file=io.StringIO())
    for part in table_of(("Service", "Instance", "Last error"), ROWS, ("Last error", "Instance"), width):
        console.print(part)
    printed = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert [line for line in printed if line in lines] == lines
    assert "…" not in console.file.getvalue()


@pytest.mark.parametrize(("given", "is_coloured"), [("", True), ("1", False)])
def test_who_wants_no_colours_gets_none(monkeypatch, given, is_coloured):
    monkeypatch.setenv("NO_COLOR", given)
    with main.make_context("tgw", ["routes"]) as context:
        assert click.utils.should_strip_ansi(Terminal(), context.color) is not is_coloured


def test_what_cannot_be_written_is_said_in_a_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", "from txgateway.cli import main; main()", "config", "--example"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: the output: No space left on device\n")
