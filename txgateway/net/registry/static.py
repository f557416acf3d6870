"""A registry that was written by hand: the instances of the configuration, for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from ...core.instances import Instance, Instances, check_service, parse_static
from . import Announcement, Changed, EndWatch, describe, registries


class StaticRegistry:
    """Knows what it was given, in the order it was given; it can neither change nor be announced to."""

    ready = True

    def __init__(self, services: Mapping[str, Instances]) -> None:
        self.services: Mapping[str, Instances] = {check_service(name): tuple(of) for name, of in services.items()}

    def start(self) -> Deferred[None]:
        return succeed(None)

    def watch(self, service: str, changed: Changed) -> EndWatch:
        changed(self.services.get(check_service(service), ()))
        return lambda: None

    def announce(self, service: str, instance: Instance) -> Deferred[Announcement]:
        return fail(ValueError(f"{service} cannot be announced: a static registry does not change"))

    def distrust(self, service: str, instance: Instance) -> None:
        """Nothing here is ever a suspect."""

    def stop(self) -> Deferred[None]:
        return succeed(None)

    def lease_ages(self, service: str) -> Mapping[str, float]:
        return {}

    def names(self) -> Sequence[str]:
        return sorted(name for name, of in self.services.items() if of)

    def status(self) -> dict[str, Any]:
        return {
            **self.summary(),
            "services": {name: [describe(instance) for instance in of] for name, of in self.services.items()},
        }

    def summary(self) -> dict[str, Any]:
        return {"kind": "static", "ready": self.ready}


@registries.register("static")
def build(reactor: Any, settings: Mapping[str, Any]) -> StaticRegistry:
    """``instances``: a list of ``NAME=HOST:PORT*WEIGHT``."""
    if unknown := sorted(settings.keys() - {"instances"}):
        raise ValueError(f"static registry: unknown setting {', '.join(unknown)}")
    services: dict[str, Instances] = {}
    for text in settings.get("instances", ()):
        service, instance = parse_static(text)
        services[service] = (*services.get(service, ()), instance)
    return StaticRegistry(services)
