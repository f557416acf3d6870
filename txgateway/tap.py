"""Options and makeService for ``twistd tgw``."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.python import usage

from .config import ConfigError, Settings, merge, read_settings
from .net.signals import heed
from .net.termination import exit_cleanly_on_sigterm
from .supervisor import build_workers
from .wiring import build_gateway, check


class Options(usage.Options):
    """The command line wins over the file, the file over the defaults."""

    synopsis = "[options]"
    longdesc = (
        "Serves annotated Thrift IDL over HTTP. Endpoints are Twisted endpoint strings, such as"
        " tcp:8080:interface=127.0.0.1, ssl:8443:privateKey=key.pem:certKey=cert.pem or unix:/run/tgw.sock."
    )

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[str, dict[str, Any]] = {"http": {}, "mapping": {}, "discovery": {}, "lifecycle": {}}
        self._config: str | None = None
        self.check = False
        self.settings = Settings()

    def opt_config(self, path: str) -> None:
        """A TOML file with settings (see docs/configuration.md)."""
        self._config = path

    def opt_idl(self, path: str) -> None:
        """A folder or file of annotated Thrift IDL. May be repeated."""
        self._add("mapping", "idl", path)

    def opt_include_dir(self, path: str) -> None:
        """Where includes are looked for, after the including file's folder. May be repeated."""
        self._add("mapping", "include_dirs", path)

    def opt_etcd(self, url: str) -> None:
        """The URL of an etcd member, http://127.0.0.1:2379. May be repeated."""
        self._add("discovery", "etcd", url)

    def opt_prefix(self, prefix: str) -> None:
        """Where services register in etcd [default: kitex/registry-etcd]. May be repeated."""
        self._add("discovery", "prefix", prefix)

    def opt_static(self, instance: str) -> None:
        """An instance that needs no etcd: NAME=HOST:PORT or NAME=HOST:PORT*WEIGHT. May be repeated."""
        self._add("discovery", "static", instance)

    def opt_listen(self, endpoint: str) -> None:
        """An endpoint of the public port [default: tcp:8080:interface=127.0.0.1]. May be repeated."""
        self._add("http", "listen", endpoint)

    def opt_admin(self, endpoint: str) -> None:
        """An endpoint of the admin port [default: none]. May be repeated."""
        self._add("http", "admin", endpoint)

    def opt_http(self, server: str) -> None:
        """Which HTTP server serves the public port [default: httptools; the other: klein]."""
        self._tables["http"]["server"] = server

    def opt_check(self) -> None:
        """Check configuration and IDL, print what would be served, and exit: with 1 if anything is wrong."""
        self.check = True

    def opt_workers(self, count: str) -> None:
        """Processes that serve the public port [default: 0, this one alone]."""
        self._tables["lifecycle"]["workers"] = int(count) if count.isdecimal() else count

    def read_settings(self) -> Settings:
        """The settings as file and command line say them now; raises ConfigError."""
        return merge(self._file_settings(), self._tables)

    def postOptions(self) -> None:
        try:
            self.settings = self.read_settings()
        except ConfigError as error:
            raise usage.UsageError(str(error)) from None
        if not self.settings.mapping.idl and not self.settings.mapping.pushed:
            raise usage.UsageError("nothing to serve: give a folder of IDL with --idl, or mapping.idl in the file")

    def _add(self, table: str, setting: str, value: str) -> None:
        self._tables[table].setdefault(setting, []).append(value)

    def _file_settings(self) -> Settings:
        if self._config is None:
            return Settings()
        try:
            text = Path(self._config).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no UTF-8 text"
            raise ConfigError(f"{self._config}: cannot be read: {reason}") from None
        return read_settings(text, self._config)


def makeService(options: Options) -> Service:
    from twisted.internet import reactor

    exit_cleanly_on_sigterm(reactor)
    try:
        if options.check:
            report, is_well = check(options.settings, reactor)
            print(report)
            raise SystemExit(0 if is_well else 1)
        if options.settings.lifecycle.workers:
            return build_workers(options.read_settings, reactor)
        gateway = build_gateway(options.settings, reactor)
        reactor.callWhenRunning(heed, reactor, signal.SIGHUP, lambda: gateway.reread(options.read_settings))
        return gateway
    except ConfigError as error:
        raise SystemExit(f"tgw: {error}") from None
