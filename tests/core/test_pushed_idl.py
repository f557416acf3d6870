"""A push is one version or none, however it reaches whoever follows it."""

from __future__ import annotations

import pytest

from txgateway.core.etcd import Event, KeyValue, Snapshot, WatchMessage
from txgateway.core.pushed_idl import (
    MAX_BYTES,
    MAX_OPERATIONS,
    Manifest,
    PushedIdl,
    PushError,
    content_key,
    parse_manifest,
    prepare,
    stale,
    version_key,
)

FILES = {"a.thrift": "struct A {}", "deep/b.thrift": "struct B {}"}


def followed(*batches: tuple[tuple[bytes, bytes], ...]) -> PushedIdl:
    pushed = PushedIdl("tgw")
    pushed.begin()
    pushed.snapshot(Snapshot(1, 1), 0.0)
    pushed.message(WatchMessage(1, 1, created=True), 0.0, 0.5)
    for revision, batch in enumerate(batches, 2):
        events = tuple(Event(KeyValue(key, revision, value)) for key, value in batch)
        pushed.message(WatchMessage(1, revision, events), 1.0, 0.5)
    return pushed


def test_a_small_push_is_one_transaction():
    push = prepare("tgw", FILES, 12.0)
    (batch,) = push.batches
    assert batch[-1][0] == b"tgw/idl/version"
    assert parse_manifest(batch[-1][1]) == push.manifest
    assert followed(batch).files() == FILES


def test_the_same_files_are_the_same_version():
    again = prepare("tgw", dict(reversed(FILES.items())), 13.0)
    assert again.manifest.version == prepare("tgw", FILES, 12.0).manifest.version
    assert prepare("tgw", {**FILES, "c.thrift": ""}, 12.0).manifest.version != again.manifest.version


def test_a_large_push_is_without_effect_until_its_last_transaction():
    files = {f"s{n}.thrift": f"struct S{n} {{}}" for n in range(2 * MAX_OPERATIONS)}
    batches = prepare("tgw", files, 12.0).batches
    assert len(batches) == 3
    assert all(len(batch) <= MAX_OPERATIONS for batch in batches)
    assert followed(*batches[:-1]).files() is None
    assert followed(*batches).files() == files


def test_what_is_there_is_not_sent_again():
    first = prepare("tgw", FILES, 12.0)
    present = [key for batch in first.batches for key, _ in batch]
    changed = {**FILES, "a.thrift": "struct A2 {}"}
    (batch,) = prepare("tgw", changed, 13.0, present).batches
    assert len(batch) == 2
    assert followed(*first.batches, batch).files() == changed


def test_a_version_whose_content_is_missing_waits_for_it():
    (batch,) = prepare("tgw", FILES, 12.0).batches
    *contents, version = batch
    assert followed((version, contents[0])).files() is None
    assert followed((version, contents[0]), (contents[1],)).files() == FILES


def test_nothing_pushed_and_nonsense_are_no_version():
    assert followed().files() is None
    assert followed(((version_key("tgw"), b"{"),)).files() is None
    assert parse_manifest(b'{"version": 1}') is None


def test_what_no_version_names_is_stale():
    manifests = [Manifest("1", 0.0, {"a": "one"}), Manifest("2", 0.0, {"a": "two"}), None]
    keys = [version_key("tgw"), *(content_key("tgw", name) for name in ("one", "two", "three"))]
    assert stale(keys, "tgw", manifests) == [content_key("tgw", "three")]


def test_a_file_that_etcd_cannot_take_is_named():
    with pytest.raises(PushError, match=r"big\.thrift"):
        prepare("tgw", {"big.thrift": "x" * (MAX_BYTES + 1)}, 0.0)
