"""Text to trees, and what is said of a text that is no rule."""

from __future__ import annotations

import pytest

from txgateway.core.expression import RuleError, parse
from txgateway.core.expression.syntax import DEPTH_LIMIT, FUNCTIONS, LENGTH_LIMIT
from txgateway.core.expression.tree import (
    Binary,
    Call,
    Group,
    Literal,
    Logical,
    Node,
    Prefixed,
    RangeVariable,
    Selector,
)

WITH_THE_RULE = "it is compiled with the rule: write "
COMMA = "a comma stands between arguments; join conditions with &&, and put a `;` before a name"
POINT = "a number has digits on both sides of its point, a field of a struct is written (a.b)$"


def lit(value: bool | int | float | str | None) -> Literal:
    return Literal(0, 0, value)


def sel(*path: str, indices: tuple[Node, ...] = ()) -> Selector:
    return Selector(0, 0, path, indices)


DOLLAR = sel()


def binary(operator: str, left: Node, right: Node) -> Binary:
    return Binary(0, 0, operator, left, right)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("$", DOLLAR),
        ("(A.B)$", sel("A", "B")),
        ("( \tV )$", sel("V")),
        ("$[0]['x']", sel(indices=(lit(0), lit("x")))),
        ("007", lit(7)),
        ("-1.50", lit(-1.5)),
        ("+2", lit(2)),
        (r"'it\'s'", lit("it's")),
        (r"'\d\\n'", lit(r"\d\\n")),
        ("nil", lit(None)),
        ("()", Group(0, 0, None)),
        ("1-2-3", binary("-", binary("-", lit(1), lit(2)), lit(3))),
        ("1+2*3", binary("+", lit(1), binary("*", lit(2), lit(3)))),
        ("1<2==true", binary("==", binary("<", lit(1), lit(2)), lit(True))),
        ("1--2", binary("-", lit(1), lit(-2))),
        ("1- -2", binary("-", lit(1), lit(-2))),
        ("1!=!1", binary("!=", lit(1), Prefixed(0, 0, "!", lit(1)))),
        ("1||2&&3||4", Logical(0, 0, "||", (lit(1), Logical(0, 0, "&&", (lit(2), lit(3))), lit(4)))),
        ("!!!$", Prefixed(0, 0, "!", DOLLAR)),
        ("--$", DOLLAR),
        ("-!$", Prefixed(0, 0, "!", DOLLAR)),
        ("!-$", Prefixed(0, 0, "!", DOLLAR)),
        ("+-+$", Prefixed(0, 0, "-", DOLLAR)),
        ("!!-1", Prefixed(0, 0, "!!", lit(-1))),
        ("in()", Call(0, 0, "in", (lit(None),))),
        ("in(1,)", Call(0, 0, "in", (lit(1), lit(None)))),
        (
            "range($, #v>#k)",
            Call(0, 0, "range", (DOLLAR, binary(">", RangeVariable(0, 0, "#v"), RangeVariable(0, 0, "#k")))),
        ),
        ("in(')', '(')", Call(0, 0, "in", (lit(")"), lit("(")))),
    ],
)
def test_expressions(text: str, tree: Node) -> None:
    assert parse(text).check == tree


def test_minus_zero_is_a_number_of_its_own() -> None:
    tree = parse("-0").check
    assert isinstance(tree, Literal)
    assert str(tree.value) == "-0.0"


def test_nodes_know_their_places() -> None:
    text = "len( $ ) > 0 && in($, 'a' , -1)"
    check = parse(text).check
    assert check is not None
    shown = [text[node.start : node.end] for node in check.walk()]
    assert shown == [text, "len( $ ) > 0", "len( $ )", "$", "0", "in($, 'a' , -1)", "$", "'a'", "-1"]


@pytest.mark.parametrize(
    "text", ["$>9; msg:'a;b'", "msg:'a;b';$>9", " @ : $>9 ;; msg : 'a;b' ; ", ";;@:$>9;msg:'a;b'", ":$>9;msg:'a;b'"]
)
def test_items_in_any_order_and_blanks_around_them(text: str) -> None:
    rule = parse(text)
    assert rule.check == binary(">", DOLLAR, lit(9))
    assert rule.message == lit("a;b")


@pytest.mark.parametrize("text", ["", "  ", ";", " ; ;"])
def test_no_rule_at_all(text: str) -> None:
    rule = parse(text)
    assert (rule.check, rule.message, rule.others) == (None, None, ())


def test_the_two_marks() -> None:
    assert parse("-").ignored
    assert parse("?").lenient
    assert not parse("-1").ignored


