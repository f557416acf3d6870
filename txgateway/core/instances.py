"""The live instances of a service: a snapshot, its differences, and etcd's text for each instance.

Keys and values are those of Kitex's registry-etcd, so that its services are found
by us and ours by its clients::

    kitex/registry-etcd/book/10.1.2.3:9001
        {"network":"tcp","address":"10.1.2.3:9001","weight":10,"tags":{"zone":"a"}}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import orjson
from attrs import evolve, field, frozen

# What Kitex takes for a weight that was left out, or is not above zero.
DEFAULT_WEIGHT = 10
DEFAULT_PREFIX = "kitex/registry-etcd"

IP_VARIABLE = "KITEX_IP_TO_REGISTRY"
PORT_VARIABLE = "KITEX_PORT_TO_REGISTRY"

_NETWORKS = frozenset({"tcp", "tcp4", "tcp6", "unix"})
_ANY_HOST = frozenset({"", "0.0.0.0", "::"})
_NO_TAGS: Mapping[str, str] = MappingProxyType({})
# A name, an IPv4 or an IPv6 address; whether it can be reached is not asked here.
_HOST = re.compile(r"[^\s/\[\]\x00-\x1f\x7f]{1,255}")
_PORT = re.compile(r"[0-9]{1,5}")
_STATIC = re.compile(r"(?P<service>[^=]*)=(?P<address>.*?)(?:\*(?P<weight>[^*]*))?", re.DOTALL)


class InvalidInstance(ValueError):
    """An instance that cannot be announced or used; the text says which part and why."""


def _freeze(tags: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(tags)) if tags else _NO_TAGS


@frozen
class Instance:
    """One running copy of a service.

    :ivar host: a name, an IPv4 or a bare IPv6 address; the path, if ``network`` is ``unix``.
    :ivar weight: above zero in all that a registry hands on.
    :ivar network: ``tcp``, ``tcp4``, ``tcp6`` or ``unix``.
    :ivar suspect: its registration ran out just after the registry itself was away, which proves
        nothing: it may be picked after all others, until a connect to it fails.
    :ivar address: ``host:port``, or the path; what tells instances of one service apart.
    """

    host: str
    port: int
    weight: int = DEFAULT_WEIGHT
    # Tags may be read but not changed, and equal instances have equal hashes without them.
    tags: Mapping[str, str] = field(default=_NO_TAGS, converter=_freeze, hash=False)
    network: str = "tcp"
    suspect: bool = False
    address: str = field(init=False, eq=False, repr=False)

    @address.default
    def _join(self) -> str:
        return self.host if self.network == "unix" else f"{self.host}:{self.port}"


Instances = tuple[Instance, ...]


@frozen
class Difference:
    """What leads from one snapshot to the next; an instance is known by its address."""

    added: Instances
    removed: Instances
    # Their new values.
    changed: Instances

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def difference(old: Iterable[Instance], new: Iterable[Instance]) -> Difference:
    """The way from ``old`` to ``new``, each part in the order of its snapshot."""
    before = {instance.address: instance for instance in old}
    after = {instance.address: instance for instance in new}
    return Difference(
        added=tuple(i for a, i in after.items() if a not in before),
        removed=tuple(i for a, i in before.items() if a not in after),
        changed=tuple(i for a, i in after.items() if a in before and before[a] != i),
    )


# The value of a key


def parse_instance(value: bytes) -> Instance:
    """Read the value of an etcd key as Go's JSON decoder does.

    Names of fields match in any letter case, unknown fields are ignored, null is the same as
    nothing; a wrong type in a known field spoils the whole value, and so does an address that
    nobody could dial.

    :raises InvalidInstance: with the reason.
    """
    fields = _known_fields(value)
    network = _text(fields, "network") or "tcp"
    if network not in _NETWORKS:
        raise InvalidInstance(f"network is {network!r:.40}, which is none of {', '.join(sorted(_NETWORKS))}")
    host, port = _split(network, _text(fields, "address"))
    weight = _weight(fields)
    return Instance(host, port, weight if weight > 0 else DEFAULT_WEIGHT, _tags(fields), network)


def format_instance(instance: Instance) -> bytes:
    """The value that Kitex's registry-etcd writes for this instance, byte for byte."""
    text = orjson.dumps(
        {
            "network": instance.network,
            "address": instance.address,
            "weight": instance.weight,
            "tags": dict(sorted(instance.tags.items())) or None,
        }
    )
    return _FOR_HTML.sub(lambda found: _ESCAPES[found.group()], text)


# Go escapes what HTML and JavaScript could take for their own.
_ESCAPES = {
    b"<": b"\\u003c",
    b">": b"\\u003e",
    b"&": b"\\u0026",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}
_FOR_HTML = re.compile(b"|".join(_ESCAPES))


