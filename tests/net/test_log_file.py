"""A log file that is written beside the reactor, moved away, and not always to be had."""

from __future__ import annotations

import os
import resource
import signal

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher

from txgateway.net import log_file
from txgateway.net.log_file import LogFile
from txgateway.net.signals import heed


@pytest.fixture
def logged():
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def event(text: str) -> dict:
    return {"text": text, "lines": text.count("\n") + 1}


@pytest_twisted.ensureDeferred
async def test_lines_are_appended_in_their_order(tmp_path):
    path = tmp_path / "access.log"
    path.write_text("before\n")
    file = LogFile(reactor, str(path))
    file.start()
    for text in ("one\ntwo", "three", "fünf"):
        file(event(text))
    await file.stop()
    assert path.read_text("utf-8") == "before\none\ntwo\nthree\nfünf\n"
    assert file.dropped == 0


@pytest_twisted.ensureDeferred
async def test_a_file_that_was_moved_away_gets_what_came_before_and_its_successor_the_rest(tmp_path):
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    file = LogFile(reactor, str(path))
    file.start()
    file(event("old"))
    path.rename(moved)
    file.reopen()
    file(event("new"))
    await file.stop()
    assert (moved.read_text(), path.read_text()) == ("old\n", "new\n")


def test_a_file_that_cannot_be_opened_says_so_at_once(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        LogFile(reactor, str(tmp_path / "nowhere" / "access.log")).start()


@pytest_twisted.ensureDeferred
async def test_lines_that_cannot_be_written_are_counted_and_complained_of_once(tmp_path, logged):
    path = tmp_path / "access.log"
    file = LogFile(reactor, str(path))
    file.start()
    path.unlink()
    path.mkdir()
    file.reopen()
    file(event("one\ntwo"))
    file(event("three"))
    await file.stop()
    assert file.dropped == 3
    (complaint,) = [each for each in logged if each.get("path") == str(path)]
    assert complaint["reason"] == "Is a directory"


@pytest_twisted.ensureDeferred
async def test_a_line_of_which_a_full_disk_took_a_part_spoils_no_other(tmp_path, logged):
    path = tmp_path / "access.log"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = LogFile(reactor, str(path))
    file.start()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        file(event("a" * 60_000))
        file(event("b" * 60_000))
        file(event("c"))
        await file.idle()
        assert file.dropped == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file(event("d"))
    file(event("e"))
    await file.stop()
    assert [(line[:1], len(line)) for line in path.read_text().splitlines()] == [
        ("a", 60_000),
        ("b", 39_999),
        ("d", 1),
        ("e", 1),
    ]
    assert [each["reason"] for each in logged if each.get("path") == str(path)] == ["File too large"]


@pytest_twisted.ensureDeferred
async def test_what_the_disk_does_not_take_in_time_is_dropped_and_counted(tmp_path, monkeypatch):
    # A pipe takes 64 KiB as long as nobody reads.
    monkeypatch.setattr(log_file, "MOST_WAITING", 300_000)
    path = tmp_path / "access.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(reactor, str(path))
    file.start()
    for letter in "abc":
        file(event("\n".join([letter * 99_999] * 2)))
    assert file.dropped == 2
    os.set_blocking(reader, True)
    read = deferToThread(read_all, reader)
    await file.stop()
    assert (await read) == b"\n".join([b"a" * 99_999] * 2 + [b"b" * 99_999] * 2) + b"\n"
    assert file.dropped == 2


def read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb") as opened:
        return opened.read()


@pytest_twisted.ensureDeferred
async def test_a_signal_is_heeded_beside_those_who_heed_it_already():
    heard: list[str] = []
    came: Deferred[None] = Deferred()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append("before"))
    try:
        end = heed(reactor, signal.SIGUSR1, lambda: came.callback(None))
        os.kill(os.getpid(), signal.SIGUSR1)
        await came
        end()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert heard == ["before", "before"]
    finally:
        signal.signal(signal.SIGUSR1, before)
