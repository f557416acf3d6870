"""Where instances announce themselves and are found: what every registry offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from ...core.extension import Extensions
from ...core.instances import Instance, Instances

Changed = Callable[[Instances], None]
EndWatch = Callable[[], None]


class Announcement(Protocol):
    """An instance that stands in the registry until it is withdrawn."""

    def withdraw(self) -> Deferred[None]:
        """Take the instance out. Fires when it is out, or when that was tried long enough; never fails."""
        ...


class Registry(Protocol):
    """Finds the live instances of services, and announces instances of one's own.

    Everything happens in the reactor thread. What was found is kept and goes on being
    served while the registry itself cannot be reached.
    """

    @property
    def ready(self) -> bool:
        """Whether the registry has been read once."""
        ...

    def start(self) -> Deferred[None]:
        """Begin to follow the registry. Fires when it has been read once.

        It is tried for ever, until :meth:`stop`: the caller bounds the wait. Cancelling ends the wait,
        not the trying. Only :meth:`watch` needs it; an announcement works without.
        """
        ...

    def watch(self, service: str, changed: Changed) -> EndWatch:
        """Call ``changed`` with the whole set of instances, in the registry's order, whenever it is another one.

        The first call comes before this returns if the registry has been read, else right after it
        was, and may hold no instance. Changes that come close together are handed on as one.

        :return: ends the watch.
        :raises ValueError: no service can have this name.
        """
        ...

    def announce(self, service: str, instance: Instance) -> Deferred[Announcement]:
        """Put an instance into the registry and keep it there, through every outage.

        Fires once it stands there, which is tried for ever; cancelling gives up. Fails with a
        ValueError if such an instance cannot be announced.
        """
        ...

    def distrust(self, service: str, instance: Instance) -> None:
        """A connect to this instance failed: if it is a suspect, it is dropped now."""
        ...

    def stop(self) -> Deferred[None]:
        """Withdraw what was announced and let go of everything. Never fails."""
        ...

    def lease_ages(self, service: str) -> Mapping[str, float]:
        """How long the present lease of each instance is known here, in seconds, by address.

        Instances that need no lease are left out.
        """
        ...

    def names(self) -> Sequence[str]:
        """The services that have an instance, sorted."""
        ...

    def status(self) -> dict[str, Any]:
        """What is known, as plain values for the admin page; ``services`` maps names to instances."""
        ...

    def summary(self) -> dict[str, Any]:
        """The same without the instances, which may be many: how the registry itself is."""
        ...


# Builds a registry from its table of the configuration.
# :raises ValueError: a setting is missing, unknown or wrong.
Build = Callable[[Any, Mapping[str, Any]], Registry]

registries: Extensions[Build] = Extensions(__name__)


def describe(instance: Instance) -> dict[str, Any]:
    """An instance as plain values, for :meth:`Registry.status`."""
    known: dict[str, Any] = {"address": instance.address, "weight": instance.weight, "network": instance.network}
    if instance.tags:
        known["tags"] = dict(instance.tags)
    if instance.suspect:
        known["suspect"] = True
    return known