@pytest.mark.parametrize("text", ["1:2", "true:false", "x1:0", "foo:$>9", "@msg:'m'", "Msg:'m'"])
def test_any_name_is_a_name(text: str) -> None:
    rule = parse(text)
    assert rule.check is None
    assert rule.message is None
    assert len(rule.others) == 1


@pytest.mark.parametrize("text", ["$>1\n", "\n$\t>\t1", "$ \n> 1", "'a'\n=='a'", "(1)\n>0", "\u2003$>1"])
def test_where_line_breaks_may_stand(text: str) -> None:
    assert parse(text).check is not None


@pytest.mark.parametrize(
    ("text", "offset", "message", "hint"),
    [
        ("$>", 2, "something is missing after `>`", "a value, a field or a function call"),
        ("&& true", 0, "`&& true` can not stand at the beginning", "a value, a field or a function call is wanted"),
        ("$=5", 1, "`=5` is left over", "to compare, write =="),
        ("$ and $>5", 2, "`and $>5` is left over", "did you mean `&&`?"),
        ("$ ? 1 : 0", 2, "`? 1 : 0` is left over", "there is no `? :` here; combine conditions with && and ||"),
        ("not $", 0, "`not` means nothing here", "did you mean `!`?"),
        ("$>1 garbage", 4, "`garbage` is left over", "join two conditions with && or ||"),
        ("$>1, $<3", 3, "`, $<3` is left over", COMMA),
        ("$>1 msg:'x'", 4, "`msg:'x'` is left over", "a `;` stands before a name"),
        ("$>1; $<3", 5, "a rule has one check, this is the second", "join two conditions with &&"),
        ("msg:'a';msg:'b'", 8, "`msg:` stands twice in this rule", ""),
        ("$>1; msg: ", 5, "nothing follows `msg:`", "an expression can not be empty"),
        ("'abc", 0, "this quote is never closed", r"inside of a text, a quote is written \'"),
        ('$=="a"', 3, '`"` can not stand here', "a text stands between single quotes: 'text'"),
        ("(1", 2, "a `)` is missing", ""),
        ("$[0", 3, "a `]` is missing", ""),
        ("$[0)", 3, "`)` is left over", "a `]` is missing before it"),
        ("(1))", 3, "`)` is left over", ""),
        ("- 1", 0, "a blank follows the `-`", "a prefix touches its operand"),
        ("--1", 0, "a number takes one sign, with a `!` only before it", ""),
        ("-true", 0, "`true` takes no sign", ""),
        ("$\n>1", 1, "a line break can not stand here", "put it behind an operator or a comma"),
        ("lenn($)>5", 0, "there is no function `lenn`", "did you mean `len(...)`?"),
        ("len ($)", 4, "`($)` is left over", "no blank stands between `len` and its bracket"),
        ("True", 0, "`True` means nothing here", "did you mean `true`?"),
        ("$>limit", 2, "`limit` means nothing here", "a text is written 'limit', a field (limit)$"),
        ("range($)", 0, "range takes two arguments, not 1", ""),
        ("regexp('a','b','c')", 0, "regexp takes one or two arguments, not 3", ""),
        ("regexp($)", 7, "the pattern of regexp is not a text in quotes", WITH_THE_RULE + "regexp('...')"),
        ("sprintf(+'a')", 9, "the format of sprintf is not a text in quotes", WITH_THE_RULE + "sprintf('...')"),
        ("!sprintf('a')", 0, "sprintf takes no prefix", "put it in parentheses"),
        ("$!='x'&&regexp('(?=a)')", 15, "RE2 takes no such pattern: it has no `(?=`", "RE2 has no look-around"),
        ("$==1.", 4, "`.` is left over", POINT),
    ],
)
def test_refusals_name_the_place_and_a_way_out(text: str, offset: int, message: str, hint: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse(text)
    error = refused.value
    assert (error.offset, error.message, error.hint) == (offset, message, hint)


def test_what_is_too_deep_or_too_long_is_refused() -> None:
    assert parse("(" * (DEPTH_LIMIT - 2) + "1" + ")" * (DEPTH_LIMIT - 2)).check
    with pytest.raises(RuleError, match="nested more than"):
        parse("(" * 1000 + "1" + ")" * 1000)
    with pytest.raises(RuleError, match="nested more than"):
        parse("1" + "+1" * 3000)
    assert parse("||".join(["$==1"] * 1000)).check
    with pytest.raises(RuleError, match="longer than"):
        parse("1" * (LENGTH_LIMIT + 1))


def test_every_function_is_compiled_by_a_method() -> None:
    from txgateway.core.expression.compiler import Compiler

    assert {name.removeprefix("_call_") for name in dir(Compiler) if name.startswith("_call_")} == set(FUNCTIONS)
