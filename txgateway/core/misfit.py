"""A value that does not fit its Thrift type: where, what was expected, and what came."""

from __future__ import annotations

# Of a value that came, so much is shown.
SHOWN = 40
# What stands in front of it.
GOT = ", got "


class Misfit(Exception):
    """Raised where a value is converted; each level that it passes puts its own step in front of the path.

    :ivar path: ``books[3].price``, as far as it is known.
    :ivar expected: what would have fitted, with its article.
    :ivar got: what came, shortened.
    :ivar source: where in the request it came from, if not from the field's place in the JSON body.
    """

    def __init__(self, expected: str, got: str, path: str = "") -> None:
        super().__init__()
        self.expected = expected
        self.got = got
        self.path = path
        self.source = ""

    def inside(self, step: str) -> Misfit:
        """The same, seen from one level further out: ``step`` is a field's name or ``[index]``."""
        self.path = step + self.path if not self.path or self.path[0] == "[" else f"{step}.{self.path}"
        return self

    def __str__(self) -> str:
        return f"expected {self.expected}{GOT}{self.got}"


class Missing(Misfit):
    """A required field without a value."""

    def __init__(self, name: str) -> None:
        super().__init__("a value", "none", name)

    def __str__(self) -> str:
        return "is required"


def text(value: bytes | str) -> str:
    """A text that came, in quotes."""
    shown = value[: SHOWN + 1].decode("utf-8", "replace") if isinstance(value, bytes) else value
    return repr(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…")


def kind(value: object) -> str:
    """A JSON value that came: a scalar itself, or the kind of a container."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {text(value)}"
        case int() | float():
            return f"the number {value!r}"
        case list():
            return "an array"
    return "an object"