def _known_fields(value: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        fields = _loads_replacing(value)
    if not isinstance(fields, dict):
        raise InvalidInstance("the value is not a JSON object")
    return {name.lower(): content for name, content in fields.items() if content is not None}


def _loads_replacing(value: bytes) -> Any:
    """Go replaces bytes that are not UTF-8; anything else that fails is no JSON."""
    try:
        return orjson.loads(value.decode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        raise InvalidInstance("the value is not JSON") from error


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name, "")
    if not isinstance(text, str):
        raise InvalidInstance(f"{name} is not a string")
    return text


def _weight(fields: dict[str, Any]) -> int:
    weight = fields.get("weight", 0)
    # bool is Python's int too; 64 bits are Go's.
    if type(weight) is not int or not -(2**63) <= weight < 2**63:
        raise InvalidInstance("weight is not a whole number of 64 bits")
    return weight


def _tags(fields: dict[str, Any]) -> dict[str, str]:
    tags = fields.get("tags", {})
    if not isinstance(tags, dict):
        raise InvalidInstance("tags is not an object")
    # A null stands for Go's zero value here, the empty string.
    known = {name: "" if content is None else content for name, content in tags.items()}
    for name, content in known.items():
        if not isinstance(content, str):
            raise InvalidInstance(f"tag {name!r:.40} is not a string")
    return known


# Addresses


def parse_address(address: str) -> tuple[str, int]:
    """Split ``host:port`` at its last colon; IPv6 may come bare or in brackets.

    :raises InvalidInstance: no such parts, or a port outside of 1 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not colon or not _HOST.fullmatch(host):
        raise InvalidInstance(f"address {address!r:.80} is not host:port")
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise InvalidInstance(f"address {address!r:.80} has no port from 1 to 65535")
    return host, int(port)


def _split(network: str, address: str) -> tuple[str, int]:
    if network != "unix":
        return parse_address(address)
    if not address or "\0" in address:
        raise InvalidInstance("address is not the path of a socket")
    return address, 0


def announced(instance: Instance, environ: Mapping[str, str], local_ipv4: Callable[[], str | None]) -> Instance:
    """The instance as it is written to the registry, by Kitex's rules for addresses.

    :param environ: where ``KITEX_IP_TO_REGISTRY`` and ``KITEX_PORT_TO_REGISTRY`` may replace host and port.
    :param local_ipv4: gives the machine's first IPv4 address that is not a loopback one, or None;
        asked only for an instance that listens on every address.
    :raises InvalidInstance: nobody could dial what would be written.
    """
    if instance.network == "unix":
        raise InvalidInstance(f"the unix socket {instance.host} cannot be announced: no other machine can dial it")
    host = environ.get(IP_VARIABLE) or instance.host
    if host in _ANY_HOST:
        host = local_ipv4() or ""
    if not host:
        raise InvalidInstance(f"this machine has no IPv4 address but loopback: set {IP_VARIABLE}")
    if ":" in host:
        raise InvalidInstance(f"{host} cannot be announced: Kitex clients cannot dial IPv6, set {IP_VARIABLE}")
    host, port = parse_address(f"{host}:{environ.get(PORT_VARIABLE) or instance.port}")
    weight = instance.weight if instance.weight > 0 else DEFAULT_WEIGHT
    return evolve(instance, host=host, port=port, weight=weight, suspect=False)


# Names and keys


def check_service(name: str) -> str:
    """The name itself, if a service can be registered under it: not empty and without a slash.

    :raises ValueError: otherwise.
    """
    if not name or "/" in name:
        raise ValueError(f"{name!r:.80} cannot name a service: it is empty or holds a '/'")
    return name


def check_prefix(prefix: str) -> str:
    """The prefix itself, if it neither begins nor ends with a slash; it may be empty.

    :raises ValueError: otherwise.
    """
    if prefix != prefix.strip("/"):
        raise ValueError(f"the prefix {prefix!r:.80} must neither begin nor end with '/'")
    return prefix


def instance_key(prefix: str, service: str, instance: Instance) -> bytes:
    """The etcd key of an instance."""
    return f"{prefix}/{service}/{instance.address}".encode()


def service_of(prefix: str, key: bytes) -> str | None:
    """The service that a key under this prefix belongs to; None if the key names none.

    The slash behind the name is part of the test: ``book`` never sees a key of ``book-2``.
    """
    service, slash, rest = key.removeprefix(f"{prefix}/".encode()).partition(b"/")
    return service.decode("utf-8", "replace") if service and slash and rest else None


def foreign_prefix(key: bytes, service: str) -> str | None:
    """The prefix of a key that looks like an instance of this service, whatever the prefix; None if it does not."""
    prefix, slash, rest = key.decode("utf-8", "replace").rpartition(f"/{service}/")
    try:
        parse_address(rest)
    except InvalidInstance:
        return None
    return prefix if slash else None


def parse_static(text: str) -> tuple[str, Instance]:
    """Read ``NAME=HOST:PORT`` or ``NAME=HOST:PORT*WEIGHT``, as given on the command line.

    :raises ValueError: which part is wrong.
    """
    parts = _STATIC.fullmatch(text)
    if parts is None:
        raise InvalidInstance(f"{text!r:.80} is not NAME=HOST:PORT*WEIGHT")
    weight = str(DEFAULT_WEIGHT) if parts["weight"] is None else parts["weight"]
    if not re.fullmatch(r"[0-9]{1,9}", weight) or int(weight) == 0:
        raise InvalidInstance(f"{text!r:.80}: the weight is not a whole number above zero")
    return check_service(parts["service"]), Instance(*parse_address(parts["address"]), int(weight))
