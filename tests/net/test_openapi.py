"""Documents are made once of a mapping, and come from other processes in parts."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, succeed

from tests.mapped import service_of
from txgateway.core.errors import NotFound, ServiceUnavailable
from txgateway.core.mapping import join
from txgateway.core.openapi.document import About
from txgateway.core.tagged import Tagged
from txgateway.net import openapi
from txgateway.net.openapi import Descriptions, from_process


class Thread:
    """Does its work when it is told to."""

    def __init__(self) -> None:
        self.works: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.breaths = 0

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.works.append((work, done))
        return done

    def go(self) -> None:
        while self.works:
            work, done = self.works.pop(0)
            done.callback(work())

    def breathe(self) -> None:
        self.breaths += 1


def served(*names: str) -> Any:
    services = [service_of(f'service S {{ void {name}() (api.get="/{name}") }}', name) for name in names]
    mapping, _ = join(services)
    return SimpleNamespace(mapping=mapping, services={each.name: each for each in services})


class Place:
    def __init__(self) -> None:
        self.loaded = served("one", "two")
        self.about = About(version="1")
        self.thread = Thread()
        self.descriptions = Descriptions(lambda: self.loaded, lambda: self.about, self.thread.run, self.thread.breathe)

    def document(self, service: str = "") -> Tagged:
        found: list[Tagged] = []
        self.descriptions.document(service).addCallback(found.append)
        self.thread.go()
        return found[0]

    def paths(self, service: str = "") -> list[str]:
        return list(orjson.loads(self.document(service).text)["paths"])


def test_a_document_is_made_once_for_all_who_ask():
    place = Place()
    found: list[Tagged] = []
    for _ in range(3):
        place.descriptions.document("").addCallback(found.append)
    assert len(place.thread.works) == 1
    place.thread.go()
    assert len(found) == 3
    assert place.document() is found[0]
    # A breath after each path and each schema at least.
    assert place.thread.breaths > 3
    assert place.paths() == ["/one", "/two"]


def test_a_service_has_one_of_its_own():
    place = Place()
    assert place.paths("two") == ["/two"]
    assert place.paths("one") == ["/one"]
    with pytest.raises(NotFound, match="no service 'three'"):
        place.descriptions.document("three")


def test_another_mapping_and_other_settings_have_another():
    place = Place()
    before = place.document()
    place.loaded = served("three")
    assert place.paths() == ["/three"]
    place.about = evolve(place.about, version="2")
    assert orjson.loads(place.document().text)["info"]["version"] == "2"
    assert place.document() != before


def test_what_was_begun_for_an_old_mapping_is_not_kept_for_the_new_one():
    place = Place()
    found: list[Tagged] = []
    place.descriptions.document("").addCallback(found.append)
    place.loaded = served("three")
    assert place.paths() == ["/three"]
    assert list(orjson.loads(found[0].text)["paths"]) == ["/one", "/two"]
    assert place.paths() == ["/three"]


def test_so_many_are_kept(monkeypatch):
    monkeypatch.setattr(openapi, "MOST", 1)
    place = Place()
    first = place.document("one")
    assert place.document("one") is first
    place.document("two")
    assert place.document("one") is not first


class Process:
    """Another process, which may begin to serve another mapping."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.asked = 0
        self.changes_at = -1

    def ask(self, asked: str, within: float) -> Deferred[Any]:
        self.asked += 1
        if self.asked == self.changes_at:
            self.place.loaded = served("three")
        answer = self.place.descriptions.part(asked)
        self.place.thread.go()
        return answer


def test_a_document_comes_in_parts(monkeypatch):
    monkeypatch.setattr(openapi, "PART", 100)
    place = Place()
    process = Process(place)
    found: list[Tagged] = []
    from_process(process.ask)("").addCallback(found.append)
    assert found == [place.document()]
    assert process.asked == -(-len(found[0].text) // 100)


def test_one_that_changes_on_the_way_is_begun_anew(monkeypatch):
    # The first parts of both are the same.
    monkeypatch.setattr(openapi, "PART", 20)
    process = Process(Place())
    process.changes_at = 2
    found: list[Tagged] = []
    from_process(process.ask)("").addCallback(found.append)
    assert list(orjson.loads(found[0].text)["paths"]) == ["/three"]


@pytest.mark.parametrize(("page", "error"), [(None, ServiceUnavailable), ({"error": "no such"}, NotFound)])
def test_what_the_other_process_cannot_say(page, error):
    failures: list[Any] = []
    from_process(lambda asked, within: succeed(page))("x").addErrback(failures.append)
    assert failures[0].check(error)
