"""The methods of the Book service, asked as a client asks them: in bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred

from bookservice.service import BookService, interface
from bookservice.store import Store
from tests.net.memory import outcome
from tests.wire_trees import encode
from txgateway.core.codec.binary import decode
from txgateway.core.framing import Message
from txgateway.core.message import MessageType
from txgateway.core.serving import Dispatcher, Interface

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def idl() -> Interface:
    return interface()


@pytest.fixture
def service(idl: Interface) -> Dispatcher:
    return idl.bind(BookService(idl.types, Store(capacity=14)))


def ask(idl: Interface, service: Dispatcher, method: str, *fields: list[Any]) -> Any:
    """The result struct of a call with these fields in its request."""
    request = Message(MessageType.CALL, method.encode(), 1, encode([[1, "struct", list(fields)]]))
    invocation = service.read(request)
    called = maybeDeferred(invocation.call)
    reply = outcome(called.addCallbacks(invocation.succeeded, lambda failure: invocation.declared(failure.value)))
    assert reply is not None
    return decode(idl.structs.result(invocation.operation.method), reply.payload)


def query(idl: Interface, service: Dispatcher, number: int) -> Any:
    return ask(idl, service, "queryBook", [1, "i32", number])


def insert(idl: Interface, service: Dispatcher, id_: str, title: str = "T", author: str = "A") -> Any:
    fields = ([1, "string", id_], [2, "string", title], [3, "string", author])
    return ask(idl, service, "insertBook", *fields).success


def test_the_installed_idl_is_the_one_that_the_gateway_reads() -> None:
    assert (ROOT / "bookservice" / "book.thrift").read_bytes() == (ROOT / "idl" / "book.thrift").read_bytes()


def test_finds_the_book_whose_id_is_the_number(idl: Interface, service: Dispatcher) -> None:
    book = query(idl, service, 7).success
    assert (book.ID, book.Title, book.Author) == ("7", "Anna Karenina", "Leo Tolstoy")
    assert book.Content.startswith("All happy families")


def test_no_request_at_all_asks_for_book_0(idl: Interface, service: Dispatcher) -> None:
    assert ask(idl, service, "queryBook").missing.Msg == "There is no book 0"


@pytest.mark.parametrize("number", [0, 13, -7, 2**31 - 1])
def test_says_that_a_book_is_missing_with_a_404(idl: Interface, service: Dispatcher, number: int) -> None:
    result = query(idl, service, number)
    assert result.success is None
    assert (result.missing.Status, result.missing.Msg) == (404, f"There is no book {number}")


def test_an_inserted_book_is_found(idl: Interface, service: Dispatcher) -> None:
    answer = insert(idl, service, "42", "東京", "Ann")
    assert (answer.Ok, answer.Msg) == (True, "Book 42 is on the shelf")
    book = query(idl, service, 42).success
    assert (book.ID, book.Title, book.Author, book.Content) == ("42", "東京", "Ann", "")


def test_says_why_a_book_is_not_taken(idl: Interface, service: Dispatcher) -> None:
    assert insert(idl, service, "7").Ok is False
    assert insert(idl, service, "7").Msg == "There is a book with this ID"
    assert insert(idl, service, "").Msg == "A book needs an ID"
    assert ask(idl, service, "insertBook").success.Msg == "A book needs an ID"
    assert [insert(idl, service, id_).Ok for id_ in ("a", "b", "c")] == [True, True, False]


def test_text_that_is_no_utf8_is_refused(idl: Interface, service: Dispatcher) -> None:
    answer = ask(idl, service, "insertBook", [1, "string", {"hex": "ff"}]).success
    assert (answer.Ok, answer.Msg) == (False, "The fields of a book are text")
