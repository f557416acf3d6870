"""Whether an order may be taken from where it comes: no page of another site may give one through a browser."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

_LOCAL = "localhost"


def refusal(origin: str | None, host: str, names: Collection[str]) -> str:
    """Why an order is not taken; empty if it is.

    Whoever sends no Origin is no browser, which may do what it can reach. A page that was served under a name
    which its owner has pointed at us in the meantime has our host in its Origin; so hosts have to be addresses,
    ``localhost``, or names that an operator has said are ours.

    :param origin: the header; None: there is none.
    :param host: the header, ``name:port``.
    :param names: ours, without ports.
    """
    if origin is None:
        return ""
    scheme, _, place = origin.partition("://")
    if scheme not in ("http", "https") or not host or place.lower() != host.lower():
        return "a page of another site asked for this"
    return unknown_host(host, names)


def unknown_host(host: str, names: Collection[str]) -> str:
    """Why nothing is done under the name by which we were asked; empty if it is one of ours."""
    name = _name(host)
    if _is_address(name) or name == _LOCAL or name.endswith(f".{_LOCAL}") or name in names:
        return ""
    return f"no orders under the name {name[:80]!r}: http.admin_names lists those that are the admin port's"


def _name(netloc: str) -> str:
    """Without port and brackets, in lower case."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
