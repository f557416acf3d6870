"""Regular expressions of rules: RE2 in the dialect of Go."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import re2


class PatternError(ValueError):
    """A pattern that is refused; the text says why, ``hint`` shows a way out if there is one."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


# RE2's reasons, by their beginnings, in our words; {} is what it quotes.
_REASONS = {
    "missing ]": "a `]` is missing",
    "missing )": "a `)` is missing",
    "unexpected )": "a `)` closes nothing",
    "trailing \\": "the backslash at its end escapes nothing",
    "no argument for repetition operator": "nothing stands before the `{}`",
    "bad repetition operator": "`{}` repeats a repetition",
    "invalid repetition size": "`{}` is no number of repetitions, of which there are at most 1000",
    "invalid perl operator": "it has no `{}`",
    "invalid escape sequence": "it has no `{}`",
    "invalid character class range": "it has no range of characters `{}`",
    "invalid named capture group": "`{}` is no name of a group",
    "pattern too large": "it is too large; repeat less",
}
# What other dialects have and RE2 has not, and how to do without.
_OTHER_DIALECTS = (
    (r"\(\?<?[=!]", "RE2 has no look-around"),
    (r"\(\?>|[*+?}]\+", "RE2 has no possessive or atomic groups; it never backtracks"),
    (r"\\[1-9]", "RE2 has no back-references"),
    (r"\\Z", r"the end of the text is \z"),
    (r"\\u[0-9A-Fa-f]{4}", r"a code point is written \x{4E00}"),
)


# A pattern that comes with a request: what longer ones, or more memory, would cost is not ours to spend.
_FOREIGN_LENGTH = 256
_FOREIGN_MEMORY = 1 << 18
# The size of the pattern's program times that of the text; the worst of both takes 5 nanoseconds each.
_FOREIGN_WORK = 1_000_000


def foreign_pattern_found(pattern: str, text: str) -> bool:
    """Whether a pattern that a request brings is found; one that is refused, or too dear, is not."""
    if len(pattern) > _FOREIGN_LENGTH:
        return False
    try:
        compiled = _compiled(pattern, _FOREIGN_MEMORY)
    except PatternError:
        return False
    return compiled.programsize * len(text) <= _FOREIGN_WORK and _search(compiled, text)


@functools.lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether a text holds a match of the pattern; PatternError if RE2 refuses it."""
    return functools.partial(_search, _compiled(pattern, None))


def _search(compiled: Any, text: str) -> bool:
    # Bytes that are no UTF-8 come as lone surrogates and count as one odd character each.
    return compiled.search(text.encode("utf-8", "surrogatepass")) is not None


def _compiled(pattern: str, memory: int | None) -> Any:
    # A quoted \Q...\E part is text, and so is a doubled backslash.
    code = re.sub(r"\\Q.*?(\\E|\Z)|\\\\", "", pattern, flags=re.DOTALL)
    if r"\C" in code:
        # RE2 in C++ has it, Go's has not.
        raise PatternError(r"it has no `\C`")
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    if memory is not None:
        options.max_mem = memory
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        raise PatternError(_reason(error), next((h for p, h in _OTHER_DIALECTS if re.search(p, code)), "")) from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else b""
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    quoted = text.partition(": ")[2]
    return next(
        (ours.format(quoted) for theirs, ours in _REASONS.items() if text.startswith(theirs)), "it is malformed"
    )
