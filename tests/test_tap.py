"""The options of ``twistd tgw``: what they set, and how a wrong one refuses the start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.python.usage import UsageError

from tests.end_to_end.twistd import ROOT
from txgateway.config import ConfigError, Settings, merge
from txgateway.tap import Options, makeService
from txgateway.wiring import build_gateway

IDL = str(ROOT / "idl")


def parsed(*options: str) -> Settings:
    read = Options()
    read.parseOptions(options)
    return read.settings


def test_options_may_be_repeated():
    settings = parsed("--idl", "a", "--idl", "b", "--etcd", "http://one:2379", "--etcd", "http://two:2379")
    assert settings.mapping.idl == ("a", "b")
    assert settings.discovery.etcd == ("http://one:2379", "http://two:2379")


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "tgw.toml"
    file.write_text('[mapping]\nidl = "file"\n[upstream]\ndeadline = 2.0\n[http]\nlisten = "tcp:1"\n')
    settings = parsed("--config", str(file), "--listen", "tcp:2")
    assert settings.http.listen == ("tcp:2",)
    assert (settings.mapping.idl, settings.upstream.deadline) == (("file",), 2.0)


def test_what_serves_nothing_is_refused():
    with pytest.raises(UsageError, match="nothing to serve"):
        parsed("--etcd", "http://127.0.0.1:2379")


def test_a_wrong_file_is_refused_by_name(tmp_path):
    file = tmp_path / "tgw.toml"
    with pytest.raises(UsageError, match=r"tgw\.toml: cannot be read: No such file or directory$"):
        parsed("--idl", IDL, "--config", str(file))
    file.write_bytes(b"# \xff")
    with pytest.raises(UsageError, match=r"tgw\.toml: cannot be read: no UTF-8 text$"):
        parsed("--idl", IDL, "--config", str(file))
    file.write_text("[http]\nport = 1\n")
    with pytest.raises(UsageError, match=r"tgw\.toml:2: http\.port: no such setting"):
        parsed("--idl", IDL, "--config", str(file))


@pytest.mark.parametrize(
    ("table", "setting", "value", "says"),
    [
        ("http", "listen", ["nonsense:1"], "http.listen: nonsense:1"),
        ("http", "admin", ["tcp:x"], "http.admin: tcp:x"),
        ("upstream", "persistent", {"X User": "u"}, "upstream.persistent: 'X User' is no name"),
        ("upstream", "backward", {"n": "Date"}, "upstream.backward: the header Date"),
        ("discovery", "static", ["book"], "discovery.static: "),
        ("discovery", "etcd", ["ftp://x"], "discovery: "),
    ],
)
def test_what_there_is_not_is_refused_by_the_name_of_its_setting(table, setting, value, says):
    settings = merge(Settings(), {table: {setting: value}})
    with pytest.raises(ConfigError) as caught:
        build_gateway(settings, reactor)
    assert str(caught.value).startswith(says)


def started(**mapping: object) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = [f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"]
        build_gateway(merge(Settings(), {"http": {"listen": listen}, "mapping": mapping}), reactor).startService()


def test_a_taken_port_ends_the_start_with_its_reason():
    with pytest.raises(SystemExit, match=r"tgw: Couldn't listen on 127\.0\.0\.1:\d+: .*in use"):
        started(idl=[IDL])


def test_a_missing_folder_ends_the_start_with_its_name(tmp_path):
    with pytest.raises(SystemExit, match=r"tgw: mapping\.idl: .*nowhere"):
        started(idl=[str(tmp_path / "nowhere")])


@pytest.mark.parametrize(("text", "status", "says"), [(None, 0, "2 routes, 0 errors"), ("struct {", 1, "error: ")])
def test_check_prints_what_would_be_served_and_ends(tmp_path, capsys, text, status, says):
    (tmp_path / "book.thrift").write_text(text or (Path(IDL) / "book.thrift").read_text("utf-8"))
    options = Options()
    options.parseOptions(["--idl", str(tmp_path), "--check"])
    with pytest.raises(SystemExit) as ended:
        makeService(options)
    assert ended.value.code == status
    assert says in capsys.readouterr().out
