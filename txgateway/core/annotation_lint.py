"""Annotations that are misspelt, or stand where they do nothing."""

from __future__ import annotations

from .annotations.known import KNOWN, Place
from .idl_words import nearest

# Keys of these families are ours to know; all others may belong to another tool.
_FAMILIES = ("api.", "tgw.")


def complaint(key: str, place: Place) -> tuple[str, str] | None:
    """What is odd about an annotation at this place, and a way out; None if nothing is."""
    lower = key.lower()
    places = KNOWN.get(lower)
    if places is None:
        if not lower.startswith(_FAMILIES):
            return None
        near = nearest(lower, KNOWN)
        return f"the annotation '{key}' is unknown and does nothing", f"did you mean '{near}'?" if near else ""
    if place not in places:
        homes = " or ".join(p.value for p in Place if p in places)
        return f"'{key}' does nothing on {place.value}", f"it belongs to {homes}"
    return None
