"""What Kitex's clients and servers were recorded to say and hear, with ours in the place of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recorded import wire
from tests.vectors import RECORDED, outcome

FOLDER = RECORDED / "wire"
CASES = list(wire.cases(FOLDER))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_ours_do_what_was_recorded(file: Path) -> None:
    wanted = {vector["id"] for vector in json.loads(file.read_text())}
    cases = [case for case in CASES if case.id in wanted]
    assert len(cases) == len(wanted)
    assert {case.id: mismatch for case in cases if (mismatch := outcome(case)) is not None} == {}


def test_a_case_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    """Each kind of case, with one thing in it changed."""
    (tmp_path / "idl").symlink_to(FOLDER / "idl")
    (tmp_path / "cases.json").write_text(json.dumps(list(spoiled())))
    cases = list(wire.cases(tmp_path))
    assert len(cases) == 5
    assert [case.id for case in cases if outcome(case) is None] == []


def spoiled():
    captured = recorded("core-ttheader.json", "core/ttheader/single/find-exception-2")
    yield captured | {"args": {"kind": 1}}
    yield captured | {"outcome": captured["outcome"] | {"value": {"reason": "open", "at": {"x": 3, "y": -4}}}}
    yield recorded("server-probes.json", "probe/crc/crc-absent") | {"connection_after": "open", "request": "00"}
    reaction = next(v for v in read("client-reactions.json") if (v["client_saw"]["outcome"] or {}).get("biz_status"))
    yield reaction | {"client_saw": {**reaction["client_saw"], "outcome": {"biz_status": {"code": 1}}}}
    farewell = next(vector for vector in read("shutdown.json") if "request" in vector)
    yield farewell | {"bytes": farewell["request"]}


def recorded(file: str, name: str) -> dict:
    return next(vector for vector in read(file) if vector["id"] == name)


def read(file: str) -> list[dict]:
    return json.loads((FOLDER / file).read_text())
