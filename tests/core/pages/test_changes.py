"""The log of changes: what is told of instances and mappings, and how much is remembered."""

from __future__ import annotations

import itertools

import pytest

from txgateway.core.instances import Instance
from txgateway.core.loading import LoadedMapping, Loader, Root
from txgateway.core.pages.changes import CONFIG, LINES, LONGEST, MAPPING, REMEMBERED, Changes, newest_of

A, B = Instance("a", 1, 3), Instance("b", 1, 1)
IDL = 'struct Q {{ 1: i32 n (api.query="n") }}\nservice S {{ Q f(1: Q q) (api.get="/{}") }}'


@pytest.fixture
def changes() -> Changes:
    return Changes(itertools.count(1.0).__next__)


def told(changes: Changes) -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(each["what"], each["is_bad"], each["details"]) for each in changes.newest()]


def test_the_newest_comes_first_and_the_oldest_is_forgotten(changes):
    for number in range(REMEMBERED + 5):
        changes.note(CONFIG, f"number {number}")
    newest = changes.newest()
    assert len(newest) == REMEMBERED
    assert (newest[0]["what"], newest[0]["time"]) == ("number 504", 505.0)
    assert changes.newest(limit=2) == newest[:2]
    assert changes.newest(kind=CONFIG) == newest
    assert changes.newest(kind=MAPPING) == changes.newest("book") == []


def test_long_stories_are_cut(changes):
    changes.note(CONFIG, "x" * 1000, details=["y" * 1000] * (LINES + 3))
    (what, _, details) = told(changes)[0]
    assert len(what) == LONGEST
    assert len(details[0]) == LONGEST
    assert details[LINES:] == ("and 3 more",)


def test_instances_that_come_change_and_go(changes):
    changes.instances("book", [], [A, B])
    changes.instances("book", [A, B], [A, B])
    heavier = Instance("a", 1, 5, {"zone": "x"}, suspect=True)
    changes.instances("book", [A, B], [heavier])
    changes.instances("book", [heavier], [])
    assert told(changes) == [
        ("1 left; 0\u202finstances now", True, ("- a:1 weight 5 zone=x suspect",)),
        (
            "1 left, 1 changed; 1\u202finstance now",
            False,
            (
                "- b:1 weight 1",
                "~ a:1 weight 3 to 5, zone= to x, suspect: its lease ran out right after etcd was away",
            ),
        ),
        ("2 joined; 2\u202finstances now", False, ("+ a:1 weight 3", "+ b:1 weight 1")),
    ]


def test_states_that_change(changes):
    changes.states("book", {}, {"a": "live", "b": "live"})
    changes.states("book", {"a": "live", "b": "live", "c": "live"}, {"a": "ejected", "b": "ejected", "c": "live"})
    changes.states("book", {"a": "ejected", "b": "ejected"}, {"a": "live", "b": "ejected"})
    assert told(changes) == [
        ("a: live", False, ()),
        ("2\u202finstances: ejected", True, ("a", "b")),
    ]


def test_mappings_that_are_served_broken_and_mended(changes):
    loader, files = Loader(), {"s.thrift": IDL.format("a"), "t.thrift": IDL.format("t")}

    def load(before, why="folder"):
        loaded = loader.load([Root(path, files.__getitem__) for path in files])
        loader.served(loaded)
        changes.mapping(before, loaded, why)
        return loaded

    first = load(LoadedMapping(), "start")
    again = load(first)
    files["s.thrift"] = IDL.format("b")
    second = load(again)
    files["s.thrift"] = "strukt Q {}"
    broken = load(second)
    files["s.thrift"] = IDL.format("b")
    mended = load(broken)
    del files["t.thrift"]
    load(mended)
    lines = told(changes)
    assert lines[0][0] == "is served no longer (folder)"
    assert lines[1][:2] == ("every error in the IDL is mended", False)
    what, is_bad, details = lines[2]
    assert (what, is_bad) == ("an error in s.thrift (the version before is served)", True)
    assert details[0].startswith("s.thrift:1:1: error: ")
    assert lines[3][0] == "another version is served (folder)"
    assert lines[4] == (
        f"version {first.digest} is served (start): 2\u202fservices",
        False,
        ("s: 1\u202froute", "t: 1\u202froute"),
    )
    assert len(lines) == 5
    assert [each["service"] for each in changes.newest("s")] == ["s", "s"]


def test_warnings_are_told_once(changes):
    loader = Loader()

    def load(before, text):
        loaded = loader.load([Root("s.thrift", lambda path: text)])
        loader.served(loaded)
        changes.mapping(before, loaded, "folder")
        return loaded

    first = load(LoadedMapping(), IDL.format("a"))
    odd = IDL.format("a").replace("api.query", "api.qeury")
    load(load(first, odd), odd + "\n")
    warnings = [(what, details) for what, _, details in told(changes) if "warning" in what]
    assert [what for what, _ in warnings] == ["1\u202fnew warning"]
    assert "api.qeury" in warnings[0][1][0]


def test_several_logs_are_one():
    one, other = Changes(iter([1.0, 4.0]).__next__), Changes(iter([2.0]).__next__)
    one.note(CONFIG, "first")
    other.note(CONFIG, "second")
    one.note(CONFIG, "third")
    assert [each["what"] for each in newest_of(one.newest(), other.newest())] == ["third", "second", "first"]
