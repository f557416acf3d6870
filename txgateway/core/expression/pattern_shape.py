"""Whether a pattern can match anything at all, as far as its anchors tell."""

from __future__ import annotations

import re

from attrs import frozen

TOKEN = re.compile(
    r"""
      (?P<quoted>\\Q.*?(?:\\E|\Z))
    | (?P<start>\^|\\A)
    | (?P<end>\$|\\z)
    | (?P<boundary>\\[bB])
    | (?P<escape>\\(?:[pPx]\{[^}]*\}|[pP].|x[0-9A-Fa-f]{2}|[0-7]{1,3}|.))
    | (?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])
    | (?P<flags>\(\?[a-zA-Z-]+\))
    | (?P<open>\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?)
    | (?P<close>\))
    | (?P<or>\|)
    | (?P<repeat>(?:[*+?]|\{(?P<least>\d+)(?:,\d*)?\})\??)
    | (?P<literal>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@frozen
class _Part:
    """A piece of a pattern.

    :ivar possible: whether it can match.
    :ivar width: the fewest characters that it takes.
    :ivar starts: it can only stand where nothing has been read before it.
    :ivar ends: nothing can be read after it.
    """

    possible: bool = True
    width: int = 0
    starts: bool = False
    ends: bool = False


def can_match(pattern: str) -> bool:
    """False if the pattern wants something before the beginning or behind the end of the text.

    The pattern is one that RE2 takes. With the flag m there are many beginnings, and the answer is always yes.
    """
    if re.search(r"\(\?[a-zA-Z]*m", pattern):
        return True
    tokens = [(match.lastgroup or "literal", match) for match in TOKEN.finditer(pattern)]
    return _Reader(tokens).alternatives().possible


class _Reader:
    def __init__(self, tokens: list[tuple[str, re.Match[str]]]) -> None:
        self._tokens = tokens
        self._at = 0

    def alternatives(self) -> _Part:
        branches = [self._sequence()]
        while self._next() == "or":
            self._at += 1
            branches.append(self._sequence())
        possible = [branch for branch in branches if branch.possible]
        if not possible:
            return _Part(possible=False)
        return _Part(
            width=min(branch.width for branch in possible),
            starts=all(branch.starts for branch in possible),
            ends=all(branch.ends for branch in possible),
        )

    def _next(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else "close"

    def _sequence(self) -> _Part:
        whole = _Part()
        while self._next() not in ("or", "close"):
            part = self._repeated(self._atom())
            whole = _Part(
                possible=whole.possible
                and part.possible
                and not (part.starts and whole.width)
                and not (whole.ends and part.width),
                width=whole.width + part.width,
                starts=whole.starts or (part.starts and not whole.width),
                ends=part.ends or (whole.ends and not part.width),
            )
        return whole

    def _atom(self) -> _Part:
        kind, match = self._tokens[self._at]
        self._at += 1
        match kind:
            case "open":
                part = self.alternatives()
                self._at += 1
                return part
            case "start":
                return _Part(starts=True)
            case "end":
                return _Part(ends=True)
            case "boundary" | "flags":
                return _Part()
            case "quoted":
                return _Part(width=len(match[0].removesuffix("\\E")) - 2)
            case "class":
                return _Part(possible=match[0] not in (r"[^\s\S]", r"[^\d\D]", r"[^\w\W]"), width=1)
        return _Part(width=1)

    def _repeated(self, part: _Part) -> _Part:
        while self._next() in ("repeat", "least"):
            match = self._tokens[self._at][1]
            self._at += 1
            least = int(match["least"]) if match["least"] else 1 if match[0][0] == "+" else 0
            if not least:
                part = _Part()
            elif least > 1 and part.width and (part.starts or part.ends):
                part = _Part(possible=False)
            else:
                part = _Part(part.possible, part.width * least, part.starts, part.ends)
        return part
