"""Check settings before anything is made of them for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..config import Complaint, ConfigError, Settings
from ..core.policy import Policies
from ..governing import policies_from
from .addresses import endpoints_from, made_here
from .making import (
    baggage,
    compiling,
    etcd_registry,
    id_header,
    load_extensions,
    pushed_access,
    span_sender,
    static_registry,
)
from .service import GatewayService


def check_settings(settings: Settings, reactor: Any) -> None:
    """Raises ConfigError with all that is wrong with settings each of which is of its kind; listens nowhere."""
    load_extensions()
    parts: list[Callable[[], object]] = [
        lambda: endpoints_from("http.listen", made_here(settings.http.listen), reactor),
        lambda: endpoints_from("http.admin", made_here(settings.http.admin), reactor),
        lambda: id_header(settings.http),
        lambda: compiling(settings.mapping, Policies()),
        lambda: etcd_registry(settings.discovery, reactor),
        lambda: pushed_access(settings),
        lambda: static_registry(settings.discovery, reactor),
        lambda: baggage(settings),
        lambda: policies_from(settings),
        lambda: span_sender(settings.tracing, reactor),
    ]
    complaints: list[Complaint] = []
    for part in parts:
        try:
            part()
        except ConfigError as error:
            complaints += error.complaints
    if complaints:
        raise ConfigError(*complaints)


def check(settings: Settings, reactor: Any) -> tuple[str, bool]:
    """What the gateway would serve and say, and whether nothing is wrong; serves nothing. Reads files.

    Raises ConfigError for a setting that is wrong.
    """
    load_extensions()
    try:
        loaded = GatewayService(settings, reactor).load_only()
    except OSError as error:
        raise ConfigError(f"mapping.idl: {error.filename}: {error.strerror}") from None
    routes = [(r.verb, r.path, f"{r.plan.service} {r.plan.method.name}") for r in loaded.mapping.routes]
    widths = [max((len(row[column]) for row in routes), default=0) for column in (0, 1)]
    lines = [str(diagnostic) for diagnostic in loaded.diagnostics]
    lines += [f"{verb:{widths[0]}}  {path:{widths[1]}}  {method}" for verb, path, method in routes]
    lines.append(f"{len(loaded.mapping.services)} services, {len(routes)} routes, {len(loaded.errors)} errors")
    return "\n".join(lines), not loaded.errors
