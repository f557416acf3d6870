"""Metainfo: keys and values of the callers' own that travel with a call, as Kitex writes them into a TTHeader."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from .framing import Info
from .framing.ttheader import Key

TRANSIENT = "RPC_TRANSIT_"
PERSISTENT = "RPC_PERSIST_"
# Read and never written: how some callers mark what they themselves were sent.
_UPSTREAM = "RPC_TRANSIT_UPSTREAM_"

_NOTHING: Mapping[str, str] = MappingProxyType({})


@frozen
class Metainfo:
    """What a service hears beside a call; all of it empty where the transport has no room for it.

    :ivar transient: for this service alone.
    :ivar persistent: for every service on the way; a service that calls on should hand it on.
    :ivar caller: the name of the calling service, and of its method.
    :ivar timeout: seconds that the caller waits; None if it did not say.
    """

    transient: Mapping[str, str] = _NOTHING
    persistent: Mapping[str, str] = _NOTHING
    caller: str = ""
    caller_method: str = ""
    timeout: float | None = None


def read(info: Info | None) -> Metainfo:
    """The metainfo of a request; what has no name or no value was never sent."""
    if info is None:
        return Metainfo()
    integers = info.integers
    return Metainfo(
        transient={**_named(info.strings, _UPSTREAM), **_named(info.strings, TRANSIENT, but=_UPSTREAM)},
        persistent=_named(info.strings, PERSISTENT),
        caller=integers.get(Key.FROM_SERVICE, ""),
        caller_method=integers.get(Key.FROM_METHOD, ""),
        timeout=_milliseconds(integers.get(Key.TIMEOUT, "")),
    )


def write(transient: Mapping[str, str] = _NOTHING, persistent: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """The string keys for a call; see ``Call.info``."""
    prefixed = ((TRANSIENT, transient), (PERSISTENT, persistent))
    return {prefix + name: value for prefix, values in prefixed for name, value in values.items() if name and value}


def _named(strings: Mapping[str, str], prefix: str, but: str = "\0") -> dict[str, str]:
    return {
        key[len(prefix) :]: value
        for key, value in strings.items()
        if value and key.startswith(prefix) and len(key) > len(prefix) and not key.startswith(but)
    }


def _milliseconds(text: str) -> float | None:
    return int(text) / 1000 if text.isascii() and text.isdecimal() and len(text) < 12 else None
