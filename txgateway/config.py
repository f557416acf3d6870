"""Settings: read once, from a TOML file and the command line, checked and frozen."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from attrs import Attribute, evolve, field, fields, frozen


class ConfigError(Exception):
    """A setting is wrong; the text names it and says what it may be."""


def _number(low: float, high: float, unit: str) -> Callable[[Any, str], float]:
    def check(value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{name}: expected {unit} from {low:g} to {high:g}, got {value!r}")
        return value

    return check


def _whole(low: int, high: int, unit: str) -> Callable[[Any, str], int]:
    def check(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{name}: expected {unit} from {low} to {high}, got {value!r}")
        return value

    return check


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected text, got {value!r}")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: expected true or false, got {value!r}")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{name}: expected text or a list of texts, got {value!r}")
    return tuple(value)


def _names(value: Any, name: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(other, str) for other in value.values()):
        raise ConfigError(f"{name}: expected a table of names, got {value!r}")
    return value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: expected a table, got {value!r}")
    return value


def _setting(default: Any, check: Callable[[Any, str], Any], doc: str) -> Any:
    """One setting: its default, how a value from outside is checked, and what it means."""
    return field(default=default, metadata={"check": check, "doc": doc})


@frozen
class HttpSettings:
    listen: tuple[str, ...] = _setting(
        ("tcp:8080:interface=127.0.0.1",), _texts, "Twisted endpoint strings of the public port"
    )
    admin: tuple[str, ...] = _setting((), _texts, "endpoint strings of the admin port; none: no admin port")
    server: str = _setting("httptools", _text, "which HTTP server serves the public port: `httptools` or `klein`")
    max_body: int = _setting(4 * 1024 * 1024, _whole(0, 1 << 30, "a whole number of bytes"), "the largest request body")
    max_request_line: int = _setting(
        8192, _whole(64, 1 << 20, "a whole number of bytes"), "the longest request line; beyond it 414"
    )
    max_headers: int = _setting(100, _whole(1, 10_000, "a whole number"), "headers of one request; beyond it 431")
    max_header_bytes: int = _setting(
        32768, _whole(64, 1 << 20, "a whole number of bytes"), "all headers of a request together; beyond it 431"
    )
    max_pipelined: int = _setting(
        16, _whole(1, 1024, "a whole number"), "requests of one connection that are read before the first is answered"
    )
    max_connections: int = _setting(
        10_000, _whole(1, 1_000_000, "a whole number"), "open connections; one more is closed at once"
    )
    idle_timeout: float = _setting(60.0, _number(1, 3600, "seconds"), "an idle connection is closed after this")
    header_timeout: float = _setting(
        10.0, _number(0.1, 3600, "seconds"), "from the first byte of a request to the end of its headers; then 408"
    )
    body_timeout: float = _setting(60.0, _number(0.1, 3600, "seconds"), "from there to the end of the body; then 408")
    send_timeout: float = _setting(
        30.0, _number(0.1, 3600, "seconds"), "a client that has taken next to nothing of its answer is cut off"
    )
    access_log: bool = _setting(True, _flag, "one log line per request")


@frozen
class MappingSettings:
    idl: tuple[str, ...] = _setting((), _texts, "folders and files of annotated Thrift IDL")
    include_dirs: tuple[str, ...] = _setting((), _texts, "where includes are looked for, after the including file")
    legacy_annotations: bool = _setting(False, _flag, "`agw.*` and `janus.*` annotations mean what they once did")
    business_status: int = _setting(500, _whole(200, 599, "an HTTP status"), "the status of a business status error")
    watch: str = _setting("auto", _text, "how files are followed: `inotify`, `poll`, `off`, or `auto`: what fits them")
    on_breaking: str = _setting(
        "warn", _text, "a change that breaks somebody: `serve` it, `warn` and serve, or `refuse` it"
    )
    allow: tuple[str, ...] = _setting(
        (), _texts, "fingerprints of changes that are served although they break somebody"
    )
    history: int = _setting(10, _whole(1, 1000, "a whole number"), "versions of the mapping that can be gone back to")
    pushed: bool = _setting(False, _flag, "also serve what `tgw push` stored in etcd, which goes before files")
    pushed_prefix: str = _setting("tgw", _text, "where it is stored, without outer slashes")
    cache: str = _setting("", _text, "a file that keeps what was pushed, for a start while etcd is away")
    skew: str = _setting("show", _text, "instances whose IDL breaks with ours: `show` them, or `prefer` all others")


@frozen
class DiscoverySettings:
    etcd: tuple[str, ...] = _setting((), _texts, "URLs of the members of one etcd cluster")
    prefix: tuple[str, ...] = _setting(
        ("kitex/registry-etcd",), _texts, "where services register, without outer slashes"
    )
    static: tuple[str, ...] = _setting((), _texts, "instances that need no etcd: NAME=HOST:PORT*WEIGHT")
    user: str = _setting("", _text, "etcd user; empty: no authentication")
    password: str = _setting("", _text, "etcd password")
    ca: str = _setting("", _text, "file with the certificate that signed etcd's, for https")
    certificate: str = _setting("", _text, "file with the client certificate, if etcd asks for one")
    key: str = _setting("", _text, "file with the client certificate's key")
    timeout: float = _setting(3.0, _number(0.1, 60, "seconds"), "for one request to etcd")
    hold: float = _setting(
        45.0,
        _number(0, 3600, "seconds"),
        "an instance whose lease ran out right after an outage of etcd is kept so long",
    )


@frozen
class UpstreamSettings:
    deadline: float = _setting(5.0, _number(0.001, 3600, "seconds"), "from a request to its answer, all tries together")
    connect_timeout: float = _setting(0.5, _number(0.001, 60, "seconds"), "for one connection to one instance")
    balancer: str = _setting("wrr", _text, "how an instance is picked")
    zone: str = _setting("", _text, "ours: instances whose tag `zone` is the same are preferred")
    slow_start: float = _setting(
        0.0, _number(0, 3600, "seconds"), "in which the share of a new instance grows to its whole; 0: at once"
    )
    transport: str = _setting("framed", _text, "how Thrift messages are framed; see wire.md")
    protocol: str = _setting("binary", _text, "how Thrift's structs are spelled: `binary` or `compact`")
    pipeline: int = _setting(1, _whole(1, 1024, "a whole number"), "calls that one connection carries at a time")
    caller: str = _setting("txgateway", _text, "what services are told of who calls, by TTHeader")
    transient: Mapping[str, Any] = _setting(
        {}, _names, "request headers that the service hears of, each with its name there, by TTHeader"
    )
    persistent: Mapping[str, Any] = _setting({}, _names, "the same for those that it hands on to services of its own")
    backward: Mapping[str, Any] = _setting(
        {}, _names, "what a service says beside its reply, each with the response header that it becomes"
    )
    max_connections: int = _setting(256, _whole(1, 65536, "a whole number"), "to one instance")
    max_queue: int = _setting(1024, _whole(0, 1 << 20, "a whole number"), "that wait for a connection to one instance")
    connection_idle: float = _setting(
        30.0, _number(0.1, 3600, "seconds"), "a connection without a call is closed after this"
    )
    max_frame: int = _setting(16 * 1024 * 1024, _whole(64, 1 << 30, "a whole number of bytes"), "the largest reply")


@frozen
class PolicySettings:
    """What holds for every method, unless annotations or ``methods`` say otherwise."""

    timeout: float = _setting(0.0, _number(0, 3600, "seconds"), "for one try; 0: the deadline alone")
    retries: int = _setting(0, _whole(0, 5, "a whole number"), "how often a call may be repeated")
    retry_on: tuple[str, ...] = _setting(
        ("unavailable", "timeout", "closed"), _texts, "for what: these, and `exception`"
    )
    backoff_min: float = _setting(0.0, _number(0, 60, "seconds"), "the least time before a repetition")
    backoff_max: float = _setting(0.0, _number(0, 60, "seconds"), "the most, by chance")
    retry_budget: float = _setting(
        0.1, _number(0.001, 1, "a share"), "of a method's calls in ten seconds may be repetitions"
    )
    validate: str = _setting(
        "first", _text, "what becomes of a request that fails its rules: `first`, `all`, `observe`"
    )
    safe_verbs: tuple[str, ...] = _setting(
        ("GET", "HEAD"), _texts, "a method whose routes have no other verbs is idempotent"
    )
    methods: Mapping[str, Any] = _setting({}, _table, "policies of a service or of a `service.method`")


@frozen
class HealthSettings:
    """Ejection: an instance that fails is left out for a while."""

    ejection: bool = _setting(True, _flag, "whether instances that fail are left out for a while")
    consecutive_failures: int = _setting(
        5, _whole(0, 1000, "a whole number"), "failures in a row that eject, undeclared exceptions among them; 0: off"
    )
    consecutive_unanswered: int = _setting(0, _whole(0, 1000, "a whole number"), "the same without exceptions; 0: off")
    deviations: float = _setting(
        1.9, _number(0, 10, "a number"), "those go whose rate of successes is so many below the mean; 0: off"
    )
    failure_share: float = _setting(0.0, _number(0, 1, "a share"), "those go of whose calls so many failed; 0: off")
    min_instances: int = _setting(5, _whole(1, 1000, "a whole number"), "fewer are not compared with each other")
    min_calls: int = _setting(100, _whole(1, 1_000_000, "a whole number"), "of an instance in an interval, likewise")
    interval: float = _setting(10.0, _number(0.1, 3600, "seconds"), "after which rates are compared, and some put back")
    ejection_time: float = _setting(
        30.0, _number(0.1, 3600, "seconds"), "for a first ejection; a second one lasts twice as long, and so on"
    )
    max_ejection_time: float = _setting(300.0, _number(0.1, 86400, "seconds"), "at most")
    max_ejected: float = _setting(0.1, _number(0, 1, "a share"), "of the instances may be out at once; one always may")
    panic: float = _setting(0.5, _number(0, 1, "a share"), "with fewer instances usable all are used")
    check: bool = _setting(False, _flag, "whether a connection to each instance is tried now and then")
    check_methods: Mapping[str, Any] = _setting(
        {}, _table, "a method without arguments by the name of its service: that is called instead"
    )
    check_interval: float = _setting(10.0, _number(0.1, 3600, "seconds"), "from one check of an instance to the next")
    check_timeout: float = _setting(1.0, _number(0.01, 60, "seconds"), "for one check; three in a row that fail eject")


@frozen
class BreakerSettings:
    """Circuit breakers: where most calls fail, none are sent for five seconds."""

    per_method: bool = _setting(False, _flag, "of a service's method: calls that fail or get an undeclared exception")
    per_instance: bool = _setting(False, _flag, "of an instance: connects that fail")
    error_rate: float = _setting(0.5, _number(0.01, 1, "a share"), "of the last ten seconds' calls that opens")
    min_calls: int = _setting(200, _whole(1, 1_000_000, "a whole number"), "in these ten seconds, or it stays closed")


@frozen
class LifecycleSettings:
    drain_timeout: float = _setting(
        10.0, _number(0, 600, "seconds"), "at a stop, running requests get this long to end"
    )
    workers: int = _setting(
        0, _whole(0, 256, "a whole number"), "processes that serve; 0: this one alone, without any to look after it"
    )


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


def read_settings(text: str, file: str) -> Settings:
    """The settings of a TOML file; what it leaves out has its default. Raises ConfigError."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from None
    return merge(Settings(), tables, f"{file}: ")


def merge(settings: Settings, tables: Mapping[str, Any], where: str = "") -> Settings:
    """``settings`` with the values of ``tables`` (table -> setting -> value) put in.

    :param where: stands before the name of the setting in errors.
    """
    known = {table.name: table for table in fields(Settings)}
    changed: dict[str, Any] = {}
    for name, values in tables.items():
        if name not in known:
            raise ConfigError(f"{where}[{name}]: no such table; there are {', '.join(known)}")
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}{name}: expected a table")
        changed[name] = _merge_table(getattr(settings, name), values, f"{where}{name}.")
    return evolve(settings, **changed)


def _merge_table(table: Any, values: Mapping[str, Any], where: str) -> Any:
    known: dict[str, Attribute[Any]] = {setting.name: setting for setting in fields(type(table))}
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"{where}{name}: no such setting; there are {', '.join(known)}")
        checked[name] = known[name].metadata["check"](value, where + name)
    return evolve(table, **checked)
