"""What a folder gives to be read, while its files are written."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.task import Clock

from txgateway.core.settling import QUIET
from txgateway.net.mapping.folder import FolderSource, Texts, find_roots


@pytest.fixture
def foreseen():
    return dict[str, str]()


@pytest.fixture
def folder(tmp_path, foreseen):
    changes: list[None] = []

    def foresee(path, read):
        # A deleted file is told of as well.
        with suppress(FileNotFoundError):
            foreseen[path] = read(path)

    source = FolderSource(
        Clock(), [str(tmp_path)], lambda work: None, lambda: changes.append(None), foresee, watch="off"
    )
    source.start()
    return source, tmp_path, changes


def texts(source: FolderSource) -> dict[str, str]:
    found: dict[str, str] = {}
    for root in source.reader()():
        found[root.path.rpartition("/")[2]] = root.read(root.path)
    return found


def rest(source: Any) -> None:
    source._reactor.advance(QUIET)


def test_a_file_that_is_being_written_is_read_as_it_was_however_often(folder):
    source, path, changes = folder
    (path / "a.thrift").write_text("whole")
    assert texts(source) == {"a.thrift": "whole"}
    (path / "a.thrift").write_text("ha")
    source._touched(str(path / "a.thrift"), False)
    # Other files change meanwhile, so there is more than one load.
    for _ in range(3):
        assert texts(source) == {"a.thrift": "whole"}
    # Some of which may not even ask for it.
    source.reader()()
    assert texts(source) == {"a.thrift": "whole"}
    (path / "a.thrift").write_text("half and half")
    rest(source)
    assert len(changes) == 1
    assert texts(source) == {"a.thrift": "half and half"}


def test_a_new_file_is_not_there_before_it_rests(folder):
    source, path, _ = folder
    (path / "a.thrift").write_text("ha")
    source._touched(str(path / "a.thrift"), False)
    assert texts(source) == {}
    rest(source)
    assert texts(source) == {"a.thrift": "ha"}


def test_a_deleted_file_is_there_until_it_is_certain(folder):
    source, path, _ = folder
    (path / "a.thrift").write_text("whole")
    texts(source)
    (path / "a.thrift").unlink()
    source._touched(str(path / "a.thrift"), False)
    assert texts(source) == {"a.thrift": "whole"}
    rest(source)
    assert texts(source) == {}


def test_a_file_that_is_closed_is_told_of_before_it_rests(folder, foreseen):
    source, path, changes = folder
    file = path / "a.thrift"
    file.write_text("ha")
    source._touched(str(file), True)
    assert not foreseen
    file.write_text("half")
    source._touched(str(file), False)
    source._touched(str(path / "..data"), False)
    assert foreseen == {str(file): "half"}
    assert (changes, texts(source)) == ([], {})


def test_a_file_that_nothing_happened_to_is_not_read_again(tmp_path, monkeypatch):
    read = list[str]()

    def read_file(path):
        read.append(path)
        return (tmp_path / path).read_text()

    monkeypatch.setattr("txgateway.net.mapping.folder.read_file", read_file)
    file = tmp_path / "a.thrift"
    now = time.time()
    known = Texts(lambda: now)
    file.write_text("one")
    # Just written: what is written next may have the same time.
    assert [known.read(str(file)) for _ in range(2)] == ["one", "one"]
    assert len(read) == 2
    now += 1
    assert [known.read(str(file)) for _ in range(3)] == ["one", "one", "one"]
    assert len(read) == 3
    before = file.stat()
    with open(file, "r+") as written:
        written.write("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known.read(str(file)) == "two"
    now += 1
    known.read(str(file))
    read.clear()
    known.keep([])
    assert (known.read(str(file)), len(read)) == ("two", 1)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        known.read(str(file))


def test_files_are_found_in_folders_but_not_through_links(tmp_path):
    for name in ("b.thrift", "a/c.thrift", "a/x/d.thrift", ".hidden/e.thrift", "a/.f.thrift"):
        (tmp_path / "idl" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "idl" / name).write_text("")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "g.thrift").write_text("")
    (tmp_path / "idl" / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "idl" / "h.thrift").symlink_to(tmp_path / "outside" / "g.thrift")
    (tmp_path / "idl" / "nothing.thrift").symlink_to("nowhere")
    found = [root.removeprefix(f"{tmp_path}/idl/") for root in find_roots([str(tmp_path / "idl")])]
    assert found == ["a/c.thrift", "a/x/d.thrift", "b.thrift", "h.thrift"]


def test_what_editors_leave_is_no_change(folder):
    source, path, changes = folder
    for name in (".a.thrift.swp", "a.thrift~", "#a.thrift#", "4913", "notes.txt"):
        source._touched(str(path / name), False)
    rest(source)
    assert not changes
    source._touched(str(path / "..data"), False)
    rest(source)
    assert len(changes) == 1


def test_a_folder_that_is_gone_is_an_error_and_no_empty_folder(folder, tmp_path):
    source, path, _ = folder
    path.rmdir()
    with pytest.raises(FileNotFoundError):
        texts(source)
