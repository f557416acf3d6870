"""Books are found by ID, and no more is kept than there is room for."""

from __future__ import annotations

import pytest

from bookservice.store import LONGEST_FIELD, SHELF, Book, NotStored, Store


def test_starts_with_a_dozen_books_by_the_numbers() -> None:
    store = Store()
    assert len(store) == len(SHELF) == 12
    assert [store.find(str(number)) for number in range(1, 13)] == list(SHELF)
    assert store.find("13") is None
    assert store.find("07") is None


def test_keeps_what_it_takes() -> None:
    store = Store([])
    store.insert(Book("a", "Title", "Author"))
    assert store.find("a") == Book("a", "Title", "Author", "")


@pytest.mark.parametrize(
    ("book", "why"),
    [
        (Book("7", "Another", "Somebody"), "There is a book with this ID"),
        (Book("", "Title", "Author"), "A book needs an ID"),
        (Book("x" * (LONGEST_FIELD + 1), "", ""), "No field may be longer than 1000 characters"),
        (Book("x", "x" * (LONGEST_FIELD + 1), ""), "No field may be longer than 1000 characters"),
        (Book("x", "", "x" * (LONGEST_FIELD + 1)), "No field may be longer than 1000 characters"),
    ],
)
def test_says_why_it_takes_none(book: Book, why: str) -> None:
    store = Store()
    with pytest.raises(NotStored, match=f"^{why}$"):
        store.insert(book)
    assert len(store) == 12


def test_is_bounded() -> None:
    store = Store([], capacity=2)
    for id_ in "ab":
        store.insert(Book(id_, "", ""))
    with pytest.raises(NotStored, match="The shelves are full"):
        store.insert(Book("c", "", ""))
    assert len(store) == 2
