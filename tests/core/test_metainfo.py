"""Metainfo as it is written into string keys and read from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core import metainfo
from txgateway.core.framing import Info
from txgateway.core.metainfo import Metainfo

names = st.text("aB_-é", min_size=1, max_size=6).filter(lambda name: not name.startswith("UPSTREAM_"))
values = st.dictionaries(names, st.text("xY é", min_size=1, max_size=6), max_size=4)


@given(values, values)
def test_read_undoes_write(transient: dict[str, str], persistent: dict[str, str]) -> None:
    read = metainfo.read(Info(metainfo.write(transient, persistent)))
    assert (read.transient, read.persistent) == (transient, persistent)


def test_names_keep_their_case_and_unknown_keys_mean_nothing() -> None:
    strings = {"RPC_TRANSIT_Trace_Id": "t", "RPC_PERSIST_User": "ann", "isn": "Wire", "rpc_transit_x": "4", "a": "b"}
    read = metainfo.read(Info(strings, {3: "demo.caller", 20: "m", 12: "1500"}))
    assert read == Metainfo({"Trace_Id": "t"}, {"User": "ann"}, "demo.caller", "m", 1.5)


def test_what_a_caller_was_sent_itself_is_transient_too() -> None:
    strings = {"RPC_TRANSIT_UPSTREAM_a": "old", "RPC_TRANSIT_UPSTREAM_b": "1", "RPC_TRANSIT_a": "new"}
    assert metainfo.read(Info(strings)).transient == {"a": "new", "b": "1"}


def test_what_has_no_name_or_value_does_not_travel() -> None:
    assert metainfo.write({"": "x", "a": ""}, {"": "", "b": "1"}) == {"RPC_PERSIST_b": "1"}
    assert metainfo.read(Info({"RPC_TRANSIT_": "x", "RPC_TRANSIT_a": "", "RPC_PERSIST_": "x"})) == Metainfo()


@pytest.mark.parametrize("text", ["", "-5", "1e3", "٣", "9" * 40, "abc"])
def test_a_timeout_that_is_no_number_is_none(text: str) -> None:
    assert metainfo.read(Info({}, {12: text})).timeout is None


def test_other_transports_have_none() -> None:
    assert metainfo.read(None) == Metainfo()
