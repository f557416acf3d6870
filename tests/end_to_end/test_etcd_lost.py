"""What the gateway says of itself while its etcd is away: it serves what it knew, so it is degraded and not dead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.twistd import BookProcess, GatewayProcess, request
from tests.end_to_end.waiting import wait_until
from txgateway.testing import EtcdServer

pytestmark = pytest.mark.slow

SETTINGS = """
[mapping]
pushed = true
[discovery]
prefix = "books"
"""


@pytest.fixture
def lost() -> Iterator[EtcdServer]:
    """One that a test may kill."""
    with EtcdServer() as etcd:
        yield etcd


def connected(gateway: GatewayProcess) -> dict[str, str]:
    """By prefix."""
    text = request(gateway.admin_port, "GET", "/metrics").body.decode()
    return dict(re.findall(r'^tgw_discovery_connected\{prefix="([^"]+)"\} (\d)$', text, re.MULTILINE))


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_lost_etcd_degrades_and_says_why_until_it_is_back(
    lost: EtcdServer, workers: tuple[str], tmp_path: Path
) -> None:
    config = tmp_path / "tgw.toml"
    config.write_text(SETTINGS)
    where = ("--etcd", lost.url)
    with (
        BookProcess(*where, "--prefix", "books") as book,
        GatewayProcess(*where, "--config", str(config), *workers) as gateway,
    ):
        gateway.wait_for_instances("book", 1)
        wait_until(lambda: gateway.admin("/healthz")["status"] == "ok")
        assert gateway.admin("/healthz")["reasons"] == []
        wait_until(lambda: connected(gateway) == {"books": "1", "tgw/idl": "1"})

        lost.kill()
        wait_until(lambda: len(gateway.admin("/healthz")["reasons"]) == 2)
        answer = request(gateway.admin_port, "GET", "/healthz")
        assert (answer.status, answer.json["status"]) == (200, "degraded")
        of_idl, of_instances = answer.json["reasons"]
        assert of_idl.startswith("etcd is lost, and the IDL under tgw/idl is served as it was: ")
        assert of_instances.startswith("etcd is lost, and the instances under books are those known last: ")
        assert lost.url in of_instances
        wait_until(lambda: connected(gateway) == {"books": "0", "tgw/idl": "0"})
        # What was known is served, so nobody is to be sent elsewhere.
        assert request(gateway.admin_port, "GET", "/readyz").status == 200
        assert gateway.get("/book/query?num=7").status == 200
        assert list(gateway.instances("book")) == [book.address]

        lost.start()
        wait_until(lambda: gateway.admin("/healthz")["status"] == "ok")
        assert gateway.admin("/healthz")["reasons"] == []
        wait_until(lambda: connected(gateway) == {"books": "1", "tgw/idl": "1"})
