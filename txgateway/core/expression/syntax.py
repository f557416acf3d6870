"""The text of a rule to its tree, or a refusal that names the place."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from ..idl_words import nearest
from .pattern import PatternError, compile_pattern
from .tree import Binary, Call, Group, Literal, Logical, Node, Prefixed, RangeVariable, Rule, Selector

# Deeper than any rule that somebody means, and far from the limits of the Python compiler.
DEPTH_LIMIT = 50
LENGTH_LIMIT = 10_000

# Every function, with how many arguments it takes where a wrong number is refused.
FUNCTIONS: dict[str, tuple[int, int] | None] = {
    "len": None,
    "mblen": None,
    "in": None,
    "regexp": (1, 2),
    "sprintf": None,
    "range": (2, 2),
    "email": None,
    "phone": None,
}
_WITH_LITERAL = {"regexp": "pattern", "sprintf": "format"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
# What other languages call it.
_FOREIGN = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "True": "true",
    "False": "false",
    "None": "nil",
    "null": "nil",
    "NULL": "nil",
    "length": "len",
    "size": "len",
    "strlen": "len",
    "matches": "regexp",
    "match": "regexp",
    "regex": "regexp",
    "format": "sprintf",
    "contains": "regexp",
    "all": "range",
    "each": "range",
}
_STRAY = {
    '"': "a text stands between single quotes: 'text'",
    "`": "a text stands between single quotes: 'text'",
    "?": "there is no `? :` here; combine conditions with && and ||",
    ":": "only a name such as `msg` or `@` stands before a `:`, and only after a `;`",
    "=": "to compare, write ==",
    "&": "for both, write &&",
    "|": "for one of two, write ||",
    "!": "a `!` stands before its operand; to compare, write !=",
    "#": "the variables of range are #k, #v and ##",
    "@": "the check is written without a name, or as `@:`",
    "{": "an index stands in [ ], a group in ( )",
}


class RuleError(Exception):
    """A rule is refused: what is wrong, at which place of its text, and a way out if we know one."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


# A mapping that is compiled anew has mostly the rules of the one before it.
@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Rule:
    """The rule that this annotation value states; RuleError if it states none."""
    if text in ("-", "?"):
        return Rule(text, ignored=text == "-", lenient=text == "?")
    if len(text) > LENGTH_LIMIT:
        raise RuleError(f"this rule is longer than {LENGTH_LIMIT} characters", 0)
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _explained(error, text) from None
    return _rule(text, tree)


@functools.cache
def _grammar() -> Lark:
    return Lark.open_from_package(
        "txgateway.core", "vd.lark", parser="lalr", propagate_positions=True, maybe_placeholders=True
    )


def _rule(text: str, tree: Tree[Token]) -> Rule:
    named: dict[str, Node] = {}
    for item in tree.children:
        assert isinstance(item, Tree)
        start = item.meta.start_pos
        name = str(item.children[0])[:-1].rstrip() if item.data == "named" else ""
        name = name or "@"
        body = item.children[-1]
        if body is None:
            raise RuleError(f"nothing follows `{item.children[0]}`", start, "an expression can not be empty")
        if name in named:
            raise RuleError(*_twice(name, start))
        named[name] = _Builder(text).build(body)
    return Rule(
        text,
        named.get("@"),
        named.get("msg"),
        tuple(node for name, node in named.items() if name not in ("@", "msg")),
    )


def _twice(name: str, offset: int) -> tuple[str, int, str]:
    if name == "@":
        return "a rule has one check, this is the second", offset, "join two conditions with &&"
    return f"`{name}:` stands twice in this rule", offset, ""


