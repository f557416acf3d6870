"""Thrift IDL text to a syntax tree; the only module that knows the IDL parser."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .descriptor import Position, Requiredness, StructKind
from .errors import Diagnostic, Severity
from .idl_words import END_OF_TEXT, describe, hint_for
from .syntax import (
    AnnotationNode,
    AnnotationNodes,
    ConstantNode,
    DefinitionNode,
    Double,
    EnumNode,
    FieldNode,
    FileNode,
    IncludeNode,
    Integer,
    ListNode,
    Literal,
    MapNode,
    MemberNode,
    MethodNode,
    Name,
    NamespaceNode,
    Reference,
    ServiceNode,
    StructNode,
    TypedefNode,
    TypeNode,
    ValueNode,
)

if TYPE_CHECKING:
    from lark import Lark, Token

# Bounds on foreign text. The largest public IDL files have about 300 kB.
MAX_CHARACTERS = 2 * 1024 * 1024
MAX_NESTING = 64
MAX_ERRORS = 50


class Place(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Source:
    """A file's text, for messages that show the line they speak of."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @functools.cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def position(self, place: Place) -> Position:
        return Position(self.path, place.line, place.column)

    def line(self, number: int) -> str:
        return self.lines[number - 1].rstrip("\r") if 0 < number <= len(self.lines) else ""

    def diagnostic(self, place: Place, message: str, hint: str = "", severity: Severity = Severity.ERROR) -> Diagnostic:
        return Diagnostic(message, self.position(place), severity, self.line(place.line), hint)


class Parsed(NamedTuple):
    """What became of a text: its tree, or the errors for which there is none."""

    source: Source
    tree: FileNode | None
    errors: tuple[Diagnostic, ...]


def parse(path: str, text: str, breathe: Callable[[], None] = lambda: None) -> Parsed:
    """The syntax tree of ``text``, or every syntax error in it.

    :param path: names the file in messages; nothing is read.
    :param breathe: called some times in a millisecond, by whoever parses beside other work.
    """
    before = _breathe.set(breathe)
    try:
        return _parse(path, text)
    finally:
        _breathe.reset(before)


def _parse(path: str, text: str) -> Parsed:
    source = Source(path, _plain_lines(text))
    if len(text) > MAX_CHARACTERS:
        size = f"the file has {len(text):,} characters, more than the {MAX_CHARACTERS:,} allowed"
        return Parsed(source, None, (Diagnostic(size, Position(path, 1, 1)),))
    error = _parse_text(source.text)
    if isinstance(error, FileNode):
        return Parsed(source, error, ())
    return Parsed(source, None, _all_errors(source, error))


def decode(data: bytes) -> str:
    """The text of an IDL file: UTF-8 with or without its mark; other bytes, found in comments, are replaced."""
    return data.decode("utf-8-sig", "replace")


def _plain_lines(text: str) -> str:
    text = text.removeprefix("\ufeff")
    return text.replace("\r", "\n") if "\r" in text and "\n" not in text else text


# The parser is made once, for all threads, and so is what it calls for each node.
_breathe: ContextVar[Callable[[], None]] = ContextVar("breathe")


# --- The tree ---------------------------------------------------------------------------


class _Refused(Exception):
    """A token that the grammar takes and we do not."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = Name(message, place.line, place.column)


_ESCAPE = {'"': re.compile(r'\\([\\"])'), "'": re.compile(r"\\([\\'])")}


def unescape(literal: str) -> str:
    r"""The text of a literal, given with its quotes, as thriftgo reads it.

    Only the literal's own quote loses the backslash before it; ``\\`` stays two
    characters and keeps what follows from being escaped.
    """
    body = literal[1:-1]
    if "\\" not in body:
        return body
    return _ESCAPE[literal[0]].sub(lambda m: m[0] if m[1] == "\\" else m[1], body)


def _integer(token: Token) -> Integer:
    """As thriftgo reads a value: a leading zero makes it octal. ``08`` is decimal, as in Apache's compiler."""
    digits = token.lstrip("+-")
    octal = digits.isdecimal() and digits[0] == "0" and not set(digits) & {"8", "9"}
    return _number(token, 8 if octal else 10)


