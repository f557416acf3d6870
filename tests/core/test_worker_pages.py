"""The pages of several workers as one."""

from __future__ import annotations

from txgateway.core import worker_pages


def test_one_that_does_not_answer_is_degraded_and_named():
    page = worker_pages.health({1: {"status": "ok", "in_flight": 2, "version": "1"}, 2: None})
    assert page == {
        "status": "degraded",
        "reasons": ["worker 2 does not answer"],
        "in_flight": 2,
        "version": "1",
        "workers": {"1": "ok", "2": "no answer"},
    }


def test_what_several_workers_complain_of_is_said_once():
    one, other = ({"status": "degraded", "reasons": ["etcd is lost", *more]} for more in ([], ["the IDL has 1 error"]))
    page = worker_pages.health({1: one, 2: other})
    assert page["reasons"] == ["etcd is lost", "the IDL has 1 error"]


def test_all_fine():
    page = worker_pages.health({1: {"status": "ok", "in_flight": 2}, 2: {"status": "ok", "in_flight": 3}})
    assert (page["status"], page["in_flight"]) == ("ok", 5)


def test_nobody_is_not_fine():
    assert worker_pages.health({})["status"] == "degraded"
    assert worker_pages.health({})["reasons"] == ["no worker serves"]
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


def told(second, *services, **more):
    return {
        "second": second,
        "health": {"status": "ok", "in_flight": 1},
        "ready": {"ready": True, "waiting_for": []},
        "samples": [[second, 2, 0, 0, 4.0]],
        "services": list(services),
        **more,
    }


def book(*instances, **more):
    lines = [dict(zip(("address", "state", "recent", "calls"), line, strict=True)) for line in instances]
    states = {state: sum(line["state"] == state for line in lines) for state in {line["state"] for line in lines}}
    recent = sum(line["recent"] for line in lines)
    page = {"name": "book", "instances": lines, "states": states, "recent": recent, "weight": 4, "samples": []}
    return {**page, **more}


def test_what_people_read_is_of_all_workers_together():
    one = told(7, book(("a", "live", 3, 9), ("b", "live", 1, 3), samples=[[7, 4, 0, 0, 8.0]]))
    two = told(8, book(("a", "ejected", 2, 5), ("b", "live", 2, 4), weight=1, samples=[[7, 1, 1, 0, 2.0]]))
    page = worker_pages.overview({1: one, 2: two})
    assert (page["second"], page["health"]["in_flight"], page["health"]["workers"]) == (8, 2, {"1": "ok", "2": "ok"})
    assert page["samples"] == [[7, 2, 0, 0, 4.0], [8, 2, 0, 0, 4.0]]
    (service,) = page["services"]
    # An instance is as badly off as the worker says that is worst off with it.
    lines = [(line["address"], line["state"], line["recent"], line["calls"]) for line in service["instances"]]
    assert lines == [("a", "ejected", 5, 14), ("b", "live", 3, 7)]
    assert service["states"] == {"ejected": 1, "live": 1}
    assert (service["recent"], service["weight"]) == (8, 1)
    assert service["samples"] == [[7, 5, 1, 0, 10.0]]


def test_a_worker_that_says_nothing_is_named_on_every_page():
    page = worker_pages.overview({1: told(7, book()), 2: None})
    assert page["health"]["workers"] == {"1": "ok", "2": "no answer"}
    assert page["health"]["status"] == "degraded"
    assert worker_pages.overview({1: None}) == worker_pages.service({}) == worker_pages.log({1: None}) == {}


def test_one_service_of_all_workers():
    def one(service):
        return told(7, service=service, name="book")

    known = worker_pages.service({1: one(None), 2: one(book(("a", "live", 1, 1)))})
    assert known["service"]["instances"] == [{"address": "a", "state": "live", "recent": 1, "calls": 1} | SUMS]
    assert worker_pages.service({1: one(None)})["service"] is None


SUMS = {"in_flight": 0, "idle": 0}


def test_the_log_is_that_of_the_worker_that_has_seen_most():
    def log(*changes):
        return told(7, changes=list(changes), history=[len(changes)])

    page = worker_pages.log({1: log("a"), 2: log("a", "b"), 3: None})
    assert (page["changes"], page["history"]) == (["a", "b"], [2])