class _Builder:
    """Turns the parser's tree into ours, and refuses what the grammar alone can not."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0

    def build(self, item: Any) -> Node:
        if isinstance(item, Token):
            return self._operand(item, "")
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise RuleError(f"this rule is nested more than {DEPTH_LIMIT} levels deep", item.meta.start_pos)
        node: Node = getattr(self, f"_{item.data}")(item, item.meta.start_pos, item.meta.end_pos)
        self.depth -= 1
        return node

    def _any(self, item: Tree[Token], start: int, end: int) -> Node:
        return Logical(start, end, "||", tuple(map(self.build, item.children)))

    def _all(self, item: Tree[Token], start: int, end: int) -> Node:
        return Logical(start, end, "&&", tuple(map(self.build, item.children)))

    def _binary(self, item: Tree[Token], start: int, end: int) -> Node:
        left, operator, right = item.children
        return Binary(start, end, str(operator), self.build(left), self.build(right))

    def _group(self, item: Tree[Token], start: int, end: int) -> Node:
        (inner,) = item.children
        return Group(start, end, None if inner is None else self.build(inner))

    def _selector(self, item: Tree[Token], start: int, end: int) -> Node:
        name, *indices = item.children
        assert isinstance(name, Token)
        path = tuple(str(name)[:-1].strip("() \t").split(".")) if name != "$" else ()
        if not indices:
            self._line_break_refused(end)
        nodes = tuple(self.build(i) for i in indices if getattr(i, "type", "") != "OPEN_INDEX")
        return Selector(start, end, path, nodes)

    def _call(self, item: Tree[Token], start: int, end: int) -> Node:
        opening, *rest = item.children
        name = str(opening)[:-1]
        if name not in FUNCTIONS:
            raise RuleError(f"there is no function `{name}`", start, _suggestion(name, FUNCTIONS))
        trailing = rest.pop()
        arguments = tuple(self.build(a) for a in rest if a is not None)
        if trailing is not None or not arguments:
            # Nothing before the bracket stands for nil.
            arguments += (Literal(end - 1, end - 1, None),)
        node = Call(start, end, name, arguments)
        self._check_call(node, isinstance(rest[0], Token) and rest[0].type == "STRING")
        return node

    def _check_call(self, call: Call, starts_with_text: bool) -> None:
        limits = FUNCTIONS[call.function]
        if limits and not limits[0] <= len(call.arguments) <= limits[1]:
            wanted = "two arguments" if limits[0] == limits[1] else "one or two arguments"
            raise RuleError(f"{call.function} takes {wanted}, not {len(call.arguments)}", call.start)
        if what := _WITH_LITERAL.get(call.function):
            first = call.arguments[0]
            if not starts_with_text or not isinstance(first, Literal):
                raise RuleError(
                    f"the {what} of {call.function} is not a text in quotes",
                    first.start,
                    f"it is compiled with the rule: write {call.function}('...')",
                )
            if call.function == "regexp":
                try:
                    compile_pattern(str(first.value))
                except PatternError as error:
                    raise RuleError(f"RE2 takes no such pattern: {error}", first.start, error.hint) from None

    def _prefixed(self, item: Tree[Token], start: int, end: int) -> Node:
        prefix, operand = item.children
        run = str(prefix)
        if isinstance(operand, Token):
            return self._operand(operand, run)
        node = self.build(operand)
        if isinstance(node, Call) and node.function == "sprintf":
            raise RuleError("sprintf takes no prefix", start, "put it in parentheses")
        return _with_prefix(start, run, node)

    def _operand(self, token: Token, prefix: str) -> Node:
        start = (token.start_pos or 0) - len(prefix)
        end = token.end_pos or 0
        build: Callable[[Token, str, int, int], Node] = getattr(self, f"_{token.type.lower()}")
        return build(token, prefix, start, end)

    def _string(self, token: Token, prefix: str, start: int, end: int) -> Node:
        inside = re.sub(r"\\(.)", _unescaped, token[1:-1], flags=re.DOTALL)
        return _with_prefix(start, prefix, Literal(start + len(prefix), end, inside))

    def _number(self, token: Token, prefix: str, start: int, end: int) -> Node:
        self._line_break_refused(end)
        signs = prefix.lstrip("!")
        if len(signs) > 1 or "!" in signs:
            raise RuleError("a number takes one sign, with a `!` only before it", start)
        # The sign is part of the number: -9223372036854775808 is exact.
        number = Literal(start + len(prefix) - len(signs), end, _number_value(token, signs == "-"))
        return _with_prefix(start, prefix[: len(prefix) - len(signs)], number)

    def _word(self, token: Token, prefix: str, start: int, end: int) -> Node:
        word = str(token)
        if word not in _WORDS:
            raise _unknown_word(word, start + len(prefix))
        self._line_break_refused(end)
        if prefix.strip("!"):
            raise RuleError(f"`{word}` takes no sign", start)
        return _with_prefix(start, prefix, Literal(start + len(prefix), end, _WORDS[word]))

    def _range_variable(self, token: Token, prefix: str, start: int, end: int) -> Node:
        self._line_break_refused(end)
        return _with_prefix(start, prefix, RangeVariable(start + len(prefix), end, str(token)))

    def _line_break_refused(self, end: int) -> None:
        """Directly after these operands the reference knows blank and tab alone; at the end of the item, anything."""
        rest = self.text[end:]
        if rest[:1].isspace() and rest[0] not in " \t" and not re.match(r"\s*([;\]]|\Z)", rest):
            raise RuleError("a line break can not stand here", end, "put it behind an operator or a comma")


def _unescaped(match: re.Match[str]) -> str:
    r"""``\'`` is a quote; any other backslash stays, for patterns are full of them."""
    return "'" if match[1] == "'" else match[0]


def _number_value(digits: str, negative: bool) -> int | float:
    # An integer of more digits than a double can hold is infinite, as it would be in the reference.
    value: int | float = float(digits) if "." in digits or len(digits) > 300 else int(digits)
    if negative:
        # There is no negative zero among integers.
        return -value or -0.0
    return value


