"""Who got which share of the last minute's calls."""

from __future__ import annotations

from txgateway.core.pages.shares import EVERY, KEPT, Shares


def test_the_first_calls_are_recent_ones():
    shares = Shares()
    shares.look(0, {"book": {"a": 0, "b": 0}})
    assert shares.recent("book", {"a": 3, "b": 1}) == {"a": 3, "b": 1}


def test_calls_of_more_than_a_minute_ago_are_not():
    shares = Shares()
    for turn in range(KEPT + 2):
        shares.look(turn * EVERY, {"book": {"a": min(turn, 1) * 100}})
    assert shares.recent("book", {"a": 107}) == {"a": 7}


def test_an_instance_that_began_anew_has_its_new_calls_alone():
    shares = Shares()
    for turn in range(KEPT + 2):
        shares.look(turn * EVERY, {"book": {"a": 50}})
    assert shares.recent("book", {"a": 2, "new": 1}) == {"a": 2, "new": 1}


def test_it_is_looked_every_ten_seconds():
    shares = Shares()
    assert shares.due(0)
    shares.look(5, {})
    assert not shares.due(5 + EVERY - 1)
    assert shares.due(5 + EVERY)


def test_a_service_that_is_gone_is_forgotten():
    shares = Shares()
    shares.look(0, {"book": {"a": 50}})
    shares.look(10, {})
    assert shares.recent("book", {"a": 50}) == {"a": 50}
