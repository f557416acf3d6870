"""The words for foreign peers that a framing cannot be asked about."""

from __future__ import annotations

import pytest

from txgateway.core.framing.foreign import describe


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("0000001f0fff00000000000700010000", "seems to speak the header transport of Apache Thrift or fbthrift"),
        ("00000023100000000000000700010000", "seems to speak TTHeader"),
        ("5b312c2270696e67222c312c372c7b7d", "seems to speak Thrift's JSON protocol"),
        (
            "0000000e0000000470696e6701000000",
            "seems to speak Thrift's old binary protocol, without a version, in frames",
        ),
        ("5353482d322e30", "seems to speak SSH"),
        ("0102030405", "began with the bytes 01 02 03 04 05"),
        ("", "began with the bytes "),
    ],
)
def test_names_it(head: str, words: str) -> None:
    assert describe(bytes.fromhex(head)) == words
