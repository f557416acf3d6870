"""The admin pages of several workers as one, for the process that owns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .pages.series import joined

Page = dict[str, Any]
# What adds up over the workers, in the lines of the page of services.
_SUMS = ("calls", "in_flight", "idle")
# ... and in those that people read.
_READ_SUMS = (*_SUMS, "recent")


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
        "reasons": list(dict.fromkeys(_reasons(pages))),
        "in_flight": sum(page.get("in_flight", 0) for page in answers),
        "workers": {
            str(pid): "no answer" if page is None else page.get("status", "unknown") for pid, page in pages.items()
        },
    }


def _reasons(pages: Mapping[int, Page | None]) -> Iterator[str]:
    for pid, page in pages.items():
        if page is None:
            yield f"worker {pid} does not answer"
        else:
            yield from page.get("reasons", ())
    if not pages:
        yield "no worker serves"


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


def overview(pages: Mapping[int, Page | None]) -> Page:
    """What people read of all services, of all workers together."""
    answers = [page for page in pages.values() if page is not None]
    if not answers:
        return {}
    names = dict.fromkeys(service["name"] for page in answers for service in page["services"])
    return {
        **_common(pages, answers),
        "services": [
            _service([service for page in answers for service in page["services"] if service["name"] == name])
            for name in names
        ],
    }


def service(pages: Mapping[int, Page | None]) -> Page:
    """The same of one service."""
    answers = [page for page in pages.values() if page is not None]
    if not answers:
        return {}
    known = [page["service"] for page in answers if page["service"] is not None]
    return {**_common(pages, answers), "service": _service(known) if known else None}


def log(pages: Mapping[int, Page | None]) -> Page:
    """The log of changes of the worker that has run longest: all see the same changes."""
    answers = [page for page in pages.values() if page is not None]
    if not answers:
        return {}
    longest = max(answers, key=lambda page: len(page["changes"]))
    return {**_common(pages, answers), "changes": longest["changes"], "history": longest["history"]}


def _common(pages: Mapping[int, Page | None], answers: Sequence[Page]) -> Page:
    def of(name: str) -> dict[int, Page | None]:
        return {pid: None if page is None else page[name] for pid, page in pages.items()}

    return {
        **answers[0],
        "second": max(page["second"] for page in answers),
        "health": health(of("health")),
        "ready": ready(of("ready")),
        "samples": joined(page["samples"] for page in answers),
    }


def _service(of_workers: Sequence[Page]) -> Page:
    lines = _lines([each["instances"] for each in of_workers], _READ_SUMS)
    # The worst that a worker knows of each.
    worst = {
        line["address"]: line["state"] for each in of_workers for line in each["instances"] if line["state"] != "live"
    }
    for line in lines:
        line["state"] = worst.get(line["address"], line["state"])
    return {
        **of_workers[0],
        "instances": lines,
        "states": min((each["states"] for each in of_workers), key=lambda states: states.get("live", 0)),
        "weight": min(each["weight"] for each in of_workers),
        "recent": sum(each["recent"] for each in of_workers),
        "samples": joined(each["samples"] for each in of_workers),
    }


def _lines(of_workers: Sequence[Sequence[Page]], sums: Sequence[str] = _SUMS) -> list[Page]:
    lines: dict[str, Page] = {}
    for of_worker in of_workers:
        for line in of_worker:
            known = lines.setdefault(line["address"], line | dict.fromkeys(sums, 0))
            for what in sums:
                known[what] += line.get(what, 0)
    return list(lines.values())
