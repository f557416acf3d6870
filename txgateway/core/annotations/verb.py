"""``api.get`` and its kin: the routes of a method, each a path of its own."""

from __future__ import annotations

from . import verbs

ANY = "ANY"

for _verb in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
    verbs.register(f"api.{_verb.lower()}")(_verb)
verbs.register("api.any")(ANY)
