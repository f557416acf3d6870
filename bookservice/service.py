"""What the methods of ``book.thrift`` do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import as_file, files
from typing import Any

from txgateway.core.serving import Interface
from txgateway.net.thrift_server import load_interface

from .store import Book, NotStored, Store


def interface() -> Interface:
    """The IDL, which is installed beside this module."""
    with as_file(files(__package__) / "book.thrift") as path:
        return load_interface(str(path))


class BookService:
    """One method for each of the IDL's, by the same name; see :mod:`txgateway.net.thrift_server`."""

    def __init__(self, types: Any, store: Store, tell: Callable[[Book], Awaitable[Any]] | None = None) -> None:
        """
        :param types: the classes of the IDL's structs.
        :param tell: makes an inserted book known to the other services; an insert waits for it.
        """
        self._types = types
        self._store = store
        self._tell = tell

    def queryBook(self, req: Any) -> Any:
        """The book whose ID is the decimal text of ``Num``."""
        book = self._store.find(str(req.Num))
        if book is None:
            raise self._types.BookNotFound(Msg=f"There is no book {req.Num}")
        return self._types.QueryBookResp(ID=book.id, Title=book.title, Author=book.author, Content=book.content)

    async def insertBook(self, req: Any) -> Any:
        try:
            book = _book(req)
            self._store.insert(book)
        except NotStored as error:
            return self._types.InsertBookResp(Ok=False, Msg=str(error))
        if self._tell is not None:
            await self._tell(book)
        return self._types.InsertBookResp(Ok=True, Msg=f"Book {req.ID} is on the shelf")


def _book(req: Any) -> Book:
    # The codec hands on bytes where a client sent no UTF-8.
    if not all(isinstance(value, str) for value in (req.ID, req.Title, req.Author)):
        raise NotStored("The fields of a book are text")
    return Book(req.ID, req.Title, req.Author)
