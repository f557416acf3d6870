"""Makes a part of the settings that are its; raises ConfigError, with the setting's name, where they will not do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve
from twisted.logger import ILogObserver, Logger

from .. import __version__, config
from ..config import (
    ConfigError,
    DiscoverySettings,
    HttpSettings,
    LogSettings,
    Settings,
    TracingSettings,
    UpstreamSettings,
)
from ..core.baggage import Baggage, compile_baggage
from ..core.balancing import balancers
from ..core.codec import native
from ..core.dialect import Dialect, dialect_of
from ..core.framing import framings
from ..core.instances import Instance
from ..core.log_line import FORMS
from ..core.mapping import MappingSettings
from ..core.policy import Policies, Policy
from ..core.request_id import check_header
from ..core.trace_context import TRACE_HEADERS
from ..filters.access_log import AccessLog
from ..net.etcd_client import Access
from ..net.http import HttpLimits, http_servers
from ..net.log_file import LogFile
from ..net.pool import Limits, Pool
from ..net.registry import registries
from ..net.registry.etcd import EtcdRegistry
from ..net.registry.static import StaticRegistry

if TYPE_CHECKING:
    from ..net.tracing import SpanSender


def load_extensions() -> None:
    """Find every implementation that a setting or an annotation may name."""
    for kind in (balancers, framings, registries, http_servers):
        kind.load()


def http_limits(settings: HttpSettings) -> HttpLimits:
    return HttpLimits(
        body=settings.max_body,
        idle=settings.idle_timeout,
        request_line=settings.max_request_line,
        headers=settings.max_headers,
        header_bytes=settings.max_header_bytes,
        header_time=settings.header_timeout,
        body_time=settings.body_timeout,
        send_time=settings.send_timeout,
        pipeline=settings.max_pipelined,
        connections=settings.max_connections,
    )


def id_header(settings: HttpSettings) -> bytes:
    try:
        return check_header(settings.request_id)
    except ValueError as error:
        raise ConfigError(f"http.request_id: {error}") from None


def compiling(settings: config.MappingSettings, policies: Policies) -> MappingSettings:
    if settings.codec == native.NATIVE and not native.IS_BUILT:
        raise ConfigError("mapping.codec: the native codec was not built with this installation")
    return MappingSettings(
        settings.legacy_annotations,
        settings.business_status,
        policies,
        settings.codec,
        settings.max_output,
        settings.select_fields,
    )


def path_from(text: str) -> Path | None:
    return Path(text) if text else None


def static_registry(settings: DiscoverySettings, reactor: Any) -> StaticRegistry:
    try:
        return registries["static"](reactor, {"instances": settings.static})  # type: ignore[return-value]
    except ValueError as error:
        raise ConfigError(f"discovery.static: {error}") from None


def etcd_registry(settings: DiscoverySettings, reactor: Any) -> EtcdRegistry | None:
    if not settings.etcd:
        return None
    try:
        return registries["etcd"](  # type: ignore[return-value]
            reactor,
            {
                "endpoints": settings.etcd,
                "prefix": settings.prefix,
                "user": settings.user,
                "password": settings.password,
                "ca": settings.ca,
                "certificate": settings.certificate,
                "key": settings.key,
                "timeout": settings.timeout,
                "hold": settings.hold,
            },
        )
    except ValueError as error:
        raise ConfigError(f"discovery: {error}") from None


def pushed_access(settings: Settings) -> Access | None:
    """How etcd is reached for what was pushed, if that is to be served."""
    discovery = settings.discovery
    if not settings.mapping.pushed:
        return None
    if not discovery.etcd:
        raise ConfigError("mapping.pushed: there is no etcd to follow; discovery.etcd names it")
    try:
        return Access(
            discovery.etcd,
            user=discovery.user,
            password=discovery.password,
            ca=path_from(discovery.ca),
            certificate=path_from(discovery.certificate),
            key=path_from(discovery.key),
            timeout=discovery.timeout,
        )
    except ValueError as error:
        raise ConfigError(f"mapping.pushed: {error}") from None


def baggage(settings: Settings) -> Baggage:
    upstream, transient = settings.upstream, settings.upstream.transient
    if settings.tracing.endpoint:
        transient = {**transient, **TRACE_HEADERS}
    none: Mapping[str, str] = {}
    tables = {
        "transient": (transient, none, none),
        "persistent": (none, upstream.persistent, none),
        "backward": (none, none, upstream.backward),
    }
    complaints = []
    for name, alone in tables.items():
        try:
            compile_baggage(*alone)
        except ValueError as error:
            complaints.append(f"upstream.{name}: {error}")
    if complaints:
        raise ConfigError(*complaints)
    return compile_baggage(transient, upstream.persistent, upstream.backward)


def pool_maker(settings: UpstreamSettings, reactor: Any) -> Callable[[Instance, Collection[Policy]], Pool]:
    limits = Limits(
        connections=settings.max_connections,
        queue=settings.max_queue,
        connect_timeout=settings.connect_timeout,
        idle_timeout=settings.connection_idle,
    )
    default = Dialect(settings.transport, settings.protocol, settings.pipeline)

    def make_pool(instance: Instance, policies: Collection[Policy]) -> Pool:
        dialect = dialect_of(instance, policies, framings, default)
        framing = framings[dialect.framing(framings)]
        depth = evolve(limits, depth=dialect.pipeline)
        return Pool(reactor, instance, depth, lambda: framing(settings.max_frame), caller=settings.caller)

    return make_pool


def start_log_file(file: LogFile | None) -> None:
    if file is not None:
        try:
            file.start()
        except OSError as error:
            raise ConfigError(f"log.access_file: {error.filename}: {error.strerror}") from None


def access_log(settings: LogSettings, reactor: Any, file: LogFile | None) -> AccessLog | None:
    if settings.access == "off":
        return None
    # Lines in a file of their own stand nowhere else.
    to = Logger("txgateway.access", observer=cast("ILogObserver | None", file))
    return AccessLog(reactor, FORMS[settings.access], settings.access_sample, to)


def span_sender(settings: TracingSettings, reactor: Any) -> SpanSender | None:
    if not settings.endpoint:
        return None
    # Only who wants traces has what they need installed.
    try:
        from ..net.tracing import sender as span_sender
    except ImportError as error:
        raise ConfigError(f"tracing.endpoint: traces need the extra otel: no {error.name}") from None
    if not settings.endpoint.startswith(("http://", "https://")):
        raise ConfigError(f"tracing.endpoint: expected a URL of http or https, got {settings.endpoint!r}")
    return span_sender(reactor, settings.endpoint, settings.service, __version__)
