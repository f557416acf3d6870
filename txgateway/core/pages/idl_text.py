"""The IDL of a service as people read it: its text with every complaint at its line, its versions, its last change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import unified_diff
from itertools import islice
from typing import Any

from ..errors import Diagnostic
from ..history import Version
from .served import Served, complaint

# Texts of more lines together are not compared: that takes the square of it at worst.
MOST_COMPARED = 10_000
# As many lines of a difference are shown, of a text as many characters, and of a file's complaints so many.
MOST_SHOWN = 2_000
LONGEST = 400_000
COMPLAINTS = 200
# Lines around a change.
AROUND = 3

# A file's text by its path.
Texts = Mapping[str, str]


def texts(served: Served, name: str) -> list[dict[str, Any]]:
    """Each file of a service, as it is served and, where that is another text, as it stands now and is wrong.

    ``path``, ``text``, ``cut`` if that is not all of it, ``state`` (``served`` or ``refused``) and ``complaints``
    (see ``served.complaint``).
    """
    compiled = served.compiled.get(name)
    if compiled is None:
        return []
    refused = {
        path: text
        for path, text in served.loaded.unserved.items()
        if path in compiled.sources and compiled.sources[path] != text
    }
    shown = [_file(path, text, "refused", served.said_of(path)) for path, text in refused.items()]
    for path, text in sorted(compiled.sources.items(), key=lambda pair: pair[0] != compiled.path):
        # What is said of a text that is not served is not said of the one that is.
        said = [each for each in compiled.warnings if each.position.file == path] if path in refused else None
        shown.append(_file(path, text, "served", served.said_of(path) if said is None else said))
    return shown


def versions(history: Sequence[Version], name: str) -> list[dict[str, Any]]:
    """Where in the history another text of the service began to be served, the newest first: that is served now."""
    found: list[dict[str, Any]] = []
    last: Texts | None = None
    for version in history:
        now = version.services.get(name)
        if now is not None and now != last:
            found.append({"digest": version.digest, "time": version.time, "source": version.source})
        last = now
    return found[::-1]


def last_change(history: Sequence[Version], name: str) -> list[str]:
    """The unified difference between the two newest versions of the service's text; nothing if there is one only."""
    known: list[Texts] = []
    for version in history:
        now = version.services.get(name)
        if now is not None and (not known or known[-1] != now):
            known.append(now)
    return _difference(known[-2], known[-1]) if len(known) > 1 else []


def _difference(old: Texts, new: Texts) -> list[str]:
    lines: list[str] = []
    for path in dict.fromkeys([*old, *new]):
        before, after = old.get(path, "").splitlines(), new.get(path, "").splitlines()
        if before == after:
            continue
        if len(before) + len(after) > MOST_COMPARED:
            lines += [f"--- {path}", f"+++ {path}", "@@ too long to be compared here @@"]
            continue
        lines += unified_diff(before, after, path, path, n=AROUND, lineterm="")
    if len(lines) > MOST_SHOWN:
        return [*lines[:MOST_SHOWN], f"@@ and {len(lines) - MOST_SHOWN} more lines @@"]
    return lines


def _file(path: str, text: str, state: str, said: Iterable[Diagnostic]) -> dict[str, Any]:
    complaints = [complaint(each) for each in islice(said, COMPLAINTS)]
    return {"path": path, "text": text[:LONGEST], "cut": len(text) > LONGEST, "state": state, "complaints": complaints}
