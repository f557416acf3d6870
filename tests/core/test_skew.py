"""An instance tells which IDL it runs; what is known of that decides what it means."""

from __future__ import annotations

import gc
import weakref

from txgateway.core.fingerprint import wire_fingerprint
from txgateway.core.instances import Instance
from txgateway.core.linker import load
from txgateway.core.loading import load_mapping
from txgateway.core.skew import REMEMBERED, Skew, Verdict

IDL = 'struct A { 1: i32 n }\nservice S { A f(1: A a) (api.get="/f") }'
MORE, OTHER = IDL.replace("i32 n", "i32 n, 2: i32 m"), IDL.replace("i32 n", "i64 n")


def tag(text: str) -> str:
    schema = load("s.thrift", {"s.thrift": text}.__getitem__).schema
    return wire_fingerprint(schema, schema.services[0])


def running(text: str) -> Instance:
    return Instance("127.0.0.1", 9001, tags={"idl": tag(text)})


def serve(skew: Skew, text: str) -> None:
    skew.serves(load_mapping(["s.thrift"], {"s.thrift": text}.__getitem__))


def test_what_an_instance_runs_is_judged_by_what_was_served_here():
    skew = Skew()
    serve(skew, IDL)
    assert skew.of("s", running(IDL)) is Verdict.SAME
    assert skew.of("s", running(OTHER)) is Verdict.UNKNOWN
    assert skew.of("s", Instance("127.0.0.1", 9001)) is Verdict.UNTOLD
    serve(skew, MORE)
    assert skew.of("s", running(IDL)) is Verdict.COMPATIBLE
    serve(skew, OTHER)
    assert skew.of("s", running(OTHER)) is Verdict.SAME
    assert skew.of("s", running(IDL)) is Verdict.BREAKING
    assert skew.of("none", running(IDL)) is Verdict.UNTOLD


def test_a_comment_is_no_other_version():
    skew = Skew()
    serve(skew, IDL)
    serve(skew, "// A comment.\n" + IDL)
    assert skew.changed == {"s"}
    assert skew.of("s", running(IDL)) is Verdict.SAME


def test_so_many_versions_are_remembered():
    skew = Skew()
    serve(skew, OTHER)
    for number in range(REMEMBERED):
        serve(skew, IDL.replace("i32 n", f"i32 n, {number + 3}: i32 f{number}"))
    assert skew.of("s", running(OTHER)) is Verdict.UNKNOWN


def test_of_a_version_that_is_served_no_more_only_what_can_be_compared_is_kept():
    skew = Skew()
    loaded = load_mapping(["s.thrift"], {"s.thrift": IDL}.__getitem__)
    plan = weakref.ref(loaded.mapping.routes[0].plan)
    skew.serves(loaded)
    del loaded
    serve(skew, OTHER)
    gc.collect()
    assert plan() is None
    assert skew.of("s", running(IDL)) is Verdict.BREAKING
