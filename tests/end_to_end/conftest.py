"""What the end-to-end tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end import kitex


@pytest.fixture(scope="session")
def kitex_binaries() -> Path:
    """The folder of the Kitex programs; skips where they cannot be built."""
    try:
        return kitex.build()
    except kitex.Unavailable as reason:
        pytest.skip(str(reason))
