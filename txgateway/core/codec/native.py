"""The native codec, if it was built: whether it serves is decided here, and nowhere else in the package."""

from __future__ import annotations

try:
    from ._native import Replies, Requests

    IS_BUILT = True
except ImportError:
    IS_BUILT = False

__all__ = ["AUTO", "CODECS", "IS_BUILT", "NATIVE", "PLAIN", "Replies", "Requests", "chosen"]

# The native codec where it was built, else the plain one; or one of the two by all means.
CODECS = AUTO, NATIVE, PLAIN = "auto", "native", "plain"


def chosen(codec: str) -> str:
    """The codec that serves under this setting; for what it does not do the native one still needs the plain one."""
    return NATIVE if codec == NATIVE or (codec == AUTO and IS_BUILT) else PLAIN
