"""How the calls of a method are made: ``tgw.*`` annotations and settings to one frozen Policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from attrs import evolve, field, frozen

from .descriptor import Annotation, Annotations, Method, Service
from .errors import Diagnostic, IdlError
from .setting import hint

# As many repetitions as Kitex allows.
MAX_RETRIES = 5
# Seconds: no wait for an answer is longer.
MAX_SECONDS = 3600.0

UNAVAILABLE, TIMEOUT, CLOSED, EXCEPTION = "unavailable", "timeout", "closed", "exception"
# How Thrift's structs are spelled.
PROTOCOLS = ("binary", "compact")
# Servers run the calls of one connection in series, so more in line help nobody.
MAX_PIPELINE = 1024
# What a call may be repeated for.
REASONS = (UNAVAILABLE, TIMEOUT, CLOSED, EXCEPTION)

# What becomes of a request that fails its rules: refused at the first, refused with all of
# them, or only noticed.
MODES = FIRST, ALL, OBSERVE = "first", "all", "observe"

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)")
_SOURCE = re.compile(r"(?:header|cookie|query|arg):[!-~]+|ip")
_TAG = re.compile(r"([^=\s]+)=([!-~]+)")


class Choice(NamedTuple):
    """By what an instance is picked; methods that make the same choice share a balancer.

    A tuple, since it is looked up twice for each call: that is five times as quick as by a class of attrs.

    ``tags`` divide the instances; empty: they are not divided. ``tag_fallback`` says whether a call
    whose subset is empty may go to any instance.
    """

    balancer: str = "wrr"
    tags: tuple[str, ...] = ()
    tag_fallback: bool = False


_DEFAULT_CHOICE = Choice()


@frozen
class Policy:
    """What is asked of the calls of one method; times in seconds, and 0 means: not bounded, not done.

    :ivar name: the method, as ``Service.method``; empty if the policy is nobody's.
    :ivar timeout: for one try.
    :ivar connect_timeout: for a call to wait for a connection that is being made.
    :ivar retries: how often a call may be repeated.
    :ivar repeats_lost: without retries, a safe call whose connection was lost is sent once more all the same.
    :ivar retry_on: for what.
    :ivar backoff: the least and the most time before a repetition, by chance.
    :ivar backup_after: when a second call is sent beside one that is not answered.
    :ivar idempotent: to carry a call out twice is the same as once.
    :ivar validate: what becomes of a request that fails its rules; ``first``, ``all`` or ``observe``.
    :ivar transport: how messages are framed, and
    :ivar pipeline: how many calls one connection carries at a time, and
    :ivar protocol: how structs are spelled: of a service too; empty or 0: as the settings say.
    :ivar hash_key: where a call's key is found; see ``steering``.
    :ivar subset: for each tag where its wanted value is found, or that value.
    """

    name: str = ""
    choice: Choice = _DEFAULT_CHOICE
    timeout: float = 0.0
    connect_timeout: float = 0.0
    retries: int = 0
    repeats_lost: bool = True
    retry_on: frozenset[str] = frozenset({UNAVAILABLE, TIMEOUT, CLOSED})
    backoff: tuple[float, float] = (0.0, 0.0)
    backup_after: float = 0.0
    idempotent: bool = False
    validate: str = FIRST
    transport: str = ""
    pipeline: int = 0
    protocol: str = ""
    hash_key: str = ""
    subset: tuple[str, ...] = ()


def duration(text: str) -> float:
    """Seconds of ``200ms`` or ``1.5s``; raises ValueError."""
    parts = _DURATION.fullmatch(text)
    seconds = float(parts[1]) / (1000 if parts[2] == "ms" else 1) if parts else -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"a time such as 200ms or 1.5s, at most {MAX_SECONDS:g}s")
    return seconds


def _retries(text: str) -> int:
    if not re.fullmatch(r"[0-9]", text) or int(text) > MAX_RETRIES:
        raise ValueError(f"a whole number from 0 to {MAX_RETRIES}")
    return int(text)


def _reasons(text: str) -> frozenset[str]:
    reasons = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not reasons <= frozenset(REASONS):
        raise ValueError(f"some of {', '.join(REASONS)}")
    return reasons


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _source(text: str) -> str:
    if not _SOURCE.fullmatch(text):
        raise ValueError("header:NAME, cookie:NAME, query:NAME, arg:FIELD or ip")
    return text


def _tag(text: str) -> tuple[str, str]:
    """A tag, and where its wanted value is found."""
    parts = _TAG.fullmatch(text)
    if not parts:
        raise ValueError("TAG=VALUE, or TAG= and where the value is: header:NAME, cookie:NAME, query:NAME or arg:FIELD")
    return parts[1], parts[2]


def _mode(text: str) -> str:
    if text not in MODES:
        raise ValueError(f"one of {', '.join(MODES)}")
    return text


def _any(text: str) -> bool:
    if text not in ("any", "none"):
        raise ValueError("any or none")
    return text == "any"


def _pipeline(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_PIPELINE:
        raise ValueError(f"a whole number from 1 to {MAX_PIPELINE}")
    return int(text)


def _protocol(text: str) -> str:
    if text not in PROTOCOLS:
        raise ValueError(" or ".join(PROTOCOLS))
    return text


# The names behind ``tgw.`` and in ``policy.methods``, and how their text is read.
POLICIES: dict[str, Callable[[str], Any]] = {
    "timeout": duration,
    "connect_timeout": duration,
    "retries": _retries,
    "retry_on": _reasons,
    "backup_after": duration,
    "idempotent": _flag,
    "validate": _mode,
    "balancer": str,
    "hash_key": _source,
    "tag": _tag,
    "tag_fallback": _any,
    "transport": str,
    "pipeline": _pipeline,
    "protocol": _protocol,
}
# A service's connections are shared by its methods.
_OF_SERVICE = ("transport", "pipeline", "protocol")
# These may be given several times; what is given for a method replaces all that is given for its service.
_MANY = ("tag",)


class PolicyError(ValueError):
    """Policies in the configuration are wrong; each complaint names one and says what it may be."""

    def __init__(self, *complaints: str) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


@frozen
class Policies:
    """All that decides which policy a method has, besides its annotations.

    :ivar defaults: what holds where nothing else is said.
    :ivar safe_verbs: a method all of whose routes have one of these is idempotent.
    :ivar balancers: the names that there are; empty: any will do.
    :ivar transports: likewise.
    :ivar overrides: these win over annotations; by the service's name in the registry, or by ``service.method``.
    """

    defaults: Policy = Policy()
    safe_verbs: frozenset[str] = frozenset({"GET", "HEAD"})
    balancers: frozenset[str] = frozenset()
    transports: frozenset[str] = frozenset()
    overrides: Mapping[str, Mapping[str, Any]] = field(factory=dict)

    def policy(self, service: str, declared: Service, method: Method, verbs: Iterable[str]) -> Policy:
        """:param service: the service's name in the registry.
        :param verbs: those of the method's routes.
        :raises IdlError: with the place of each annotation that is wrong.
        """
        errors: list[Diagnostic] = []
        verbs = frozenset(verbs)
        given: dict[str, Any] = {"idempotent": bool(verbs) and verbs <= self.safe_verbs}
        given |= self._annotated(declared.annotations, POLICIES, errors)
        own = {name: read for name, read in POLICIES.items() if name not in _OF_SERVICE}
        given |= self._annotated(method.annotations, own, errors)
        if errors:
            raise IdlError(tuple(errors))
        given |= self.overrides.get(service, {})
        given |= self.overrides.get(f"{service}.{method.name}", {})
        policy = self._policy(f"{declared.name.name}.{method.name}", given)
        if policy.backup_after and not policy.idempotent:
            where = method.annotations.first("tgw.backup_after") or declared.annotations.first("tgw.backup_after")
            message = f"{method.name}: a backup request may run the method twice, which no tgw.idempotent allows"
            raise IdlError((Diagnostic(message, where.position if where else method.position),))
        return policy

    def unmet(self, served: Mapping[str, Iterable[str]]) -> list[str]:
        """Which overrides are for nobody.

        :param served: the names of all policies, by the names of their services.
        """
        if not self.overrides:
            return []
        places = {f"{service}.{name.rpartition('.')[2]}" for service, names in served.items() for name in names}
        return [place for place in self.overrides if place not in places and place not in served]

    def checked(self, overrides: Mapping[str, Any]) -> Policies:
        """With these overrides as they stand in a configuration file. Raises PolicyError."""
        complaints: list[str] = []
        checked = {place: self._override(place, values, complaints) for place, values in overrides.items()}
        if complaints:
            raise PolicyError(*complaints)
        return evolve(self, overrides=checked)

    def _override(self, place: str, values: Any, complaints: list[str]) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        if not isinstance(values, Mapping):
            complaints.append(f"{place}: expected a table")
            return checked
        for name, value in values.items():
            if name not in POLICIES:
                complaints.append(f"{place}.{name}: no such policy; {hint(name, POLICIES)}")
                continue
            if name in _OF_SERVICE and "." in place:
                complaints.append(f"{place}.{name}: it can be set for a whole service only")
                continue
            try:
                if name in _MANY:
                    checked[name] = [self._read(name, each) for each in _as_texts(value)]
                else:
                    checked[name] = self._read(name, _as_text(name, value))
            except ValueError as error:
                complaints.append(f"{place}.{name}: expected {error}, got {value!r}")
        return checked

    def _annotated(self, annotations: Annotations, names: Iterable[str], errors: list[Diagnostic]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name in names:
            found = annotations.all(f"tgw.{name}")
            for annotation in found if name in _MANY else found[:1]:
                try:
                    read = self._read(name, annotation.value)
                except ValueError as error:
                    errors.append(_complaint(annotation, str(error)))
                else:
                    given[name] = [*given.get(name, ()), read] if name in _MANY else read
        return given

    def _read(self, name: str, text: str) -> Any:
        names = {"balancer": self.balancers, "transport": self.transports}.get(name)
        if names and text not in names:
            raise ValueError(f"one of {', '.join(sorted(names))}")
        return POLICIES[name](text)

    def _policy(self, name: str, given: dict[str, Any]) -> Policy:
        subsets: dict[str, str] = dict(given.pop("tag", ()))
        fallback = given.pop("tag_fallback", self.defaults.choice.tag_fallback)
        # Whoever names a key means the balancer that uses it.
        by_default = "hash" if "hash_key" in given else self.defaults.choice.balancer
        if "retries" in given:
            # Whoever says how often means just that.
            given["repeats_lost"] = False
        choice = Choice(given.pop("balancer", by_default), tuple(subsets), fallback and bool(subsets))
        return evolve(self.defaults, name=name, choice=choice, subset=tuple(subsets.values()), **given)


def _complaint(annotation: Annotation, expected: str) -> Diagnostic:
    message = f"{annotation.key}: expected {expected}, got {annotation.value[:40]!r}"
    return Diagnostic(message, annotation.value_position or annotation.position)


def _as_texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _as_text(name: str, value: Any) -> str:
    """A value of a TOML file as an annotation would have it; a number that is a time is one of seconds."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() if POLICIES[name] is duration:
            return f"{value}s"
        case list():
            return ",".join(map(str, value))
    return str(value)
