"""The native codec, if it was built: whether it serves is decided here, and nowhere else in the package."""

from __future__ import annotations

try:
    from ._native import Replies, Requests

    IS_BUILT = True
except ImportError:
    IS_BUILT = False

__all__ = ["AUTO", "CODECS", "IS_BUILT", "NATIVE", "PLAIN", "Replies", "Requests", "is_chosen"]

# The native codec where it was built, else the plain one; or one of the two by all means.
CODECS = AUTO, NATIVE, PLAIN = "auto", "native", "plain"


def is_chosen(codec: str) -> bool:
    """Whether the native codec serves under this setting.

    :raises ImportError: it must, and was not built.
    """
    if codec == NATIVE and not IS_BUILT:
        raise ImportError("the native codec was not built")
    return codec != PLAIN and IS_BUILT
