"""Names of the IDL as thriftgo spells them in Go."""

from __future__ import annotations

import pytest

from txgateway.core.go_names import go_name


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("num", "Num"),
        ("user_id", "UserID"),
        ("http_url", "HTTPURL"),
        ("userId", "UserId"),
        ("Plain_name", "PlainName"),
        ("plain_Name", "PlainName"),
        ("id", "ID"),
        ("ids", "Ids"),
        ("a1_b2", "A1B2"),
        ("x_1y", "X1y"),
        ("_x", "_X"),
        ("a__b", "A_B"),
        ("utf8_text", "UTF8Text"),
        ("UserID", "UserID"),
    ],
)
def test_names(name: str, spelled: str) -> None:
    assert go_name(name) == spelled
