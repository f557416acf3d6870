"""The annotations of an IDL: one file each, which says what the annotation is for.

A *source* gives a field its text from the request, a *target* carries a field of the
result into the head of the response, a *key* names a field in JSON, a *mark* switches
something on by being there, a *check* holds rules against the arguments, a *verb* makes a
route of a method. One file may be several of these. All of it is looked up while a mapping
is compiled, never at request time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

from attrs import define, field, frozen

from ..descriptor import Annotation, Field, Schema, Struct, Type, TypeName
from ..errors import Diagnostic, Severity
from ..extension import Extensions
from ..inputs import Inputs
from ..message import Header
from ..rule_position import Lines, no_lines

JSON_RANK = 60


class Source(ABC):
    """A place in the request that gives a field its text.

    :cvar rank: of several sources of a field the lowest rank is asked first, whatever the
        written order. The JSON body, which is no source of text, comes between those
        below and those above :data:`JSON_RANK`.
    :cvar place: how a message calls it.
    :cvar of_body: it is the body, or something in it.
    :cvar whole: the text is all there is of its kind, so that nothing in it separates items,
        and a field that has such a source is not looked up in a JSON body.
    :cvar trims: blanks around the items of a list are no part of them.
    """

    rank: ClassVar[int]
    place: ClassVar[str]
    of_body: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    trims: ClassVar[bool] = False

    def __init__(self, key: str) -> None:
        self.name = key
        self.key = key.encode()

    @abstractmethod
    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        """Every value that the request gives, in the order sent; None: it gives none."""

    def __str__(self) -> str:
        return self.place if self.whole else f"{self.place} {self.name!r}"


@define
class Head:
    """The parts of a response that fields set, besides the JSON body.

    :ivar status: 0 as long as no field has set it.
    :ivar body: the body as it is to be sent, instead of JSON.
    :ivar media_type: what that body is, if no header says so.
    """

    status: int = 0
    headers: list[Header] = field(factory=list)
    body: bytes | None = None
    media_type: bytes = b"application/json"


class Target(ABC):
    """A place in the head of the response for a field of the result; it is then not in the JSON body.

    :param key: the annotation's value.
    :param declared: the field's type.
    :param as_json: writes a value of that type as JSON text.
    :raises ValueError: an annotation that can never work; the text says why.
    """

    def __init__(self, key: str, declared: Type, as_json: Callable[[object], bytes]) -> None:
        self.key = key
        self.declared = declared
        self.as_json = as_json

    @abstractmethod
    def put(self, value: object, head: Head) -> None:
        """Puts a field's value, which is set, into the head; raises UnusableReply."""


class Failure(Protocol):
    """What a check says of arguments that it refuses.

    :ivar path: the field, from the request struct down.
    :ivar message: for whoever sent the request.
    :ivar rule: the rule's text.
    """

    @property
    def path(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def rule(self) -> str: ...


class Check(Protocol):
    """What holds rules against a request struct's object.

    :ivar first: gives the first failure, or None.
    :ivar all: gives every failure, in order.
    """

    @property
    def first(self) -> Callable[[Any], Failure | None]: ...

    @property
    def all(self) -> Callable[[Any], Sequence[Failure]]: ...


# Gives for a field the function from its struct's object to its value, None if unset.
Access = Callable[[Struct, Field], Callable[[Any], Any]]


@frozen
class Surroundings:
    """What a check may need from outside.

    :ivar lines: gives a line of an IDL file, to be shown with a mistake.
    :ivar now: gives the time in nanoseconds since 1970.
    :ivar observed: is told of a rule that failed and let the request pass: service, method, failure.
    """

    lines: Lines = no_lines
    now: Callable[[], int] = lambda: 0
    observed: Callable[[str, str, Failure], None] = lambda service, method, failure: None


NO_SURROUNDINGS = Surroundings()


# Makes the check of a request struct and all it holds; None: no rule there. Raises IdlError.
CompileCheck = Callable[[Schema, TypeName, Access, Surroundings], Check | None]


# The annotation's value to a field's JSON key; None: the field is not in JSON.
Key = Callable[[str], str | None]

sources: Extensions[type[Source]] = Extensions(__name__)
targets: Extensions[type[Target]] = Extensions(__name__)
keys: Extensions[Key] = Extensions(__name__)
# What a mark means is said where it is looked for; its file explains it.
marks: Extensions[str] = Extensions(__name__)
checks: Extensions[CompileCheck] = Extensions(__name__)
verbs: Extensions[str] = Extensions(__name__)


def load() -> None:
    """Let every annotation register itself."""
    sources.load()


def marked(declared: Field, mark: str) -> bool:
    """Whether the mark stands on the field: by being there, whatever its value, ``false`` too."""
    return mark in declared.annotations


def useless_marks(declared: Field) -> Iterator[Diagnostic]:
    """A warning for every mark whose value says something else than ``true``, for it is on all the same."""
    for annotation in declared.annotations:
        if annotation.key.lower() in marks and annotation.value != "true":
            message = f"{annotation.key} is on whatever its value; {annotation.value!r} does not switch it off"
            yield warning(message, annotation)


def warning(message: str, annotation: Annotation, hint: str = "") -> Diagnostic:
    return Diagnostic(message, annotation.position, Severity.WARNING, hint=hint)