def _number(token: Token, base: int = 10) -> Integer:
    digits = token.lstrip("+-")
    base = {"0x": 16, "0o": 8}.get(digits[:2], base)
    if len(digits) > 70:
        raise _Refused(_name(token), "the number does not fit 64 bits")
    try:
        number = int(digits, base)
    except ValueError:
        raise _Refused(_name(token), f"'{token}' is not a number") from None
    number = -number if token[0] == "-" else number
    if not -(2**63) <= number < 2**63:
        raise _Refused(_name(token), "the number does not fit 64 bits")
    return Integer(number, token.line or 0, token.column or 0)


def _name(token: Token) -> Name:
    return Name(str(token), token.line or 0, token.column or 0)


def _nested(depth: int, place: Place) -> int:
    if depth > MAX_NESTING:
        raise _Refused(place, f"this is nested more than {MAX_NESTING} deep")
    return depth


def _depth(value: ValueNode) -> int:
    return value.depth if isinstance(value, (ListNode, MapNode)) else 0


class _Builder:
    """Builds the nodes while the text is parsed: a method per rule of idl.lark, handed the rule's parts."""

    def start(self, parts: list[Any]) -> FileNode:
        includes = tuple(p for p in parts if isinstance(p, IncludeNode) and p.path)
        namespaces = tuple(p for p in parts if isinstance(p, NamespaceNode))
        return FileNode(includes, namespaces, tuple(p for p in parts if isinstance(p, DefinitionNode)))

    def include(self, parts: list[Any]) -> IncludeNode:
        return IncludeNode(unescape(parts[0]), parts[0].line, parts[0].column)

    def foreign_include(self, parts: list[Any]) -> None:
        return None

    def namespace(self, parts: list[Any]) -> NamespaceNode:
        scope, name, annotations = parts
        return NamespaceNode(str(scope), _bare(name), annotations or ())

    def old_namespace(self, parts: list[Any]) -> NamespaceNode:
        word, name = parts
        return NamespaceNode(word.partition("_")[0], _bare(name), ())

    def const(self, parts: list[Any]) -> ConstantNode:
        _breathe.get()()
        word, type_, name, value, *annotations = parts
        return ConstantNode(type_, _name(name), value, (*annotations, None)[0] or (), word.line)

    def typedef(self, parts: list[Any]) -> TypedefNode:
        word, type_, name, annotations = parts
        return TypedefNode(type_, _name(name), annotations or (), word.line)

    def enum(self, parts: list[Any]) -> EnumNode:
        word, name, *members, annotations = parts
        return EnumNode(_name(name), tuple(members), annotations or (), word.line)

    def member(self, parts: list[Any]) -> MemberNode:
        _breathe.get()()
        name, number, annotations = parts
        return MemberNode(_name(name), None if number is None else _integer(number), annotations or ())

    def senum(self, parts: list[Any]) -> TypedefNode:
        # Apache's string enums have been strings to every generator since 2008.
        word, name = parts[:2]
        string = TypeNode(Name("string", word.line, word.column), (), (), 0)
        return TypedefNode(string, _name(name), parts[-1] or (), word.line)

    def struct(self, parts: list[Any]) -> StructNode:
        word, name, fields, annotations = parts
        return StructNode(StructKind(word), _name(name), fields, annotations or (), word.line)

    def fields(self, parts: list[Any]) -> tuple[FieldNode, ...]:
        return tuple(parts)

    def xsd_fields(self, parts: list[Any]) -> None:
        return None

    def field(self, parts: list[Any]) -> FieldNode:
        _breathe.get()()
        number, word, type_, name, default = parts[:5]
        return FieldNode(
            # An id is decimal, whatever it begins with.
            None if number is None else _number(number),
            Requiredness.DEFAULT if word is None else Requiredness(word),
            type_,
            _name(name),
            default,
            parts[-1] or (),
            (number or word or type_.name).line,
        )

    def service(self, parts: list[Any]) -> ServiceNode:
        word, name, extends, *methods, annotations = parts
        parent = None if extends is None else _name(extends)
        return ServiceNode(_name(name), parent, tuple(methods), annotations or (), word.line)

    def method(self, parts: list[Any]) -> MethodNode:
        oneway, result, name, arguments, throws, annotations = parts
        returns = result if isinstance(result, TypeNode) else None
        start = (oneway or (returns.name if returns else result)).line
        return MethodNode(oneway is not None, returns, _name(name), arguments, throws or (), annotations or (), start)

    def throws(self, parts: list[Any]) -> tuple[FieldNode, ...]:
        return tuple(parts[0])

    def type(self, parts: list[Any]) -> TypeNode:
        return TypeNode(_name(parts[0]), (), parts[1] or (), 0)

    def container(self, parts: list[Any]) -> TypeNode:
        arguments = tuple(p for p in parts if isinstance(p, TypeNode))
        depth = _nested(1 + max(a.depth for a in arguments), parts[0])
        return TypeNode(_name(parts[0]), arguments, parts[-1] or (), depth)

    def double(self, parts: list[Any]) -> Double:
        return Double(float(parts[0]), parts[0].line, parts[0].column)

    def integer(self, parts: list[Any]) -> Integer:
        return _integer(parts[0])

    def literal(self, parts: list[Any]) -> Literal:
        return Literal(unescape(parts[0]), parts[0].line, parts[0].column)

    def reference(self, parts: list[Any]) -> Reference:
        return Reference(str(parts[0]), parts[0].line, parts[0].column)

    def list_value(self, parts: list[Any]) -> ListNode:
        bracket, *items = parts
        depth = _nested(1 + max(map(_depth, items), default=0), bracket)
        return ListNode(tuple(items), bracket.line, bracket.column, depth)

    def map_value(self, parts: list[Any]) -> MapNode:
        brace, *entries = parts
        depth = _nested(1 + max((_depth(v) for entry in entries for v in entry), default=0), brace)
        return MapNode(tuple(entries), brace.line, brace.column, depth)

    def entry(self, parts: list[Any]) -> tuple[ValueNode, ValueNode]:
        return parts[0], parts[1]

    def annotations(self, parts: list[Any]) -> AnnotationNodes:
        return tuple(parts)

    def annotation(self, parts: list[Any]) -> AnnotationNode:
        key, value = parts
        if value is None:
            return AnnotationNode(_name(key), Name("", key.line, key.column))
        if value.type == "LITERAL":
            return AnnotationNode(_name(key), Name(unescape(value), value.line, value.column + 1))
        return AnnotationNode(_name(key), _name(value))


