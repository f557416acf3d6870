"""One setting: what it may be, what it means, and whether it can change while the gateway runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

from attrs import field, fields, frozen

from .extension import Extensions

# Characters of a wrong value that its complaint repeats.
SHOWN = 60


class Misfit(ValueError):
    """A value is not of its setting's kind; the text says why, and never what a secret is."""


@frozen
class Kind:
    """What a value may be.

    :ivar words: completes "expected", with the unit of a number and the bounds; may list what there is, so it is
        asked for when it is needed.
    :ivar take: gives the value as it is kept; raises Misfit.
    :ivar is_secret: the value is never shown, and may also stand in a file or in the environment.
    """

    words: Callable[[], str]
    take: Callable[[Any], Any]
    is_secret: bool = False


@frozen
class Setting:
    """One setting as it is declared.

    :ivar table: the TOML table that it stands in.
    :ivar meaning: a sentence without its end, for the documents and the example.
    :ivar is_live: a changed value is taken over while the gateway runs; else at the next start.
    :ivar example: lines of TOML that stand in a table, where the setting is one.
    """

    table: str
    name: str
    default: Any
    kind: Kind
    meaning: str
    is_live: bool
    example: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.table}.{self.name}"


@frozen
class Table:
    """:ivar meaning: a sentence."""

    name: str
    meaning: str
    settings: tuple[Setting, ...]


def setting(default: Any, kind: Kind, meaning: str, *, is_live: bool = False, example: str = "") -> Any:
    """Declares a setting as an attribute of its table's class.

    :param example: lines of TOML that stand in a table, where the setting is one.
    """
    metadata = {"kind": kind, "meaning": meaning, "live": is_live, "example": example}
    return field(default=default, metadata=metadata, repr=not kind.is_secret)


# One that is taken over while the gateway runs.
live = partial(setting, is_live=True)


def table_of(name: str, declared: type[Any]) -> Table:
    """What the class of a table declares: its docstring and its settings, in their order."""
    settings = (Setting(name, each.name, each.default, *_said(each.metadata)) for each in fields(declared))
    return Table(name, declared.__doc__ or "", tuple(settings))


def _said(metadata: Mapping[str, Any]) -> tuple[Kind, str, bool, str]:
    return metadata["kind"], metadata["meaning"], metadata["live"], metadata["example"]


def spelled(value: Any) -> str:
    """The value as TOML has it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case list() | tuple():
            return f"[{', '.join(map(spelled, value))}]"
        case Mapping():
            inner = ", ".join(f"{spelled(str(key))} = {spelled(each)}" for key, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
    return str(value)


# In a basic string of TOML.
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _quoted(text: str) -> str:
    shown = (_ESCAPED.get(each) or (each if each.isprintable() else f"\\U{ord(each):08X}") for each in text)
    return f'"{"".join(shown)}"'


def near(name: str, choices: Iterable[str]) -> str:
    """The one of these that was probably meant; empty: none of them."""
    found = get_close_matches(name[:SHOWN].lower().replace("-", "_"), choices, n=1, cutoff=0.7)
    return found[0] if found else ""


def hint(name: str, choices: Iterable[str]) -> str:
    """What to write instead of a name that there is not."""
    meant = near(name, choices)
    return f"did you mean {meant}?" if meant else f"there are {', '.join(choices)}"


def _shown(value: Any) -> str:
    text = spelled(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _kind(
    words: str, fits: Callable[[Any], bool], take: Callable[[Any], Any] = lambda value: value, **more: Any
) -> Kind:
    def checked(value: Any) -> Any:
        if not fits(value):
            got = "something else" if more.get("is_secret") else _shown(value)
            raise Misfit(f"expected {words}, got {got}")
        return take(value)

    return Kind(lambda: words, checked, **more)


def number(low: float, high: float, what: str = "a number") -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    return _kind(f"{what} from {low:g} to {high:g}", fits)


def whole(low: int, high: int, what: str = "a whole number") -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return _kind(f"{what} from {low} to {high}", fits)


def seconds(low: float, high: float) -> Kind:
    return number(low, high, "seconds")


def size(low: int, high: int) -> Kind:
    return whole(low, high, "a whole number of bytes")


def share(low: float = 0.0) -> Kind:
    return number(low, 1, "a share")


text = _kind("text", lambda value: isinstance(value, str))
flag = _kind("true or false", lambda value: isinstance(value, bool))
secret = _kind('text, { file = "PATH" } or { env = "NAME" }', lambda value: isinstance(value, str), is_secret=True)
table = _kind("a table", lambda value: isinstance(value, Mapping))
names = _kind(
    "a table of names",
    lambda value: isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()),
)


def _are_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(each, str) for each in value))


def _as_tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


texts = _kind("text or a list of texts", _are_texts, _as_tuple)


def one_of(*choices: str) -> Kind:
    return _choice(lambda: choices)


def known(extensions: Extensions[Any]) -> Kind:
    """The name of an implementation that there is."""

    def choices() -> tuple[str, ...]:
        extensions.load()
        return tuple(extensions)

    return _choice(choices)


def some_of(*choices: str) -> Kind:
    def take(value: Any) -> tuple[str, ...]:
        several: tuple[str, ...] = texts.take(value)
        return tuple(_chosen(each, choices) for each in several)

    return Kind(lambda: f"some of {', '.join(choices)}", take)


def _choice(choices: Callable[[], tuple[str, ...]]) -> Kind:
    def take(value: Any) -> str:
        return _chosen(text.take(value), choices())

    return Kind(lambda: f"one of {', '.join(choices())}", take)


def _chosen(value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise Misfit(f"no {_shown(value)}; {hint(value, choices)}")
    return value
