"""The counts of several processes as one, whatever becomes of them."""

from __future__ import annotations

import json

from txgateway.core.metrics import COUNTER, GAUGE, GREATEST, HISTOGRAM, LEAST, Family, Snapshot
from txgateway.core.metrics.joining import Joined

COUNT = Family("a_total", COUNTER, "", ("one",))
LEVEL = Family("b", GAUGE, "", ())
SAME = Family("c", GAUGE, "", (), GREATEST)
TIMES = Family("d_seconds", HISTOGRAM, "", ("one",), bounds=(1.0,))


def said(count: int, level: int = 1, same: int = 7) -> Snapshot:
    snapshot = {
        COUNT.name: [(("x",), count), ((f"only {count}",), 1)],
        LEVEL.name: [((), level)],
        SAME.name: [((), same)],
        TIMES.name: [(("x",), [0.5, count, 1])],
        "of a newer version": [((), 1)],
    }
    # As it comes from another process.
    return json.loads(json.dumps(snapshot))


def joined(join: Joined, snapshots: dict) -> dict:
    (total,) = (total for step in join.join(snapshots) for total in step)
    return {name: {tuple(labels): value for labels, value in samples} for name, samples in total.items()}


def test_of_what_is_well_in_some_processes_only_the_worst_is_shown():
    connected = Family("e", GAUGE, "", ("prefix",), LEAST)
    said = {1: {"e": [(("p",), 1)]}, 2: {"e": [(("p",), 0)]}, 3: {"e": [(("p",), 1)]}}
    assert joined(Joined([connected]), said) == {"e": {("p",): 0}}


def test_counters_add_up_and_what_is_the_same_in_all_does_not():
    assert joined(Joined([COUNT, LEVEL, SAME, TIMES]), {1: said(10), 2: said(5, level=2, same=8)}) == {
        COUNT.name: {("x",): 15, ("only 10",): 1, ("only 5",): 1},
        LEVEL.name: {(): 3},
        SAME.name: {(): 8},
        TIMES.name: {("x",): [1.0, 15, 2]},
    }


def test_a_process_that_does_not_answer_counts_as_it_last_did():
    join = Joined([COUNT, LEVEL])
    joined(join, {1: said(10), 2: said(5)})
    assert joined(join, {1: said(11), 2: None}) == {
        COUNT.name: {("x",): 16, ("only 11",): 1, ("only 5",): 1},
        LEVEL.name: {(): 1},
    }


def test_what_a_process_has_counted_stays_when_it_ends():
    join = Joined([COUNT, LEVEL, TIMES])
    joined(join, {1: said(10), 2: said(5)})
    after = joined(join, {2: said(5)})
    assert after[COUNT.name][("x",)] == 15
    assert after[TIMES.name] == {("x",): [1.0, 15, 2]}
    assert after[LEVEL.name] == {(): 1}
    # Another one, and another with a process id that was there before.
    assert joined(join, {2: said(6), 3: said(1)})[COUNT.name][("x",)] == 17
    assert joined(join, {1: said(2), 2: said(6), 3: said(1)})[COUNT.name][("x",)] == 19
    assert joined(join, {})[COUNT.name][("x",)] == 19


def test_nobody_is_nothing():
    assert joined(Joined([COUNT]), {}) == {}
    assert joined(Joined([COUNT]), {1: None}) == {}
