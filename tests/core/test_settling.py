"""A file is read when it has come to rest, and no file waits for another."""

from __future__ import annotations

import pytest

from txgateway.core.settling import OPEN, QUIET, TOGETHER, Settling


def test_a_closed_file_rests_after_a_quiet_while():
    settling = Settling()
    assert settling.due is None
    settling.touched("a", 10.0)
    assert settling.due == 10.0 + QUIET
    assert settling.settle(10.0 + QUIET - 0.01) == frozenset()
    assert settling.restless == {"a"}
    assert settling.settle(10.0 + QUIET) == {"a"}
    assert (settling.restless, settling.due) == (frozenset(), None)


def test_two_writes_in_a_row_are_one_change():
    settling = Settling()
    settling.touched("a", 0.0)
    settling.touched("a", 0.2)
    assert settling.settle(QUIET) == frozenset()
    assert settling.settle(0.2 + QUIET) == {"a"}


def test_an_open_file_is_waited_for_until_it_is_closed():
    settling = Settling()
    settling.touched("a", 0.0, is_open=True)
    assert settling.settle(QUIET + 0.1) == frozenset()
    settling.touched("a", 0.5)
    assert settling.settle(0.5 + QUIET) == {"a"}


def test_a_file_that_is_never_closed_is_read_in_the_end():
    settling = Settling()
    settling.touched("a", 0.0, is_open=True)
    assert settling.settle(OPEN) == {"a"}


def test_files_that_are_written_in_one_stroke_are_one_change():
    settling = Settling()
    for number in range(20):
        settling.touched(f"f{number}", number / 500)
    settling.touched("later", 0.2)
    assert settling.due == 19 / 500 + QUIET
    assert settling.settle(settling.due) == {f"f{number}" for number in range(20)}
    assert settling.due == 0.2 + QUIET


def test_a_stroke_has_an_end():
    settling = Settling()
    for number in range(100):
        settling.touched(f"f{number}", number / 100)
    assert settling.due == pytest.approx(QUIET, abs=TOGETHER)


def test_one_that_never_rests_holds_up_no_other():
    settling = Settling()
    settling.touched("rests", 0.0)
    for moment in range(10):
        settling.touched("restless", moment / 10, is_open=True)
    assert settling.settle(QUIET) == {"rests"}
    assert settling.restless == {"restless"}


def test_whoever_waits_a_second_has_it():
    assert max(QUIET, OPEN) + TOGETHER <= 0.8
