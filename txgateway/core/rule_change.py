"""Two versions of an ``api.vd`` rule: whether the new one refuses what the old one took."""

from __future__ import annotations

import enum
import re

_MESSAGE = re.compile(r";\s*msg\s*:.*\Z", re.DOTALL)
# What nearly all rules are made of: a value, or its length, against a number.
_BOUND = re.compile(r"(\$|len\(\$\))\s*(<=|>=|<|>)\s*(-?\d{1,18}(?:\.\d{1,18})?)")


class Tighter(enum.Enum):
    YES = "yes"
    NO = "no"
    # It is another rule, of which that cannot be told.
    UNKNOWN = "unknown"


def tighter(old: str, new: str) -> Tighter | None:
    """Whether ``new`` refuses what ``old`` took; empty: no rule. None: they are the same but for their message."""
    before, after = _parts(old), _parts(new)
    if before == after:
        return None
    lacking = [part for part in after if not any(_implies(known, part) for known in before)]
    if not lacking:
        return Tighter.NO
    if not before or all(map(_BOUND.fullmatch, lacking)):
        return Tighter.YES
    return Tighter.UNKNOWN


def _parts(rule: str) -> list[str]:
    """What must hold together; one part if that cannot be told."""
    text = " ".join(_MESSAGE.sub("", rule).split())
    if not text:
        return []
    if "||" in text or "'" in text or '"' in text or "?" in text:
        return [text]
    return sorted({part.strip() for part in text.split("&&")})


def _implies(known: str, part: str) -> bool:
    """Whether whatever passes ``known`` passes ``part``."""
    if known == part:
        return True
    one, other = _BOUND.fullmatch(known), _BOUND.fullmatch(part)
    if one is None or other is None or one[1] != other[1] or one[2][0] != other[2][0]:
        return False
    bound, wanted = float(one[3]), float(other[3])
    within = bound <= wanted if one[2][0] == "<" else bound >= wanted
    # `$<=5` does not imply `$<5`.
    return within and (bound != wanted or len(one[2]) <= len(other[2]))
