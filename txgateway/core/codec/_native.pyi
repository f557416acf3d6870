"""The native codec, as ``native/`` builds it; absent where it could not be built.

Rows raise TypeError or ValueError if they are not what is said here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from ..inputs import PathParameters
from ..message import Header

# A number of ``wire_type`` for a scalar; ``(STRUCT, index)``, ``(MAP, key, value)``, ``(SET, element)`` or
# ``(LIST, element)`` for what has parts.
TypeRow = int | tuple[Any, ...]

# Id, JSON key if it has one, type, whether numbers and bools may be text, whether it is
# required, what is sent for it where it is absent (type and id in front; or nothing), and
# its place among the values that are handed out.
RequestFieldRow = tuple[int, str | None, TypeRow, bool, bool, bytes, int | None]
# The fields of a struct, and whether it is a union.
RequestRow = tuple[Sequence[RequestFieldRow], bool]

# Id, JSON key with quotes and colon if JSON shows it, type, whether an i64 is text, whether
# it is required, the JSON that stands for it where it is absent, and its place among the
# values that are handed out.
ReplyFieldRow = tuple[int, bytes | None, TypeRow, bool, bool, bytes | None, int | None]
ReplyRow = Sequence[ReplyFieldRow]

# A slot of the texts, the slot where that has none, whether blanks around items are
# trimmed, and whether nothing separates items.
PlaceRow = tuple[int, int | None, bool, bool]
# A struct, the keys of which are not looked at; for each of its fields the places that are
# asked before the JSON body, and those that are asked after it; and for each field the
# struct that is filled by its own fields' places instead.
PartRow = tuple[RequestRow, Sequence[Sequence[PlaceRow]], Sequence[Sequence[PlaceRow]], Sequence[Any]]
# A name in the request, and its slot.
NameRow = tuple[bytes, int]

# Places of fields, each with the same for what is in it; None: all of it.
SelectionRow = tuple[tuple[int, Any], ...]

@final
class Requests:
    """The structs of requests."""

    def __new__(cls, rows: Sequence[RequestRow], /) -> Requests: ...
    def binder(
        self,
        outermost: PartRow,
        argument: int | None,
        keys: Sequence[tuple[str, int]] | None,
        slots: tuple[Sequence[NameRow], Sequence[NameRow], Sequence[NameRow], Sequence[NameRow], Sequence[NameRow]],
        path: Sequence[tuple[str, int]],
        whole: tuple[int | None, int | None],
        digits: bool,
        limit: int,
    ) -> Binder:
        """
        :param outermost: the argument that is a struct, or else the arguments struct.
        :param argument: the id of the argument that is a struct.
        :param keys: of the JSON body, each with the index of its field; None: the body is the value of the first field.
        :param slots: the names in the query, in the query if there is no body, in a form, of headers and of cookies.
        :param path: the names of the path's parameters.
        :param whole: the slots of the whole body and of the request's target.
        :param digits: whether every integer may be text.
        :param limit: bytes that the arguments may have.
        """

@final
class Binder:
    """Binds the requests of one method."""

    def bind(
        self, query: bytes, path: PathParameters, headers: tuple[Header, ...], body: bytes, kind: int, target: bytes, /
    ) -> bytes | tuple[bytes, tuple[Any, ...]] | None:
        """The bytes of the arguments, with the values of the fields that have a place for them if any has.

        None: the plain codec shall decide.

        :param kind: of the body: 0 none, 1 JSON, 2 an urlencoded form.
        :raises OverflowError: the bytes would be more than allowed.
        """

@final
class Replies:
    """The structs of replies."""

    def __new__(cls, rows: Sequence[ReplyRow], /) -> Replies: ...
    def answerer(self, cases: Sequence[tuple[int, TypeRow]], void: bytes | None, limit: int) -> Answerer:
        """
        :param cases: id and type of each field that the result may have.
        :param void: the body where it has none; None: one must be there.
        :param limit: bytes that the JSON may have.
        """

@final
class Answerer:
    """Answers the replies of one method."""

    def selecting(self, fields: SelectionRow) -> Answerer:
        """The same, but of the first case no more is shown than these fields."""
    def answer(self, payload: bytes, /) -> tuple[int, bytes, tuple[Any, ...]] | None:
        """Which case it is (-1: none), its JSON, and the values of its fields that have a place for them.

        None: the plain codec shall decide.

        :raises OverflowError: the JSON would have more bytes than allowed.
        """
