"""The last versions can be made again from their texts."""

from __future__ import annotations

from txgateway.core.history import History, Version
from txgateway.core.loading import Loader, Root

IDL = 'struct A { 1: i32 n }\nservice S { A f(1: A a) (api.get="/f") }'


def load(loader: Loader, files: dict[str, str]):
    return loader.load([Root(path, files.__getitem__) for path in files if "common" not in path])


def test_a_version_is_made_again_as_it_was():
    files = {
        "common.thrift": IDL.split("\n")[0],
        "s.thrift": 'include "common.thrift"\nservice S { common.A f(1: common.A a) }',
    }
    loader = Loader()
    first = load(loader, files)
    version = Version.of(first, 12.0, "start")
    loader.served(first)
    files["common.thrift"] = "struct A { 1: i64 n }"
    loader.served(load(loader, files))
    again = loader.load(version.roots)
    assert again.digest == first.digest == version.digest
    assert version.services["s"]["common.thrift"] == IDL.split("\n")[0]
    assert again.services["s"].schema == first.services["s"].schema


def test_the_oldest_is_forgotten_and_a_return_is_no_new_version():
    history = History(2)
    versions = [Version(digest, time, "x", ()) for time, digest in enumerate(["aa", "ab", "b", "ab"])]
    for version in versions:
        history.add(version)
    assert [each.digest for each in history.versions] == ["b", "ab"]
    assert history.versions[-1].time == 3
    assert history.find("a") is versions[3]
    assert history.find("aa") is None
    assert history.find("") is None
