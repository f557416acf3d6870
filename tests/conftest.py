"""What many tests share: a real etcd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from txgateway.testing import EtcdServer, GivenEtcd, etcd_for_tests, find_etcd


@pytest.fixture(scope="session")
def etcd() -> Iterator[EtcdServer | GivenEtcd]:
    """An etcd for every test that leaves it running; use a prefix of your own."""
    server = etcd_for_tests()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_etcd() -> Iterator[EtcdServer]:
    """A fresh etcd for one test alone, which may kill it, restart it or wipe its data."""
    if find_etcd() is None:
        pytest.skip("no etcd program here")
    with EtcdServer() as server:
        yield server
