"""What the end-to-end tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end import kitex
from tests.end_to_end.place import Place


@pytest.fixture(scope="session")
def kitex_binaries() -> Path:
    """The folder of the Kitex programs; skips where they cannot be built."""
    try:
        return kitex.build()
    except kitex.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def make_place(kitex_binaries, etcd, tmp_path_factory) -> Callable[[ExitStack], Place]:
    return lambda stack: Place(kitex_binaries, etcd.url, stack, tmp_path_factory.mktemp("gateway"))


@pytest.fixture
def place(make_place) -> Iterator[Place]:
    with ExitStack() as stack:
        yield make_place(stack)
