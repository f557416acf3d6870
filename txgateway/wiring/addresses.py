"""Where ports listen: of settings to endpoints, and of addresses to what people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress

from ..config import ConfigError
from ..net.listening import Roomy


def endpoints_from(setting: str, texts: tuple[str, ...], reactor: Any) -> list[Any]:
    """Raises ConfigError for what is no endpoint; ``setting`` is its name."""
    try:
        return [serverFromString(Roomy(reactor), text) for text in texts]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ConfigError(f"{setting}: {', '.join(texts)}: not a Twisted endpoint string ({error})") from None


def made_here(endpoints: tuple[str, ...]) -> tuple[str, ...]:
    """Without those that only whoever starts the gateway can give."""
    return tuple(each for each in endpoints if not each.startswith("systemd:"))


def public_address(texts: Sequence[str], addresses: Sequence[IAddress]) -> str:
    """The first address that has a host and a port, as a URL without a path; empty: there is none."""
    for text, address in zip(texts, addresses, strict=False):
        if isinstance(address, IPv4Address | IPv6Address):
            host = f"[{address.host}]" if isinstance(address, IPv6Address) else address.host
            return f"{'https' if text.startswith(('ssl:', 'https:')) else 'http'}://{host}:{address.port}"
    return ""


def describe_address(address: IAddress) -> str:
    if isinstance(address, IPv4Address | IPv6Address):
        return f"{address.host}:{address.port}"
    return str(address)
