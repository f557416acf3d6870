"""Which comments of an IDL file explain what: by where they stand."""

from __future__ import annotations

import functools
import re
from bisect import bisect
from collections.abc import Iterator
from typing import NamedTuple

from .syntax import DefinitionNode, EnumNode, FieldNode, FileNode, MemberNode, MethodNode, ServiceNode, StructNode

# Strings are passed over, for what stands in them is no comment.
_COMMENTS = re.compile(r""""(?:\\["']|[^"])*+"|'(?:\\["']|[^'])*+'|(?://|#)[^\r\n]*|/\*[\s\S]*?\*/""")
_BRACKETS = re.compile(r"[(){}\[\]]")
_SOMETHING = re.compile(r"[^\S\n]*\S")
# A comment inside a line is about what comes next if it stands behind one of these.
_OPENERS = ("{", "(", ",", ";")

_Node = DefinitionNode | FieldNode | MemberNode | MethodNode


class _Declared(NamedTuple):
    """What a comment may be about.

    :ivar place: line and column of its name.
    :ivar start: the line in which it begins.
    :ivar around: what it is declared in; None for a definition.
    """

    place: tuple[int, int]
    start: int
    around: _Declared | None


class Docs:
    """The comments of a file."""

    def __init__(self, text: str, tree: FileNode) -> None:
        self._text = text
        self._tree = tree

    def of(self, node: _Node) -> str:
        """The comment that stands before it, or above the line that begins with it; else the one behind it."""
        place = node.name.line, node.name.column
        return next((found[place] for found in self._found if place in found), "")

    @functools.cached_property
    def _found(self) -> tuple[dict[tuple[int, int], str], ...]:
        """Comments by the place of what they explain: those before it, above it, behind it."""
        text, reading = self._text, _Reading(self._text, sorted(_declared(self._tree)))
        before: dict[tuple[int, int], str] = {}
        behind: dict[tuple[int, int], str] = {}
        # By the line in which they end.
        above: dict[int, str] = {}
        for match in _COMMENTS.finditer(text):
            reading.read_to(match)
            if match[0][0] in "\"'":
                continue
            words, line, last = _words_of(match[0]), reading.line, reading.line + match[0].count("\n")
            is_last, coming = _SOMETHING.match(text, match.end()) is None, reading.coming
            if reading.is_first and is_last:
                over = above.pop(line - 1, "")
                above[last] = f"{over}\n{words}" if over else words
            elif not is_last and reading.opens and coming is not None and coming.start == last:
                before[coming.place] = words
            elif reading.passed is not None and reading.passed.place[0] == line:
                behind[reading.passed.place] = words
        return before, _by_place(above, reading.declared), behind


class _Reading:
    """Goes through a text from one comment or string to the next; looks at nothing twice.

    :ivar line: the line in which the present one begins.
    :ivar is_first: whether nothing stands before it in its line.
    :ivar opens: whether it is the first, or stands behind what separates or opens.
    :ivar passed: what was declared last, or what that stands in, if that was closed since in the same line.
    :ivar coming: what is declared next.
    """

    def __init__(self, text: str, declared: list[_Declared]) -> None:
        self.declared = declared
        self.line = 1
        self.is_first = self.opens = False
        self.passed: _Declared | None = None
        self.coming: _Declared | None = None
        self._text = text
        self._line_start = 0
        # Of the one before.
        self._start = self._end = 0
        self._count = self._depth = 0

    def read_to(self, match: re.Match[str]) -> None:
        text, start = self._text, match.start()
        newline = text.rfind("\n", self._start, start)
        if newline >= 0:
            self.line += text.count("\n", self._start, start)
            self._line_start = newline + 1
        # What stands between, of the present line.
        begin = max(self._end, self._line_start)
        count = bisect(self.declared, ((self.line, start - self._line_start + 1), 0, None))
        self.coming = self.declared[count] if count < len(self.declared) else None
        if count > self._count:
            self._count, self._depth, self.passed = count, 0, self.declared[count - 1]
            if self.passed.place[0] == self.line:
                begin = self._line_start + self.passed.place[1] - 1
        left = text[begin:start].strip()
        self.is_first = not left and begin == self._line_start
        self.opens = self.is_first or left.endswith(_OPENERS)
        self._close(left)
        self._start, self._end = start, match.end()

    def _close(self, text: str) -> None:
        for mark in _BRACKETS.findall(text):
            self._depth += 1 if mark in "({[" else -1
            if self._depth < 0 and self.passed is not None:
                around, self._depth = self.passed.around, 0
                if around is not None and around.place[0] == self.passed.place[0]:
                    self.passed = around


def _declared(tree: FileNode) -> Iterator[_Declared]:
    for node in tree.definitions:
        definition = _Declared((node.name.line, node.name.column), node.start, None)
        yield definition
        for part in _parts(node):
            member = _Declared((part.name.line, part.name.column), part.start, definition)
            yield member
            if isinstance(part, MethodNode):
                for field in (*part.arguments, *part.throws):
                    yield _Declared((field.name.line, field.name.column), field.start, member)


def _parts(node: DefinitionNode) -> tuple[FieldNode | MemberNode | MethodNode, ...]:
    match node:
        case EnumNode():
            return node.members
        case StructNode():
            return node.fields
        case ServiceNode():
            return node.methods
    return ()


def _by_place(above: dict[int, str], declared: list[_Declared]) -> dict[tuple[int, int], str]:
    """A comment above a line is about the first thing that begins there."""
    found: dict[tuple[int, int], str] = {}
    seen: set[int] = set()
    for each in declared:
        if each.start - 1 in above and each.start not in seen:
            seen.add(each.start)
            found[each.place] = above[each.start - 1]
    return found


def _words_of(comment: str) -> str:
    """A comment without its marks and the stars that lead its lines."""
    if comment.startswith("/*"):
        lines = comment[2:-2].lstrip("*!").rstrip("*").split("\n")
        return "\n".join(re.sub(r"^\s*\*? ?", "", line).rstrip() for line in lines).strip()
    return comment.lstrip("/#").removeprefix(" ").rstrip()
