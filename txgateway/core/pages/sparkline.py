"""Numbers as the path of a small drawing."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 120, 24
# Left free above and below, so that a stroke is not cut.
EDGE = 2


def line(values: Sequence[float | None], top: float) -> str:
    """An SVG path through the values, broken where there is none; a value that stands alone is a short dash.

    :param top: the value at the upper edge.
    """
    step = WIDTH / max(1, len(values) - 1)
    parts: list[str] = []
    for at, value in enumerate(values):
        if value is None:
            continue
        x, y = at * step, _y(value, top)
        begins = at == 0 or values[at - 1] is None
        parts.append(f"{'M' if begins else 'L'}{x:.1f} {y:.1f}")
        if begins and (at + 1 == len(values) or values[at + 1] is None):
            parts.append(f"h{step / 2 if at + 1 < len(values) else -step / 2:.1f}")
    return "".join(parts)


def bars(values: Sequence[float], top: float) -> str:
    """An SVG path of a bar for each value above zero; the least of them can still be seen."""
    step = WIDTH / max(1, len(values))
    return "".join(
        f"M{at * step:.1f} {HEIGHT}V{min(_y(value, top), HEIGHT - EDGE - 1):.1f}h{step * 0.8:.1f}V{HEIGHT}z"
        for at, value in enumerate(values)
        if value > 0
    )


def _y(value: float, top: float) -> float:
    share = min(1.0, value / top) if top > 0 else 0.0
    return HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)
