"""Plain words for syntax errors in an IDL: what was expected, what stands there, what may have been meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

END_OF_TEXT = "the text ends here"

# Sets of terminals of idl.lark that together are one thing to a writer; larger ones first.
_THINGS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"_INCLUDE", "_FOREIGN_INCLUDE", "_NAMESPACE", "OLD_NAMESPACE"}), "an include or namespace"),
    (
        frozenset({"CONST", "TYPEDEF", "ENUM", "SENUM", "STRUCT", "SERVICE"}),
        "a definition (struct, union, exception, enum, const, typedef or service)",
    ),
    (frozenset({"VOID", "ONEWAY", "_ASYNC", "NAME", "MAP", "LIST", "SET"}), "a method"),
    (frozenset({"INTEGER", "REQUIREDNESS", "NAME", "MAP", "LIST", "SET"}), "a field"),
    (frozenset({"DOUBLE", "INTEGER", "LITERAL", "NAME", "OPEN_LIST", "OPEN_MAP"}), "a value"),
    (frozenset({"LITERAL", "NAME", "INTEGER", "DOUBLE"}), "a string"),
    (frozenset({"VOID", "NAME", "MAP", "LIST", "SET"}), "a type"),
    (frozenset({"REQUIREDNESS", "NAME", "MAP", "LIST", "SET"}), "a type"),
    (frozenset({"NAME", "MAP", "LIST", "SET"}), "a type"),
    (frozenset({"COMMA", "SEMICOLON"}), "a comma"),
)
_WORDS = {
    "NAME": "a name",
    "NAMESPACE_NAME": "a name",
    "ANY_SCOPE": "'*'",
    "INTEGER": "a whole number",
    "DOUBLE": "a number",
    "LITERAL": "a string in quotes",
    "_EXTENDS": "'extends'",
    "_THROWS": "'throws'",
    "REQUIREDNESS": "'required' or 'optional'",
    "COLON": "':'",
    "EQUAL": "'='",
    "LPAR": "'('",
    "RPAR": "')'",
    "LESSTHAN": "'<'",
    "MORETHAN": "'>'",
    "OPEN_MAP": "'{'",
    "RBRACE": "'}'",
    "OPEN_LIST": "'['",
    "RSQB": "']'",
    "COMMA": "','",
    "$END": "the end of the file",
}
# What may stand nearly everywhere, or hardly ever does: left out where there is better to say.
_MINOR = frozenset({
    "SEMICOLON", "LPAR", "AMPERSAND", "_CPP_TYPE", "_XSD_ALL", "_XSD_OPTIONAL", "_XSD_NILLABLE", "_XSD_ATTRIBUTES",
    "$END",
})  # fmt: skip
_KEYWORDS = (
    "include", "namespace", "const", "typedef", "enum", "struct", "union", "exception", "service", "extends",
    "oneway", "void", "throws", "required", "optional", "map", "list", "set",
)  # fmt: skip
_FULL_WIDTH = dict(zip("，；：（）｛｝［］＜＞＝。“”‘’", ",;:(){}[]<>=.\"\"''", strict=True))


def describe(found: str, expected: Collection[str]) -> str:
    """``expected a field or '}', found 'x'``; ``expected`` are terminals of idl.lark, an empty ``found`` is the end."""
    wanted = _listed(_phrases(set(expected)))
    return f"expected {wanted}, found '{_short(found)}'" if found else f"expected {wanted}, but {END_OF_TEXT}"


def _phrases(expected: set[str]) -> list[str]:
    phrases = []
    for things, phrase in _THINGS:
        if things <= expected:
            phrases.append(phrase)
            expected = expected - things
    plain = sorted(_WORDS[e] for e in expected - _MINOR if e in _WORDS)
    if "a comma" in phrases and len(phrases) + len(plain) > 1:
        phrases.remove("a comma")
    return (phrases + plain) or sorted(_WORDS.get(e, e.strip("_").lower()) for e in expected) or ["something else"]


def _listed(phrases: list[str]) -> str:
    unique = list(dict.fromkeys(phrases))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} or {unique[-1]}"


def _short(text: str) -> str:
    first = text.split("\n", 1)[0]
    return first if len(first) <= 40 and first == text else f"{first[:40]}…"


def hint_for(text: str, line: int, column: int) -> str:
    """A way out of a syntax error at this place, or nothing."""
    row = text.split("\n")[line - 1]
    rest = row[column - 1 :]
    mark = rest[:1]
    if mark in _FULL_WIDTH:
        return f"this is the full-width '{mark}'; write '{_FULL_WIDTH[mark]}'"
    if mark in ("'", '"') and not re.match(r""""(?:\\["']|[^"])*+"|'(?:\\["']|[^'])*+'""", rest):
        return "this string is not closed"
    if rest.startswith("/*"):
        return "this comment is not closed"
    if mark == "@":
        return "annotations stand in parentheses behind what they describe"
    if mark == "-":
        return "a name has only letters, digits, '_' and '.'"
    if re.match(r"(include|namespace|cpp_include)\b", rest):
        return "includes and namespaces stand before the first definition"
    return _keyword_hint(re.findall(r"\w+", row[: column - 1])[-4:] + re.findall(r"^\w+", rest))


def _keyword_hint(words: list[str]) -> str:
    for word in words:
        if word not in _KEYWORDS and len(word) > 4 and (near := nearest(word, _KEYWORDS)):
            return f"did you mean '{near}'?"
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that ``word`` was probably meant to be, or nothing."""
    lower = {k.lower(): k for k in known if abs(len(k) - len(word)) <= 2}
    close = difflib.get_close_matches(word.lower()[:64], lower, n=1, cutoff=0.75)
    return lower[close[0]] if close else ""
