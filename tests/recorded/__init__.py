"""Runners for the recorded cases, one module per kind; ``tests/vectors.py`` drives them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen


@frozen
class Mismatch:
    """What a recorded case wants, and what we did instead."""

    expected: str
    got: str


@frozen
class Case:
    """One recorded case: ``run`` gives None if we do what it wants."""

    id: str
    run: Callable[[], Mismatch | None]
