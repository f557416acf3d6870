"""Which version of its IDL an instance runs, and what that means to us."""

from __future__ import annotations

import enum
import pickle

from .compat import Breaks, compare
from .instances import Instance
from .loading import Compiled, LoadedMapping
from .mapping import MappedService

# The tag of an instance that holds the wire fingerprint of its service.
IDL_TAG = "idl"
# As many versions of a service are remembered, to tell what one that is not ours means.
REMEMBERED = 20


class Verdict(enum.Enum):
    """An instance's IDL against ours."""

    UNTOLD = "not told"
    SAME = "the same"
    COMPATIBLE = "compatible"
    BREAKING = "breaking"
    # Another one, and none that was ever served here.
    UNKNOWN = "unknown"


class Skew:
    """Knows the versions that are and were served.

    :ivar changed: the services of which another version is served since the last time.
    """

    def __init__(self) -> None:
        self.changed: frozenset[str] = frozenset()
        self._served: dict[str, Compiled] = {}
        # By service, the versions by their fingerprint, the newest last: their descriptors, packed.
        self._known: dict[str, dict[str, bytes]] = {}
        self._verdicts: dict[tuple[str, str], Verdict] = {}

    def serves(self, loaded: LoadedMapping) -> None:
        before, now = self._served, {each.service.name: each for each in loaded.compiled if each.service is not None}
        self.changed = frozenset(name for name, each in now.items() if before.get(name) is not each)
        self._served = now
        self._known = {name: known for name, known in self._known.items() if name in now}
        for name in self.changed:
            known = self._known.setdefault(name, {})
            for fingerprint in now[name].wire:
                known.pop(fingerprint, None)
                known[fingerprint] = now[name].packed
            while len(known) > REMEMBERED:
                del known[next(iter(known))]
        self._verdicts.clear()

    def of(self, service: str, instance: Instance) -> Verdict:
        tag, served = instance.tags.get(IDL_TAG, ""), self._served.get(service)
        if not tag or served is None:
            return Verdict.UNTOLD
        if tag in served.wire:
            return Verdict.SAME
        if (service, tag) not in self._verdicts:
            self._verdicts[service, tag] = self._judge(self._known[service].get(tag), served)
        return self._verdicts[service, tag]

    def _judge(self, theirs: bytes | None, ours: Compiled) -> Verdict:
        if theirs is None:
            return Verdict.UNKNOWN
        assert ours.service is not None
        # Routes are no matter of the wire.
        without_routes = MappedService(ours.service.name, pickle.loads(theirs), (), {})
        breaks = any(change.breaks is Breaks.WIRE for change in compare(without_routes, ours.service))
        return Verdict.BREAKING if breaks else Verdict.COMPATIBLE
