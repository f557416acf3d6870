"""A rule as a tree: what the text of an ``api.vd`` annotation says."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen


@frozen
class Node:
    """A part of a rule; ``start`` and ``end`` are its place in the rule's text."""

    start: int = field(eq=False)
    end: int = field(eq=False)

    def children(self) -> tuple[Node, ...]:
        return ()

    def walk(self) -> Iterator[Node]:
        """This part and all below it, outermost first."""
        yield self
        for child in self.children():
            yield from child.walk()


@frozen
class Literal(Node):
    """``7``, ``1.5``, ``'text'``, ``true`` or ``nil``; an integer stays one, so that it compares exactly."""

    value: bool | int | float | str | None


@frozen
class Selector(Node):
    """``$``, ``(A.B)$`` or ``$[0]['x']``: an empty path is the rule's own field."""

    path: tuple[str, ...]
    indices: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.indices


@frozen
class RangeVariable(Node):
    """``#k``, ``#v`` or ``##``: key, value and count of the innermost ``range``."""

    name: str


@frozen
class Group(Node):
    """Parentheses. They matter twice: empty ones are nil, and a prefix before them means the whole of a ``range``."""

    inner: Node | None

    def children(self) -> tuple[Node, ...]:
        return () if self.inner is None else (self.inner,)


@frozen
class Call(Node):
    function: str
    arguments: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.arguments


@frozen
class Prefixed(Node):
    """A run of prefixes, reduced to what it amounts to: ``-``, ``!`` or ``!!``."""

    operator: str
    operand: Node

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@frozen
class Binary(Node):
    operator: str
    left: Node
    right: Node

    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@frozen
class Logical(Node):
    """A whole chain of ``&&`` or of ``||``: such chains grow long, a tree of pairs would grow deep."""

    operator: str
    operands: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.operands


@frozen
class Rule:
    """A whole annotation value.

    :ivar check: what must hold, or None: nothing is checked.
    :ivar message: an expression for the text of a failure.
    :ivar others: expressions under other names; they must be well-formed and are never run.
    :ivar ignored: the value is ``-``: no check, nothing below it, no selector sees the field.
    :ivar lenient: the value is ``?``: elements that are null are left out.
    """

    text: str
    check: Node | None = None
    message: Node | None = None
    others: tuple[Node, ...] = ()
    ignored: bool = False
    lenient: bool = False
