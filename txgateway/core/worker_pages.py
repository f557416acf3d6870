"""The admin pages of several workers as one, for the process that owns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Page = dict[str, Any]
# What adds up over the workers, in the lines of the page of services.
_SUMS = ("calls", "in_flight", "idle")


def health(pages: Mapping[int, Page | None]) -> Page:
    """Degraded as soon as one worker is, or does not answer.

    :param pages: by process id; None: no answer in time.
    """
    answers = [page for page in pages.values() if page is not None]
    fine = bool(answers) and len(answers) == len(pages) and all(page.get("status") == "ok" for page in answers)
    first = answers[0] if answers else {}
    return {
        **first,
        "status": "ok" if fine else "degraded",
        "in_flight": sum(page.get("in_flight", 0) for page in answers),
        "workers": {
            str(pid): "no answer" if page is None else page.get("status", "unknown") for pid, page in pages.items()
        },
    }


def ready(pages: Mapping[int, Page | None]) -> Page:
    """Ready once a worker is: it takes every connection there is."""
    answers = [page for page in pages.values() if page is not None]
    if any(page.get("ready") for page in answers):
        return {"ready": True, "waiting_for": []}
    waiting_for = list(dict.fromkeys(what for page in answers for what in page.get("waiting_for", ())))
    return {"ready": False, "waiting_for": waiting_for or ["a worker"]}


def services(pages: Mapping[int, Page | None]) -> Page:
    """Every instance that some worker knows, with the calls of all of them."""
    answers = [page for page in pages.values() if page is not None]
    if not answers:
        return {"services": {}, "registries": []}
    names = dict.fromkeys(name for page in answers for name in page.get("services", {}))
    return {
        **answers[0],
        "services": {name: _lines([page.get("services", {}).get(name, []) for page in answers]) for name in names},
    }


def first(pages: Mapping[int, Page | None]) -> Page:
    """What is the same in all workers."""
    return next((page for page in pages.values() if page is not None), {})


def _lines(of_workers: Sequence[Sequence[Page]]) -> list[Page]:
    joined: dict[str, Page] = {}
    for lines in of_workers:
        for line in lines:
            known = joined.setdefault(line["address"], line | dict.fromkeys(_SUMS, 0))
            for what in _SUMS:
                known[what] += line.get(what, 0)
    return list(joined.values())
