"""A snapshot as text, in the format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate

from . import HISTOGRAM, Family, Snapshot, Value


def text_of(snapshot: Snapshot, families: Iterable[Family]) -> Iterator[str]:
    """The text in pieces, so that whoever writes it can do something else in between.

    :param families: in the order in which they are shown; those without a sample are not.
    """
    for family in families:
        samples = snapshot.get(family.name)
        if samples:
            ends = [f'le="{bound}"' for bound in (*family.bounds, "+Inf")]
            yield f"# HELP {family.name} {_escaped(family.help)}\n# TYPE {family.name} {family.kind}\n"
            for values, value in samples:
                labels = ",".join(
                    [f'{name}="{_quoted(each)}"' for name, each in zip(family.labels, values, strict=True)]
                )
                if family.kind == HISTOGRAM:
                    yield _histogram(family.name, labels, ends, value)
                else:
                    yield f"{family.name}{{{labels}}} {value}\n" if labels else f"{family.name} {value}\n"


def _histogram(name: str, labels: str, ends: list[str], value: Value) -> str:
    assert isinstance(value, list)
    total, *buckets = value
    start = f"{name}_bucket{{{labels},"
    lines = [f"{start}{end}}} {count}" for end, count in zip(ends, accumulate(buckets), strict=True)]
    lines.append(f"{name}_count{{{labels}}} {sum(buckets)}\n{name}_sum{{{labels}}} {total}\n")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


@lru_cache(maxsize=16384)
def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
