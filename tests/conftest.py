"""What all tests share: quick ones first, properties under pytest-twisted, a real etcd."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from txgateway.testing import EtcdServer, GivenEtcd, etcd_for_tests, find_etcd

# How long an example takes tells of the machine and of what else it does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes ``-n auto`` means: two more than cores, since slow tests wait as much as they work."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests last, and last of these the end-to-end ones, else in the order found.

    The very last are handed out one by one, and what a module shares is then made by each
    process: that is dear before the end-to-end tests, where wheels are built.
    """

    def rank(item: pytest.Item) -> int:
        if item.get_closest_marker("slow") is None:
            return 0
        return 2 if item.path.parent.name == "end_to_end" else 1

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Undo what pytest-twisted does to a hypothesis test.

    It wraps the inner test at each call and leaves it so; with several sets of
    parameters the wrappers would nest, and the second would wait for itself.
    """
    given = getattr(pyfuncitem.obj, "hypothesis", None)
    inner_test = getattr(given, "inner_test", None)
    try:
        return (yield)
    finally:
        if given is not None:
            given.inner_test = inner_test


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # What a shell starts in the background is deaf to Ctrl-C, and so would be all programs that tests end by it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (
        # The last release of txaioetcd is older than this wish of Twisted's,
        "twisted.internet.defer.returnValue was deprecated:DeprecationWarning:txaioetcd",
        # and Twisted 26.10 than this one of pyOpenSSL's.
        "Passing pyOpenSSL (X509|PKey) objects is deprecated:DeprecationWarning",
    ):
        config.addinivalue_line("filterwarnings", f"ignore:{ignored}")


@pytest.fixture(scope="session")
def etcd() -> Iterator[EtcdServer | GivenEtcd]:
    """An etcd for every test that leaves it running; use a prefix of your own."""
    server = etcd_for_tests()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_etcd(request: pytest.FixtureRequest) -> Iterator[EtcdServer]:
    """A fresh etcd for one test alone, which may kill it, restart it or wipe its data.

    An indirect parameter holds further arguments of etcd.
    """
    if find_etcd() is None:
        pytest.skip("no etcd program here")
    with EtcdServer(*getattr(request, "param", ())) as server:
        yield server
