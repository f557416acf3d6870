"""The IDL of a service for people: every complaint at its line, the versions, the last change."""

from __future__ import annotations

import pytest

from txgateway.core.history import History, Version
from txgateway.core.loading import Loader, Root
from txgateway.core.pages import idl_text
from txgateway.core.pages.idl_text import last_change, texts, versions
from txgateway.core.pages.served import Served

COMMON = "struct A { 1: i32 n }\n"
IDL = 'include "common.thrift"\nservice S {\n  common.A f(1: common.A a) (api.get="/a")\n}\n'


class World:
    """Files in memory, loaded again and again, with a history."""

    def __init__(self) -> None:
        self.files = {"common.thrift": COMMON, "s.thrift": IDL, "t.thrift": 'service T { void f() (api.get="/t") }'}
        self.loader = Loader()
        self.history = History(10)
        self.time = 0.0
        self.load()

    def load(self, **files: str) -> None:
        self.files |= {f"{name}.thrift": text for name, text in files.items()}
        before = self.loaded.digest if self.time else ""
        self.loaded = self.loader.load([Root(path, self.files.__getitem__) for path in ("s.thrift", "t.thrift")])
        self.loader.served(self.loaded)
        self.time += 1
        if self.loaded.digest != before:
            self.history.add(Version.of(self.loaded, self.time, "folder"))

    def texts(self, name: str = "s") -> list[tuple[str, str, str]]:
        return [(each["path"], each["state"], each["text"]) for each in texts(Served.whole(self.loaded), name)]

    def said(self) -> list[list[tuple[str, int]]]:
        return [
            [(each["severity"], each["line"]) for each in file["complaints"]]
            for file in texts(Served.whole(self.loaded), "s")
        ]


@pytest.fixture
def world() -> World:
    return World()


def test_every_file_is_shown_its_own_first(world):
    assert world.texts() == [("s.thrift", "served", IDL), ("common.thrift", "served", COMMON)]
    assert world.texts("unheard-of") == []


def test_a_warning_stands_at_its_line(world):
    odd = IDL.replace("api.get", 'api.qeury="x", api.get')
    world.load(s=odd)
    assert world.texts()[0] == ("s.thrift", "served", odd)
    assert world.said() == [[("warning", 3)], []]


def test_a_broken_text_comes_before_the_one_that_is_served_each_with_its_own_complaints(world):
    odd, broken = IDL.replace("api.get", 'api.qeury="x", api.get'), IDL.replace("service", "\nservise")
    world.load(s=odd)
    world.load(s=broken)
    assert world.texts() == [
        ("s.thrift", "refused", broken),
        ("s.thrift", "served", odd),
        ("common.thrift", "served", COMMON),
    ]
    assert world.said() == [[("error", 3)], [("warning", 3)], []]


def test_a_broken_include_is_shown_where_it_belongs(world):
    world.load(common="struct A {")
    assert world.texts()[0] == ("common.thrift", "refused", "struct A {")
    assert world.texts()[1] == ("s.thrift", "served", IDL)


def test_versions_are_those_of_the_service_alone(world):
    world.load(t='service T { void f() (api.get="/other") }')
    world.load(s=IDL.replace('"/a"', '"/b"'))
    world.load(common=COMMON.replace("i32", "i64"))
    found = versions(world.history.versions, "s")
    assert [(each["time"], each["source"]) for each in found] == [(4.0, "folder"), (3.0, "folder"), (1.0, "folder")]
    assert found[0]["digest"] == world.loaded.digest
    assert versions(world.history.versions, "unheard-of") == []


def test_the_last_change_is_that_of_the_service_in_all_its_files(world):
    assert last_change(world.history.versions, "s") == []
    world.load(s=IDL.replace('"/a"', '"/b"'))
    world.load(common=COMMON.replace("i32", "i64"))
    world.load(t='service T { void f() (api.get="/other") }')
    assert last_change(world.history.versions, "s") == [
        "--- common.thrift",
        "+++ common.thrift",
        "@@ -1 +1 @@",
        "-struct A { 1: i32 n }",
        "+struct A { 1: i64 n }",
    ]


def test_what_is_too_long_is_not_compared(world, monkeypatch):
    monkeypatch.setattr(idl_text, "MOST_COMPARED", 5)
    world.load(s=IDL + "\n" * 5)
    assert last_change(world.history.versions, "s")[2:] == ["@@ too long to be compared here @@"]


def test_long_texts_and_many_complaints_are_cut(world, monkeypatch):
    monkeypatch.setattr(idl_text, "LONGEST", 10)
    monkeypatch.setattr(idl_text, "COMPLAINTS", 1)
    world.load(s=IDL.replace("api.get", 'api.qeury="x", api.bdoy="y", api.get'))
    (own, included) = texts(Served.whole(world.loaded), "s")
    assert (own["text"], own["cut"], len(own["complaints"])) == (IDL[:10], True, 1)
    assert (included["text"], included["cut"]) == (COMMON[:10], True)


def test_a_difference_is_cut(world, monkeypatch):
    monkeypatch.setattr(idl_text, "MOST_SHOWN", 4)
    world.load(s=IDL.replace('"/a"', '"/b"'))
    lines = last_change(world.history.versions, "s")
    assert len(lines) == 5
    assert lines[-1].endswith("more lines @@")
