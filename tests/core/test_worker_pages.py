"""The pages of several workers as one."""

from __future__ import annotations

from txgateway.core import worker_pages


def test_one_that_does_not_answer_is_degraded_and_named():
    page = worker_pages.health({1: {"status": "ok", "in_flight": 2, "version": "1"}, 2: None})
    assert page == {"status": "degraded", "in_flight": 2, "version": "1", "workers": {"1": "ok", "2": "no answer"}}


def test_all_fine():
    page = worker_pages.health({1: {"status": "ok", "in_flight": 2}, 2: {"status": "ok", "in_flight": 3}})
    assert (page["status"], page["in_flight"]) == ("ok", 5)


def test_nobody_is_not_fine():
    assert worker_pages.health({})["status"] == "degraded"
    assert worker_pages.ready({}) == {"ready": False, "waiting_for": ["a worker"]}
    assert worker_pages.services({1: None}) == {"services": {}, "registries": []}
    assert worker_pages.first({1: None}) == {}


def test_one_that_is_ready_is_enough():
    waits = {"ready": False, "waiting_for": ["a mapping"]}
    assert worker_pages.ready({1: waits, 2: {"ready": True, "waiting_for": []}}) == {"ready": True, "waiting_for": []}
    assert worker_pages.ready({1: waits, 2: waits}) == waits


def test_calls_add_up_by_instance():
    def page(*lines):
        return {"services": {"book": list(lines)}, "registries": ["r"]}

    def line(address, calls):
        return {"address": address, "weight": 10, "calls": calls, "in_flight": 1, "idle": 2}

    joined = worker_pages.services({1: page(line("a", 5), line("b", 1)), 2: page(line("a", 7)), 3: None})
    assert joined == {
        "services": {"book": [line("a", 12) | {"in_flight": 2, "idle": 4}, line("b", 1)]},
        "registries": ["r"],
    }
