"""How the instances of a service are spoken to: what its IDL and the settings say, and an instance's own tags."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping

from attrs import frozen

from .instances import Instance
from .policy import PROTOCOLS, Policy

# An instance's own words for how it wants to be spoken to.
_TRANSPORT_TAG, _PROTOCOL_TAG = "transport", "protocol"

# The names of the transports that carry the compact protocol end so.
_COMPACT = "-compact"


@frozen
class Dialect:
    """
    :ivar transport: the name of a framing.
    :ivar protocol: one of ``PROTOCOLS``.
    :ivar pipeline: calls in flight on one connection, where the transport does not multiplex them.
    """

    transport: str = "framed"
    protocol: str = PROTOCOLS[0]
    pipeline: int = 1

    def framing(self, names: Container[str]) -> str:
        """The name of the framing that speaks so, of those that there are.

        The compact protocol has no TTHeader, so where both are asked for it is framed.
        """
        if self.protocol != "compact" or self.transport.endswith(_COMPACT):
            return self.transport
        compact = self.transport + _COMPACT
        return compact if compact in names else f"framed{_COMPACT}"


def dialect_of(
    instance: Instance, policies: Collection[Policy], transports: Container[str], default: Dialect
) -> Dialect:
    """An instance's tags win over the policies of its service's methods, and these over the default.

    A tag that names no transport or protocol is passed over: it may be meant for others.

    :param transports: the names that there are.
    """
    transport, protocol = dialect_tags(instance)
    return Dialect(
        _first((transport, *(policy.transport for policy in policies)), transports) or default.transport,
        _first((protocol, *(policy.protocol for policy in policies)), PROTOCOLS) or default.protocol,
        next((policy.pipeline for policy in policies if policy.pipeline), default.pipeline),
    )


def dialect_tags(instance: Instance) -> tuple[str, str]:
    """What of an instance's tags its connections depend on."""
    return instance.tags.get(_TRANSPORT_TAG, ""), instance.tags.get(_PROTOCOL_TAG, "")


def connection_policies(policies: Mapping[str, Policy]) -> set[tuple[str, str, int, float]]:
    """What of the policies of a service's methods its connections depend on."""
    return {(each.transport, each.protocol, each.pipeline, each.connect_timeout) for each in policies.values()}


def _first(names: Iterable[str], known: Container[str]) -> str:
    return next((name for name in names if name in known), "")
