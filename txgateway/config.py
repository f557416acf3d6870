"""Settings: read from a TOML file and the command line, checked and frozen.

To add a setting, write one line in its table's class below: ``name: type = setting(default, kind, meaning)``.
The kind (see ``core.setting``) checks what a file says. ``live`` instead of ``setting`` promises that a changed value
is taken over while the gateway runs, which ``GatewayService.reload`` must then do; a change of any other waits for the
next start, and the log says so. The meaning is a sentence without its end, and stands in ``tgw config --example`` and,
after ``scripts/config-reference``, in ``docs/configuration.md``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, fields, frozen

from .core.balancing import balancers
from .core.codec.native import AUTO, CODECS
from .core.framing import framings
from .core.gate import POLICIES
from .core.policy import MODES, PROTOCOLS, REASONS
from .core.setting import (
    Kind,
    Misfit,
    Setting,
    Table,
    flag,
    hint,
    known,
    live,
    names,
    near,
    number,
    one_of,
    seconds,
    secret,
    setting,
    share,
    size,
    some_of,
    table,
    table_of,
    text,
    texts,
    whole,
)
from .core.toml_lines import line_of, lines_of_names
from .net.http import http_servers
from .net.mapping.folder import WATCHES


@frozen
class Complaint:
    """What is wrong with a setting.

    :ivar name: its full name; empty if it is about no setting.
    :ivar file: where it stands, if that is known, and
    :ivar line: in which line, counted from 1; 0 if that is not known.
    """

    name: str
    message: str
    file: str = ""
    line: int = 0

    @classmethod
    def of(cls, text: str) -> Complaint:
        """:param text: the name of the setting, a colon, and what is wrong with it."""
        name, _, message = text.partition(": ")
        return cls(name, message)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.name, self.message) if part)


class ConfigError(Exception):
    """Settings are wrong."""

    def __init__(self, *complaints: str | Complaint) -> None:
        """:param complaints: each begins with the name of its setting, and says what that may be."""
        self.complaints = tuple(each if isinstance(each, Complaint) else Complaint.of(each) for each in complaints)
        super().__init__("\n".join(map(str, self.complaints)))

    def located(self, file: str, toml: str) -> ConfigError:
        """The same with the places of the settings in a file."""
        lines = lines_of_names(toml)
        return ConfigError(*(evolve(each, file=file, line=line_of(each.name, lines)) for each in self.complaints))


@frozen
class HttpSettings:
    """The public port and the admin port."""

    listen: tuple[str, ...] = setting(
        ("tcp:8080:interface=127.0.0.1",), texts, "Twisted endpoint strings of the public port"
    )
    admin: tuple[str, ...] = setting((), texts, "endpoint strings of the admin port; none: no admin port")
    admin_names: tuple[str, ...] = setting(
        (), texts, "host names, besides addresses and localhost, under which pages of the admin port may give orders"
    )
    explain_secret: str = setting("", secret, "signs the tokens by which live requests are explained; empty: none are")
    server: str = setting("httptools", known(http_servers), "which HTTP server serves the public port")
    max_body: int = live(4 * 1024 * 1024, size(0, 1 << 30), "the largest request body")
    max_request_line: int = live(8192, size(64, 1 << 20), "the longest request line; beyond it 414")
    max_headers: int = live(100, whole(1, 10_000), "headers of one request; beyond it 431")
    max_header_bytes: int = live(32768, size(64, 1 << 20), "all headers of a request together; beyond it 431")
    max_pipelined: int = live(
        16, whole(1, 1024), "requests of one connection that are read before the first is answered"
    )
    max_connections: int = live(10_000, whole(1, 1_000_000), "open connections; one more is closed at once")
    idle_timeout: float = live(60.0, seconds(1, 3600), "an idle connection is closed after this")
    header_timeout: float = live(
        10.0, seconds(0.1, 3600), "from the first byte of a request to the end of its headers; then 408"
    )
    body_timeout: float = live(60.0, seconds(0.1, 3600), "from there to the end of the body; then 408")
    send_timeout: float = live(
        30.0, seconds(0.1, 3600), "a client that has taken next to nothing of its answer is cut off"
    )
    request_id: str = setting(
        "X-Request-Id", text, "the header that brings a request's id and returns it; empty: none does"
    )


@frozen
class MappingSettings:
    """Which IDL is served, and how a changed one is."""

    idl: tuple[str, ...] = setting((), texts, "folders and files of annotated Thrift IDL")
    include_dirs: tuple[str, ...] = setting((), texts, "where includes are looked for, after the including file")
    legacy_annotations: bool = live(False, flag, "`agw.*` and `janus.*` annotations mean what they once did")
    business_status: int = live(500, whole(200, 599, "an HTTP status"), "the status of a business status error")
    watch: str = setting(
        "auto", one_of(*WATCHES), "how files are followed: `inotify`, `poll`, `off`, or `auto`: what fits them"
    )
    on_breaking: str = live(
        "warn", one_of(*POLICIES), "a change that breaks somebody: `serve` it, `warn` and serve, or `refuse` it"
    )
    allow: tuple[str, ...] = live((), texts, "fingerprints of changes that are served although they break somebody")
    history: int = live(10, whole(1, 1000), "versions of the mapping that can be gone back to")
    pushed: bool = setting(False, flag, "also serve what `tgw push` stored in etcd, which goes before files")
    pushed_prefix: str = setting("tgw", text, "where it is stored, without outer slashes")
    cache: str = setting("", text, "a file that keeps what was pushed, for a start while etcd is away")
    skew: str = live(
        "show", one_of("show", "prefer"), "instances whose IDL breaks with ours: `show` them, or `prefer` all others"
    )
    codec: str = live(
        AUTO,
        one_of(*CODECS),
        "what turns JSON into Thrift and back: `native`, `plain`, or `auto`: `native` if it was built",
    )
    max_output: int = live(
        64 << 20, size(1 << 20, 1 << 30), "what is made of a request or of a reply may have so many bytes at most"
    )
    select_fields: bool = live(
        False, flag, "requests may ask for some fields of an answer: `?fields=title,authors(name)`"
    )


@frozen
class DiscoverySettings:
    """Where the instances of services are found."""

    etcd: tuple[str, ...] = setting((), texts, "URLs of the members of one etcd cluster")
    prefix: tuple[str, ...] = setting(("kitex/registry-etcd",), texts, "where services register, without outer slashes")
    static: tuple[str, ...] = live((), texts, "instances that need no etcd: NAME=HOST:PORT*WEIGHT")
    user: str = setting("", text, "etcd user; empty: no authentication")
    password: str = setting("", secret, "etcd password")
    ca: str = setting("", text, "file with the certificate that signed etcd's, for https")
    certificate: str = setting("", text, "file with the client certificate, if etcd asks for one")
    key: str = setting("", text, "file with the client certificate's key")
    timeout: float = setting(3.0, seconds(0.1, 60), "for one request to etcd")
    hold: float = setting(
        45.0,
        seconds(0, 3600),
        "an instance whose lease ran out right after an outage of etcd is kept so long",
    )


@frozen
class UpstreamSettings:
    """How services are called."""

    deadline: float = live(5.0, seconds(0.001, 3600), "from a request to its answer, all tries together")
    connect_timeout: float = live(0.5, seconds(0.001, 60), "for one connection to one instance")
    balancer: str = live("wrr", known(balancers), "how an instance is picked")
    zone: str = live("", text, "ours: instances whose tag `zone` is the same are preferred")
    slow_start: float = live(
        0.0, seconds(0, 3600), "in which the share of a new instance grows to its whole; 0: at once"
    )
    transport: str = live("framed", known(framings), "how Thrift messages are framed; see wire.md")
    protocol: str = live("binary", one_of(*PROTOCOLS), "how Thrift's structs are spelled: `binary` or `compact`")
    pipeline: int = live(1, whole(1, 1024), "calls that one connection carries at a time")
    caller: str = live("txgateway", text, "what services are told of who calls, by TTHeader")
    transient: Mapping[str, Any] = live(
        {},
        names,
        "request headers that the service hears of, each with its name there, by TTHeader",
        example='X-Request-Id = "request-id"',
    )
    persistent: Mapping[str, Any] = live(
        {}, names, "the same for those that it hands on to services of its own", example='X-User = "user"'
    )
    backward: Mapping[str, Any] = live(
        {},
        names,
        "what a service says beside its reply, each with the response header that it becomes",
        example='version = "X-Version"',
    )
    max_connections: int = live(256, whole(1, 65536), "to one instance")
    max_queue: int = live(1024, whole(0, 1 << 20), "that wait for a connection to one instance")
    connection_idle: float = live(30.0, seconds(0.1, 3600), "a connection without a call is closed after this")
    max_frame: int = live(16 * 1024 * 1024, size(64, 1 << 30), "the largest reply")


@frozen
class PolicySettings:
    """What holds for every method, unless annotations or `methods` say otherwise."""

    timeout: float = live(0.0, seconds(0, 3600), "for one try; 0: the deadline alone")
    retries: int = live(0, whole(0, 5), "how often a call may be repeated")
    repeat_lost: bool = live(
        True, flag, "without retries: an idempotent call whose connection is lost is sent once more all the same"
    )
    retry_on: tuple[str, ...] = live(
        ("unavailable", "timeout", "closed"), some_of(*REASONS), "for what: these, and `exception`"
    )
    backoff_min: float = live(0.0, seconds(0, 60), "the least time before a repetition")
    backoff_max: float = live(0.0, seconds(0, 60), "the most, by chance")
    retry_budget: float = live(0.1, share(0.001), "of a method's calls in ten seconds may be repetitions")
    validate: str = live(
        "first", one_of(*MODES), "what becomes of a request that fails its rules: `first`, `all`, `observe`"
    )
    safe_verbs: tuple[str, ...] = live(
        ("GET", "HEAD"), texts, "a method whose routes have no other verbs is idempotent"
    )
    methods: Mapping[str, Any] = live(
        {},
        table,
        "policies of a service or of a `service.method`",
        example='book = { balancer = "ewma" }\n"book.queryBook" = { retries = 2, backup_after = "50ms" }',
    )


@frozen
class HealthSettings:
    """Ejection: an instance that fails is left out for a while."""

    ejection: bool = live(True, flag, "whether instances that fail are left out for a while")
    consecutive_failures: int = live(
        5, whole(0, 1000), "failures in a row that eject, undeclared exceptions among them; 0: off"
    )
    consecutive_unanswered: int = live(0, whole(0, 1000), "the same without exceptions; 0: off")
    deviations: float = live(1.9, number(0, 10), "those go whose rate of successes is so many below the mean; 0: off")
    failure_share: float = live(0.0, share(), "those go of whose calls so many failed; 0: off")
    min_instances: int = live(5, whole(1, 1000), "fewer are not compared with each other")
    min_calls: int = live(100, whole(1, 1_000_000), "of an instance in an interval, likewise")
    interval: float = live(10.0, seconds(0.1, 3600), "after which rates are compared, and some put back")
    ejection_time: float = live(
        30.0, seconds(0.1, 3600), "for a first ejection; a second one lasts twice as long, and so on"
    )
    max_ejection_time: float = live(300.0, seconds(0.1, 86400), "at most")
    max_ejected: float = live(0.1, share(), "of the instances may be out at once; one always may")
    panic: float = live(0.5, share(), "with fewer instances usable all are used")
    check: bool = live(False, flag, "whether a connection to each instance is tried now and then")
    check_methods: Mapping[str, Any] = live(
        {},
        table,
        "a method without arguments by the name of its service: that is called instead",
        example='book = "ping"',
    )
    check_interval: float = live(10.0, seconds(0.1, 3600), "from one check of an instance to the next")
    check_timeout: float = live(1.0, seconds(0.01, 60), "for one check; three in a row that fail eject")


@frozen
class BreakerSettings:
    """Circuit breakers: where most calls fail, none are sent for five seconds."""

    per_method: bool = live(False, flag, "of a service's method: calls that fail or get an undeclared exception")
    per_instance: bool = live(False, flag, "of an instance: connects that fail")
    error_rate: float = live(0.5, share(0.01), "of the last ten seconds' calls that opens")
    min_calls: int = live(200, whole(1, 1_000_000), "in these ten seconds, or it stays closed")


@frozen
class LifecycleSettings:
    """Processes, and their end."""

    drain_timeout: float = live(10.0, seconds(0, 600), "at a stop, running requests get this long to end")
    workers: int = setting(0, whole(0, 256), "processes that serve; 0: this one alone, without any to look after it")


@frozen
class LogSettings:
    """The access log: a line for each request."""

    access: str = live("json", one_of("json", "combined", "off"), "the form of its lines")
    access_file: str = live("", text, "where they go, opened anew at SIGUSR1; empty: into the log of the process")
    access_sample: float = live(1.0, share(), "of the requests that did not fail have a line")


@frozen
class MetricsSettings:
    """What `/metrics` of the admin port shows."""

    requests: bool = setting(True, flag, "requests, their durations and failures, and their calls")


@frozen
class TracingSettings:
    """Traces, sent to a collector; they need the extra `otel`."""

    endpoint: str = setting("", text, "where they go, by OTLP over HTTP: http://127.0.0.1:4318/v1/traces; empty: none")
    sample: float = live(0.1, share(), "of the requests that come without a trace begin one that is recorded")
    service: str = setting("txgateway", text, "what they call us")


@frozen
class OpenapiSettings:
    """The OpenAPI document; the admin port has it in any case."""

    public: bool = live(False, flag, "whether the public port has it too, at `/openapi.json`")
    title: str = live("", text, "its title; empty: the names of the services")
    version: str = live("", text, "the version of the interface; empty: the digest of the mapping")
    servers: tuple[str, ...] = live((), texts, "URLs of the public port; none: the address that it listens on")
    calls: bool = live(False, flag, "whether it describes `POST /gateway/<service>/<method>` too")


@frozen
class Settings:
    """All settings, by the tables of the TOML file."""

    http: HttpSettings = HttpSettings()
    mapping: MappingSettings = MappingSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    upstream: UpstreamSettings = UpstreamSettings()
    policy: PolicySettings = PolicySettings()
    health: HealthSettings = HealthSettings()
    breaker: BreakerSettings = BreakerSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    openapi: OpenapiSettings = OpenapiSettings()


@frozen
class Step:
    """What a gateway that runs makes of changed settings.

    :ivar settings: those that hold now.
    :ivar taken: the full names of what has changed in them.
    :ivar waiting: the full names of what waits for the next start.
    """

    settings: Settings
    taken: tuple[str, ...]
    waiting: tuple[str, ...]


# All that can be set.
TABLES: tuple[Table, ...] = tuple(table_of(each.name, type(each.default)) for each in fields(Settings))


def step_to(running: Settings, wanted: Settings, is_live: Callable[[Setting], bool]) -> Step:
    """:param is_live: whether a setting can be taken over."""
    taken: list[str] = []
    waiting: list[str] = []
    tables: dict[str, Any] = {}
    for declared in TABLES:
        old, new = getattr(running, declared.name), getattr(wanted, declared.name)
        changed = [each for each in declared.settings if getattr(old, each.name) != getattr(new, each.name)]
        usable = [each for each in changed if is_live(each)]
        taken += (each.full_name for each in usable)
        waiting += (each.full_name for each in changed if each not in usable)
        tables[declared.name] = evolve(old, **{each.name: getattr(new, each.name) for each in usable})
    return Step(evolve(running, **tables), tuple(taken), tuple(waiting))


def read_settings(toml: str, file: str) -> Settings:
    """The settings of a TOML file; what it leaves out has its default. Raises ConfigError."""
    return all_of_it(read_usable(toml, file))


def read_usable(toml: str, file: str) -> tuple[Settings, tuple[Complaint, ...]]:
    """The same, with those settings left out that are wrong, and what is wrong with them.

    Raises ConfigError if the file is no TOML.
    """
    try:
        tables = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_unparsed(file, toml, str(error))) from None
    settings, complaints = _merged(Settings(), tables)
    return settings, ConfigError(*complaints).located(file, toml).complaints


def all_of_it(read: tuple[Settings, Sequence[str | Complaint]]) -> Settings:
    """Raises ConfigError if anything is wrong."""
    settings, complaints = read
    if complaints:
        raise ConfigError(*complaints)
    return settings


# How the parser says where it stopped.
_STOPPED = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def _unparsed(file: str, toml: str, said: str) -> Complaint:
    parts = _STOPPED.fullmatch(said)
    if parts is None:
        return Complaint("", f"no TOML: {said}", file)
    line, where = (int(parts[2]), f" at column {parts[3]}") if parts[2] else (toml.rstrip().count("\n") + 1, "")
    return Complaint("", f"no TOML{where}: {parts[1]}", file, line)


def merge(settings: Settings, tables: Mapping[str, Any]) -> Settings:
    """``settings`` with the values of ``tables`` (table -> setting -> value) put in.

    Raises ConfigError with all that is wrong.
    """
    return all_of_it(_merged(settings, tables))


def _merged(settings: Settings, tables: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """With what is right of them, and what is wrong."""
    complaints: list[str] = []
    declared = {each.name: each for each in TABLES}
    changed: dict[str, Any] = {}
    for name, values in tables.items():
        if name not in declared:
            complaints.append(f"{name}: no such table; {hint(name, declared)}")
        elif not isinstance(values, Mapping):
            complaints.append(f"{name}: expected a table")
        else:
            changed[name] = _merge_table(declared[name], getattr(settings, name), values, complaints)
    return evolve(settings, **changed), complaints


def _merge_table(here: Table, before: Any, values: Mapping[str, Any], complaints: list[str]) -> Any:
    settings = {each.name: each for each in here.settings}
    taken = {}
    for name, value in values.items():
        if name not in settings:
            complaints.append(f"{here.name}.{name}: no such setting; {_whereabouts(name, settings)}")
            continue
        try:
            taken[name] = _take(settings[name].kind, value)
        except Misfit as misfit:
            complaints.append(f"{here.name}.{name}: {misfit}")
    return evolve(before, **taken)


def _take(kind: Kind, value: Any) -> Any:
    return kind.take(_revealed(value) if kind.is_secret else value)


def _revealed(value: Any) -> Any:
    """A secret that stands elsewhere: ``{ file = "PATH" }``, less the end of its line, or ``{ env = "NAME" }``."""
    match value:
        case {"file": str(path), **others} if not others:
            try:
                return Path(path).read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise Misfit(f"{path}: {getattr(error, 'strerror', None) or 'no text'}") from None
        case {"env": str(name), **others} if not others:
            if name not in os.environ:
                raise Misfit(f"there is no {name} in the environment")
            return os.environ[name]
    return value


def _whereabouts(name: str, names_here: Iterable[str]) -> str:
    """Where a setting is that is not in this table."""
    elsewhere = [each.name for each in TABLES if any(setting.name == name for setting in each.settings)]
    if elsewhere and not near(name, names_here):
        return f"there is one in {' and '.join(f'[{each}]' for each in elsewhere)}"
    return hint(name, names_here)