def _with_prefix(start: int, run: str, operand: Node) -> Node:
    """Runs apply from right to left: after the first ``!`` there is a boolean, which no sign changes."""
    effect = ""
    for character in reversed(run):
        if character == "!":
            effect = "!!" if effect == "!" else "!"
        elif character == "-" and "!" not in effect:
            effect = "" if effect else "-"
    return Prefixed(start, operand.end, effect, operand) if effect else operand


def _unknown_word(word: str, offset: int) -> RuleError:
    if hint := _suggestion(word, (*_WORDS, *FUNCTIONS)):
        return RuleError(f"`{word}` means nothing here", offset, hint)
    return RuleError(f"`{word}` means nothing here", offset, f"a text is written '{word}', a field ({word})$")


def _suggestion(word: str, known: Iterable[str]) -> str:
    near = _FOREIGN.get(word) or nearest(word, known)
    if not near:
        return ""
    return f"did you mean `{near}`?" if near not in FUNCTIONS else f"did you mean `{near}(...)`?"


def _explained(error: UnexpectedInput, text: str) -> RuleError:
    """The parser's refusal in words for whoever wrote the rule."""
    offset = error.pos_in_stream or 0
    expected = _expected(error)
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        offset = len(text.rstrip())
    rest = text[offset:].rstrip()
    if rest.startswith("'") and isinstance(error, UnexpectedCharacters):
        return RuleError("this quote is never closed", offset, r"inside of a text, a quote is written \'")
    if "SELECTOR" in expected:
        return _operand_missing(text, offset, rest)
    if not rest:
        return RuleError(f"a `{_BRACKETS[_unclosed(text)]}` is missing", offset)
    return _left_over(text, offset, rest)


def _expected(error: UnexpectedInput) -> set[str]:
    """The names of the terminals that could have come."""
    return getattr(error, "accepts", None) or getattr(error, "allowed", None) or set()


_BRACKETS = {"(": ")", "[": "]", "": ")"}


def _unclosed(text: str) -> str:
    """The innermost bracket that is open at the end of a text; nothing if all are closed."""
    opened: list[str] = []
    for bracket in re.findall(r"[()\[\]]", re.sub(r"'(\\.|[^'\\])*'", "", text, flags=re.DOTALL)):
        if bracket in _BRACKETS:
            opened.append(bracket)
        elif opened:
            opened.pop()
    return opened[-1] if opened else ""


def _operand_missing(text: str, offset: int, rest: str) -> RuleError:
    wanted = "a value, a field or a function call"
    if re.match(r"[-+!]+\s", rest):
        return RuleError(f"a blank follows the `{rest[0]}`", offset, "a prefix touches its operand")
    if rest and rest[0] in _STRAY and rest[0] not in "=&|!:":
        return RuleError(f"`{rest[0]}` can not stand here", offset, _STRAY[rest[0]])
    before = re.search(r"(\|\||&&|[=!<>]=|[-+*/%<>,(\[!:])\s*\Z", text[:offset])
    where = f"after `{before[1]}`" if before else "at the beginning" if offset == 0 else "here"
    if not rest:
        return RuleError(f"something is missing {where}", offset, wanted)
    return RuleError(f"`{_shown(rest)}` can not stand {where}", offset, f"{wanted} is wanted")


def _left_over(text: str, offset: int, rest: str) -> RuleError:
    word = re.search(r"(?<![\w$#.])([A-Za-z_][\w.]*)\s*\Z", text[:offset])
    if word and word[1] not in _WORDS and word[1] not in FUNCTIONS:
        # The mistake came before: `not $`, or a text without quotes.
        return _unknown_word(word[1], word.start())
    return RuleError(f"`{_shown(rest)}` is left over", offset, _way_out(text[:offset], rest))


def _way_out(before: str, rest: str) -> str:
    """What was probably meant by something that can not follow what stands before it."""
    if re.match(r"[@0-9A-Za-z_]*\s*:", rest):
        return "a `;` stands before a name"
    if word := re.match(r"[A-Za-z_]+", rest):
        return _suggestion(word[0], ()) or "join two conditions with && or ||"
    if rest[0] == "(" and (called := re.search(r"([A-Za-z_]\w*)\s+\Z", before)):
        return f"no blank stands between `{called[1]}` and its bracket"
    if rest[0] == "[":
        return "an index follows a `$` directly"
    if rest[0] == ".":
        return "a number has digits on both sides of its point, a field of a struct is written (a.b)$"
    if rest[0] in _STRAY:
        return _STRAY[rest[0]]
    if rest[0] == "," and not _unclosed(before):
        return "a comma stands between arguments; join conditions with &&, and put a `;` before a name"
    if rest[0] in ",)]":
        missing = _BRACKETS[_unclosed(before)] if _unclosed(before) else ""
        return f"a `{missing}` is missing before it" if missing and missing != rest[0] else ""
    return "join two conditions with && or ||" if rest[0] in "$#'" or rest[0].isdigit() else ""


def _shown(rest: str) -> str:
    return rest if len(rest) <= 20 else rest[:20] + "..."
