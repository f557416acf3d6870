"""Books by their ID, in memory and bounded."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

# More than any real ID, title or name, in characters.
LONGEST_FIELD = 1000


@frozen
class Book:
    id: str
    title: str
    author: str
    content: str = ""


SHELF = tuple(
    Book(str(number), title, author, content)
    for number, (title, author, content) in enumerate(
        (
            ("Emma", "Jane Austen", "Emma Woodhouse, handsome, clever, and rich, ..."),
            ("Moby-Dick", "Herman Melville", "Call me Ishmael. ..."),
            ("Middlemarch", "George Eliot", "Miss Brooke had that kind of beauty ..."),
            ("Bleak House", "Charles Dickens", "London. Michaelmas Term lately over ..."),
            ("Walden", "Henry David Thoreau", "When I wrote the following pages ..."),
            ("Jane Eyre", "Charlotte Brontë", "There was no possibility of taking a walk that day. ..."),
            ("Anna Karenina", "Leo Tolstoy", "All happy families are alike ..."),
            ("Dream of the Red Chamber", "Cao Xueqin", "此開卷第一回也。"),
            ("The Trial", "Franz Kafka", "Jemand mußte Josef K. verleumdet haben ..."),
            ("Don Quixote", "Miguel de Cervantes", "En un lugar de la Mancha ..."),
            ("Les Misérables", "Victor Hugo", "En 1815, M. Charles-François-Bienvenu Myriel ..."),
            ("I Am a Cat", "Natsume Sōseki", "吾輩は猫である。"),
        ),
        start=1,
    )
)


class NotStored(Exception):
    """Why a book was not taken."""


class Store:
    """:param capacity: as many books at most; more are refused, for they would fill the memory."""

    def __init__(self, books: Iterable[Book] = SHELF, capacity: int = 10_000) -> None:
        self._books = {book.id: book for book in books}
        self._first = len(self._books)
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._books)

    @property
    def inserted(self) -> tuple[Book, ...]:
        """The books that were not there from the start, in the order in which they came."""
        return tuple(self._books.values())[self._first :]

    def find(self, id_: str) -> Book | None:
        return self._books.get(id_)

    def insert(self, book: Book) -> None:
        """Raises NotStored."""
        if not book.id:
            raise NotStored("A book needs an ID")
        if max(map(len, (book.id, book.title, book.author))) > LONGEST_FIELD:
            raise NotStored(f"No field may be longer than {LONGEST_FIELD} characters")
        if book.id in self._books:
            raise NotStored("There is a book with this ID")
        if len(self._books) >= self._capacity:
            raise NotStored("The shelves are full")
        self._books[book.id] = book
