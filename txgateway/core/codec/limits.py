"""How large the output of a conversion may be: so much, and not a great deal more than what it is made of.

An element of two bytes may stand for kilobytes of the IDL's defaults; a message of a few
kilobytes must not become hundreds of megabytes that way.
"""

from __future__ import annotations

# As many times the input, and more only if the output is small all the same. The native codec has the same numbers.
GROWTH = 64
ALWAYS_ALLOWED = 1 << 20


def limit_for(most: int, size: int) -> int:
    """The bytes that the output may have.

    :param most: as the settings say.
    :param size: bytes of the input.
    """
    return min(most, max(GROWTH * size, ALWAYS_ALLOWED))
