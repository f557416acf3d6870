"""Lets one property be told to several implementations."""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Undo what pytest-twisted does to a hypothesis test, so that its next parameter finds it unchanged.

    It wraps the test's inner function at each call and never unwraps it; the second
    parameter of ``parametrize`` then runs a wrapped wrapper, which fails.
    """
    test = getattr(pyfuncitem.obj, "hypothesis", None)
    inner = test and test.inner_test
    try:
        return (yield)
    finally:
        if test:
            test.inner_test = inner
