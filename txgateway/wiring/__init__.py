"""Builds the parts and joins them; the only package that knows them all.

``service`` joins them: read it first. The others each have one subject: ``making`` a part for its settings, ``filters``
what stands around the gateway, ``mapping`` where IDL comes from, ``following`` the upstreams of what registries find,
``observing`` what is kept of requests, ``metering`` what is measured, ``describing`` the OpenAPI documents, ``status``
and ``admin`` what the admin port shows, ``checking`` settings alone, ``telling`` what became of changed ones.
"""

from __future__ import annotations

from typing import Any

from ..config import Settings
from .addresses import describe_address, endpoints_from, public_address
from .checking import check, check_settings
from .making import http_limits, load_extensions
from .service import CLOSE_WITHIN, GatewayService
from .telling import tell_refused, tell_step

__all__ = [
    "CLOSE_WITHIN",
    "GatewayService",
    "build_gateway",
    "check",
    "check_settings",
    "describe_address",
    "endpoints_from",
    "http_limits",
    "public_address",
    "tell_refused",
    "tell_step",
]


def build_gateway(settings: Settings, reactor: Any, listen_on: list[Any] | None = None) -> GatewayService:
    """The gateway as one Twisted service; nothing listens before it is started.

    Raises ConfigError for a setting that names what there is not.

    :param listen_on: the endpoints of the public port, where they are not those of the settings; there may be none.
    """
    load_extensions()
    return GatewayService(settings, reactor, listen_on)