def _bare(token: Token) -> str:
    return unescape(token) if token.type == "LITERAL" else str(token)


@functools.cache
def _parser() -> Lark:
    """Built at the first text, in about 0.15 s: whoever imports this module need not pay for it."""
    from lark import Lark

    grammar = resources.files(__package__).joinpath("idl.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True, transformer=_Builder())


# --- Errors -----------------------------------------------------------------------------


class _SyntaxError(NamedTuple):
    line: int
    column: int
    message: str
    hint: str


def _parse_text(text: str) -> FileNode | _SyntaxError:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        tree = _parser().parse(text)
    except _Refused as e:
        return _SyntaxError(e.place.line, e.place.column, e.place.text, "")
    except UnexpectedToken as e:
        found = "" if e.token.type == "$END" else str(e.token)
        line, column = (e.line, e.column) if found else _end_of(text)
        return _SyntaxError(line, column, describe(found, e.accepts or e.expected), hint_for(text, line, column))
    except UnexpectedCharacters as e:
        return _SyntaxError(e.line, e.column, describe(e.char, e.allowed or ()), hint_for(text, e.line, e.column))
    assert isinstance(tree, FileNode)
    return tree


def _end_of(text: str) -> tuple[int, int]:
    rest = text.rstrip()
    return rest.count("\n") + 1, len(rest) - rest.rfind("\n")


# Where a definition seems to begin, whatever came before: the first word of a line. Literals
# and comments are taken whole, so that nothing inside of them counts.
_BEGINNING = re.compile(
    r""""(?:\\["']|[^"])*+"|'(?:\\["']|[^'])*+'|//[^\r\n]*|\#[^\r\n]*|/\*[\s\S]*?\*/
    |^[ \t]*+(?P<word>struct|union|exception|enum|senum|service)[ \t]+(?P<name>[\w.]++)(?=\s*(?:\{|extends\b|xsd_all\b))
    |^[ \t]*+(?:const|typedef|include|namespace)[ \t]+(?=[\w*"'])
    """,
    re.MULTILINE | re.VERBOSE,
)


def _pieces(text: str) -> Iterator[tuple[int, str, str]]:
    """The text cut before every definition: the lines above it, what it declares, its text."""
    starts = [m for m in _BEGINNING.finditer(text) if text[m.start()] not in "\"'/#"]
    begin, about, lines = 0, "", 0
    for match in starts:
        piece = text[begin : match.start()]
        yield lines, about, piece
        lines += piece.count("\n")
        begin, about = match.start(), f"{match['word']} '{match['name']}'" if match["word"] else ""
    yield lines, about, text[begin:]


def _all_errors(source: Source, whole: _SyntaxError) -> tuple[Diagnostic, ...]:
    """The first error of each definition, the text being parsed again definition by definition."""
    errors: list[Diagnostic] = []
    for lines, about, piece in _pieces(source.text):
        error = _parse_text(piece)
        if isinstance(error, FileNode):
            continue
        hint = error.hint
        if about and not hint and error.message.endswith(END_OF_TEXT):
            hint = f"{about} of line {lines + 1} is not closed"
        place = Name("", lines + error.line, error.column)
        errors.append(source.diagnostic(place, error.message, hint))
        if len(errors) == MAX_ERRORS:
            break
    # Every definition is well-formed, so it is their order that is wrong.
    return tuple(errors) or (source.diagnostic(whole, whole.message, whole.hint),)


# --- Doc comments -----------------------------------------------------------------------

_COMMENTS = re.compile(r""""(?:\\["']|[^"])*+"|'(?:\\["']|[^'])*+'|(?://|#)[^\r\n]*|/\*[\s\S]*?\*/""")
_REST = re.compile(r"[ \t]*[^\s]")


class Docs:
    """The comments of a file, found by the lines of what they explain."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, first: int, last: int) -> str:
        """The comment that ends right above line ``first`` or stands before it; else the one behind line ``last``."""
        above, before, behind = self._found
        return before.get(first) or above.get(first - 1) or behind.get(last, "")

    @functools.cached_property
    def _found(self) -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
        """Comments by the line in which they end: with lines of their own, with something behind or before them."""
        above: dict[int, str] = {}
        before: dict[int, str] = {}
        behind: dict[int, str] = {}
        text = self._text
        line, at = 1, 0
        for match in _COMMENTS.finditer(text):
            if match[0][0] in "\"'":
                continue
            line += text.count("\n", at, match.start())
            at = match.start()
            last = line + match[0].count("\n")
            words = _words_of(match[0])
            if text[text.rfind("\n", 0, at) + 1 : at].strip():
                behind[last] = words
            elif _REST.match(text, match.end()):
                before[last] = words
            else:
                over = above.pop(line - 1, "")
                above[last] = f"{over}\n{words}" if over else words
        return above, before, behind


def _words_of(comment: str) -> str:
    """A comment without its marks and the stars that lead its lines."""
    if comment.startswith("/*"):
        lines = comment[2:-2].lstrip("*!").rstrip("*").split("\n")
        return "\n".join(re.sub(r"^\s*\*? ?", "", line).rstrip() for line in lines).strip()
    return comment.lstrip("/#").removeprefix(" ").rstrip()
