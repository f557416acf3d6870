"""Where in an IDL file a place inside of an annotation's value is."""

from __future__ import annotations

from collections.abc import Callable

from .descriptor import Annotation, Position

# The text of a line (from 1) of an IDL file, without its end; empty if it is not at hand.
Lines = Callable[[str, int], str]


def no_lines(file: str, line: int) -> str:
    return ""


def place_in_value(annotation: Annotation, offset: int, lines: Lines = no_lines) -> Position:
    """The position of the character at ``offset`` of the unescaped value.

    Unescaping takes the backslash from one character only, the quote that delimits the
    literal. So every such quote ahead of the place stands one column further right.
    """
    start = annotation.value_position
    before = annotation.value[:offset]
    row = before.count("\n")
    tail = before.rpartition("\n")[2]
    column = len(tail) + tail.count(_delimiter(annotation, lines))
    return Position(start.file, start.line + row, column + (1 if row else start.column))


def _delimiter(annotation: Annotation, lines: Lines) -> str:
    start = annotation.value_position
    line = lines(start.file, start.line)
    if 2 <= start.column <= len(line) + 1 and line[start.column - 2] in "\"'":
        return line[start.column - 2]
    # Rules hold texts in single quotes, so people put them between double ones.
    return '"'
