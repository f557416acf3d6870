"""IDL text becomes a tree as it was written, or errors that say where and what."""

from __future__ import annotations

from typing import Any

import pytest

from txgateway.core.descriptor import Requiredness, StructKind
from txgateway.core.doc_comments import Docs
from txgateway.core.idl import MAX_CHARACTERS, MAX_NESTING, decode, parse, unescape
from txgateway.core.syntax import (
    ConstantNode,
    Double,
    EnumNode,
    FileNode,
    Integer,
    ListNode,
    Literal,
    MapNode,
    Reference,
    ServiceNode,
    StructNode,
    TypedefNode,
    ValueNode,
)


def tree(text: str) -> FileNode:
    parsed = parse("a.thrift", text)
    assert parsed.tree is not None, "\n".join(map(str, parsed.errors))
    return parsed.tree


def struct(text: str) -> StructNode:
    node = tree(text).definitions[-1]
    assert isinstance(node, StructNode)
    return node


def service(text: str) -> ServiceNode:
    node = tree(text).definitions[-1]
    assert isinstance(node, ServiceNode)
    return node


def value(text: str) -> ValueNode:
    node = tree(f"const x y = {text}").definitions[0]
    assert isinstance(node, ConstantNode)
    return node.value


def errors(text: str) -> list[str]:
    parsed = parse("a.thrift", text)
    assert parsed.tree is None
    return [str(e) for e in parsed.errors]


# --- What is read -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "// only this", "# no line end", "/* a */", "\r\n\t \f\v"])
def test_a_file_may_be_empty(text: str) -> None:
    assert tree(text) == FileNode((), (), ())


def test_a_byte_order_mark_and_broken_bytes_in_comments_do_no_harm() -> None:
    text = decode(b"\xef\xbb\xbf// \xd6\xd0\xce\xc4\nstruct S {}")
    assert struct(text).name.line == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str) -> None:
    node = struct(end.join(["// comment", "struct S { # another", "  1: i32 a", "}"]))
    assert (node.name.line, node.fields[0].name.line, node.fields[0].name.column) == (2, 3, 10)


def test_headers_of_every_kind() -> None:
    node = tree(
        """
        namespace * everywhere
        namespace go a.b.c (x = "y");
        namespace smalltalk.category Odd-Name
        namespace php "quoted name"
        php_namespace old
        cpp_include "<vector>"
        include "b.thrift"
        include '../c.thrift';
        include ""
        """
    )
    assert [i.path for i in node.includes] == ["b.thrift", "../c.thrift"]
    assert [(n.scope, n.name) for n in node.namespaces] == [
        ("*", "everywhere"),
        ("go", "a.b.c"),
        ("smalltalk.category", "Odd-Name"),
        ("php", "quoted name"),
        ("php", "old"),
    ]


@pytest.mark.parametrize("separator", ["", ",", ";", "\n"])
def test_every_separator_serves_everywhere(separator: str) -> None:
    s = separator
    node = tree(
        f"""
        enum E {{ A = 1{s} B (x = "1"){s} C{s} }}
        struct S {{ 1: i32 a{s} 2: required string b = "x"{s} }}
        const list<i32> L = [1{s} 2{s} 3{s}]
        const map<string, i32> M = {{"a": 1{s} "b": 2{s}}}{s}
        service V {{ void f(1: i32 a{s} 2: i32 b{s}){s} void g() (x = "1"{s} y = "2"){s} }}
        """
    )
    enum, fields, numbers, entries, methods = node.definitions
    assert isinstance(enum, EnumNode)
    assert [m.name.text for m in enum.members] == ["A", "B", "C"]
    assert isinstance(fields, StructNode)
    assert [f.name.text for f in fields.fields] == ["a", "b"]
    assert isinstance(numbers, ConstantNode)
    assert isinstance(numbers.value, ListNode)
    assert len(numbers.value.items) == 3
    assert isinstance(entries, ConstantNode)
    assert isinstance(entries.value, MapNode)
    assert len(entries.value.entries) == 2
    assert isinstance(methods, ServiceNode)
    assert [len(m.arguments) for m in methods.methods] == [2, 0]
    assert len(methods.methods[1].annotations) == 2


def test_ids_are_decimal_whatever_they_begin_with() -> None:
    fields = struct("struct S { 010: i32 a, 08: i32 b, 0x1F: i32 c, +3: i32 d, -007: i32 e }").fields
    assert [f.id and f.id.number for f in fields] == [10, 8, 31, 3, -7]


def test_fields_with_and_without_their_parts() -> None:
    fields = struct(
        'exception S { -1: optional string a = "x" (k = "v"), string b; required list<i32> c; 0x10: i32 & d = 5 }'
    ).fields
    assert [f.id and f.id.number for f in fields] == [-1, None, None, 16]
    assert [f.requiredness for f in fields] == [
        Requiredness.OPTIONAL,
        Requiredness.DEFAULT,
        Requiredness.REQUIRED,
        Requiredness.DEFAULT,
    ]
    assert [f.name.text for f in fields] == ["a", "b", "c", "d"]
    assert [f.default is None for f in fields] == [False, True, True, False]


@pytest.mark.parametrize("word", ["struct", "union", "exception"])
def test_the_three_kinds_of_structs(word: str) -> None:
    assert struct(
        f"{word} S xsd_all {{ 1: i32 a xsd_optional xsd_nillable xsd_attrs {{ 1: i32 b }} }}"
    ).kind is StructKind(word)


def test_types_inside_types_with_annotations() -> None:
    field = struct(
        'struct S { 1: map cpp_type "M" <string (a = "1"), list<set<b.C>> cpp_type "L"> (c = "2") f (d) }'
    ).fields[0]
    key, inner = field.type.arguments
    assert (field.type.name.text, field.type.depth) == ("map", 3)
    assert [(a.key.text, a.value.text) for a in (*key.annotations, *field.type.annotations, *field.annotations)] == [
        ("a", "1"),
        ("c", "2"),
        ("d", ""),
    ]
    assert inner.arguments[0].arguments[0].name.text == "b.C"


def test_methods_of_every_kind() -> None:
    methods = service(
        """service S extends b.Base {
            oneway void log(1: string s), async void later(); async soon();
            list<i32> list(1: optional i32 map = 5) throws (1: E e) (api.get = "/x")
            required.Type required()
        } (tgw.name = "s")"""
    ).methods
    assert [(m.oneway, m.result and m.result.name.text, m.name.text) for m in methods] == [
        (True, None, "log"),
        (False, None, "later"),
        (False, "async", "soon"),
        (False, "list", "list"),
        (False, "required.Type", "required"),
    ]
    assert [f.name.text for f in methods[3].throws] == ["e"]


WORDS = [
    "include",
    "namespace",
    "const",
    "typedef",
    "enum",
    "senum",
    "struct",
    "union",
    "exception",
    "service",
    "extends",
    "void",
    "oneway",
    "async",
    "throws",
    "required",
    "optional",
    "map",
    "list",
    "set",
    "cpp_type",
    "xsd_all",
    "xsd_optional",
    "from",
    "self",
    "end",
    "None",
    "lambda",
    "bool",
    "i32",
    "string",
    "true",
]


@pytest.mark.parametrize("word", WORDS)
def test_words_that_mean_something_elsewhere_are_names(word: str) -> None:
    node = tree(
        f"""
        typedef i32 {word}
        enum {word} {{ A, {word}, {word} = 5 {word} (k = "v") {word} = 2, }}
        struct {word} {{ 1: i32 {word} 2: string {word} = "x", string {word} ({word} = "1", {word}) }}
        const {word}.T {word} = {{ {word}: [{word}, {word}] }}
        service {word} extends {word} {{ void {word}(1: i32 {word}) throws (1: {word}.E {word}), i32 {word}() }}
        """
    )
    assert {d.name.text for d in node.definitions} == {word}


@pytest.mark.parametrize("word", ["map", "list", "set", "async", "struct", "from", "bool", "true"])
def test_such_words_are_types_too(word: str) -> None:
    field = struct(f"struct S {{ 1: {word} a, 2: list<{word}> b }}").fields[0]
    assert field.type.name.text == word
    assert service(f"service S {{ {word} f(), {word} g() }}").methods[1].result is not None


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("1", Integer(1, 1, 13)),
        ("-7", Integer(-7, 1, 13)),
        ("+7", Integer(7, 1, 13)),
        ("0x1F", Integer(31, 1, 13)),
        ("0o17", Integer(15, 1, 13)),
        ("017", Integer(15, 1, 13)),
        ("018", Integer(18, 1, 13)),
        ("-00", Integer(0, 1, 13)),
        ("9223372036854775807", Integer(2**63 - 1, 1, 13)),
        ("-9223372036854775808", Integer(-(2**63), 1, 13)),
        ("1.5", Double(1.5, 1, 13)),
        ("-.5", Double(-0.5, 1, 13)),
        ("1e3", Double(1000.0, 1, 13)),
        ("1.25E-2", Double(0.0125, 1, 13)),
        ("1e999", Double(float("inf"), 1, 13)),
        ("true", Reference("true", 1, 13)),
        ("a.B.C", Reference("a.B.C", 1, 13)),
        ("'x'", Literal("x", 1, 13)),
        ("{}", MapNode((), 1, 13, 1)),
        ("[ ]", ListNode((), 1, 13, 1)),
    ],
)
def test_values(text: str, node: ValueNode) -> None:
    assert value(text) == node


def test_words_that_may_go_on_or_begin_anew() -> None:
    (field,) = struct("struct S { 1: list<i32> cpp_type }").fields
    assert field.name.text == "cpp_type"
    methods = service("service S { void f() throws g() void h() throws (1: E e) throws throws() }").methods
    assert [(m.result and m.result.name.text, m.name.text, len(m.throws)) for m in methods] == [
        (None, "f", 0),
        ("throws", "g", 0),
        (None, "h", 1),
        ("throws", "throws", 0),
    ]


def test_senum_and_typedef() -> None:
    strings, numbers = tree('senum Colour { "red", "green" } typedef list<i64> (a = "b") Ids (c = "d")').definitions
    assert isinstance(strings, TypedefNode)
    assert strings.type.name.text == "string"
    assert isinstance(numbers, TypedefNode)
    assert [a.key.text for a in (*numbers.type.annotations, *numbers.annotations)] == ["a", "c"]


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'""', ""),
        (r'"a\"b"', 'a"b'),
        (r"'a\'b'", "a'b"),
        ("\"a\\'b\"", r"a\'b"),
        (r"'a\"b'", r"a\"b"),
        (r'"\w\d\n"', r"\w\d\n"),
        (r'"\\w"', r"\\w"),
        # A doubled backslash stays, and what stands behind it is not escaped.
        (r'"a\\\"b"', r'a\\"b'),
        ('"two\nlines"', "two\nlines"),
    ],
)  # fmt: skip
def test_only_the_literals_own_quote_loses_its_backslash(literal: str, text: str) -> None:
    assert unescape(literal) == text
    assert value(literal) == Literal(text, 1, 13)


def test_repeated_annotations_keep_their_order_and_places() -> None:
    field = struct("struct S { 1: i32 a (api.vd = '$>0', api.query=\"a\"; api.vd = '$<9', n = 5, b = true) }").fields[0]
    assert [(a.key.text, a.value.text) for a in field.annotations] == [
        ("api.vd", "$>0"),
        ("api.query", "a"),
        ("api.vd", "$<9"),
        ("n", "5"),
        ("b", "true"),
    ]
    # The value begins behind its quote.
    assert (field.annotations[0].key.column, field.annotations[0].value.column) == (22, 32)


# --- Comments ---------------------------------------------------------------------------


def docs(text: str) -> dict[str, str]:
    parsed = parse("a.thrift", text)
    assert parsed.tree is not None
    found = Docs(parsed.source.text, parsed.tree)
    nodes: list[Any] = list(parsed.tree.definitions)
    for node in nodes:
        for parts in ("fields", "members", "methods", "arguments", "throws"):
            nodes += getattr(node, parts, ())
    return {node.name.text: found.of(node) for node in nodes}


def test_a_comment_belongs_to_what_it_stands_above_or_beside() -> None:
    assert docs(
        """# Licence, not a word about A.

/**
 * The first.
 *   - indented
 */
struct A {
    // One
    # and two.
    1: i32 above
    2: i32 beside  // Behind it.
    /* Before it. */ 3: i32 before
    // Far away.

    4: string none = "// no comment, nor # this"
}
//B.
service B {
    /* Calls. */
    void call()
}"""
    ) == {
        "A": "The first.\n  - indented",
        "above": "One\nand two.",
        "beside": "Behind it.",
        "before": "Before it.",
        "none": "",
        "B": "B.",
        "call": "Calls.",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enum E { A, B }  // Behind.", {"E": "Behind."}),
        ("// Above.\nenum E { A, B }", {"E": "Above."}),
        ("/* Before. */ enum E { A, B }", {"E": "Before."}),
        ("enum E { /* One. */ A = 1, /* Two. */ B = 2 }", {"A": "One.", "B": "Two."}),
        ("enum E { A = 1 /* One. */, B = 2 /* Two. */ }", {"A": "One.", "B": "Two."}),
        ("enum E { A = 1, B = 2 // Two.\n C }", {"B": "Two."}),
        ("enum E {  // Of all.\n A, // One.\n B } // Two.", {"E": "Of all.", "A": "One.", "B": "Two."}),
        ("enum E { // Of all.\n // Above both.\n A, B\n}", {"E": "Of all.", "A": "Above both."}),
        ("enum E { A } // Of E.\nenum F { B } // Of F.", {"E": "Of E.", "F": "Of F."}),
        ("struct S { 1: i32 a = 3 /* One. */ 2: i32 b }", {"a": "One."}),
        ('struct S { 1: map<i32, i32> a = {1: 2} (k = "}") /* One. */ 2: i32 b }', {"a": "One."}),
        (
            "struct S { /* One. */ 1: i32 a; /* Two. */ 2: i32 b; } // Behind.",
            {"S": "Behind.", "a": "One.", "b": "Two."},
        ),
        ("service V { void f(1: i32 a) // Of f.\n}", {"f": "Of f."}),
        ("service V { void f(/* One. */ 1: i32 a, 2: i32 b /* Two. */) }", {"a": "One.", "b": "Two."}),
        (
            "service V { void f(1: i32 a) throws (1: X x) /* Of f. */ void g() /* Of g. */ }",
            {"f": "Of f.", "g": "Of g."},
        ),
        ("service V { void f(1: i32 a) } // Of V.", {"V": "Of V."}),
        ("/* Of a line\n that goes on. */ typedef i32 T  // Not this.", {"T": "Of a line\nthat goes on."}),
        ("const i32 c = 1 /* Of c,\n in two lines. */", {"c": "Of c,\nin two lines."}),
        ("// Above nothing.\n\nenum E { A }\n/* Behind nothing. */ // Nor this.", {}),
    ],
)
def test_a_comment_is_about_one_thing_even_where_several_share_a_line(text: str, expected: dict[str, str]) -> None:
    assert {name: words for name, words in docs(text).items() if words} == expected


# --- What is refused --------------------------------------------------------------------


def test_a_syntax_error_shows_its_line_and_says_what_was_expected() -> None:
    assert errors("struct S {\n\t1: i32\n}") == [
        "a.thrift:3:1: error: expected a name, found '}'\n    }\n    ^",
    ]


def test_every_definition_reports_its_own_error() -> None:
    found = errors(
        """struct A { 1: string msg
service S {
    A call(1: A a) (api.get="/a"
    A other()
}
struct Fine { 1: i32 a }
enum E { A = x }
const i32 c = 5"""
    )
    assert [e.split("\n")[0] for e in found] == [
        "a.thrift:1:25: error: expected a field, '=' or '}', but the text ends here",
        "a.thrift:4:12: error: expected ')', '=' or a name, found '('",
        "a.thrift:7:14: error: expected a whole number, found 'x'",
    ]
    assert "struct 'A' of line 1 is not closed" in found[0]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sturct S {}", "found 'sturct'", "did you mean 'struct'?"),
        ("struct S { 1: requird string a }", "found '}'", "did you mean 'required'?"),
        ("service S { onway void f() }", "found 'f'", "did you mean 'oneway'?"),
        ('struct S { 1: i32 a (k = "v) }', "found '\"'", "this string is not closed"),
        ("struct S { 1: i32 a /* no end }", "found '/'", "this comment is not closed"),
        ("struct S { 1: i32 a， 2: i32 b }", "found '，'", "this is the full-width '，'; write ','"),
        ("@Annotated struct S {}", "found '@'", "annotations stand in parentheses"),
        ("struct a-b {}", "found '-'", "a name has only letters"),
        ('struct S {}\ninclude "b.thrift"', "found 'include'", "includes and namespaces stand before"),
        ("struct S { 1: i32 a = }", "expected a value, found '}'", ""),
        ("struct S { 1: list<> a }", "expected a type, found '>'", ""),
        ("service S { i32 f }", "expected '(', found '}'", ""),
        ("const i32 c = 9223372036854775808", "the number does not fit 64 bits", ""),
        ("const i32 c = 0xZZ", "'0xZZ' is not a number", ""),
        (f"const i32 c = {'9' * 9_000}", "the number does not fit 64 bits", ""),
        (f"struct S {{ 1: {'list<' * 65}i32{'>' * 65} a }}", f"nested more than {MAX_NESTING} deep", ""),
        (f"const x c = {'[' * 65}{']' * 65}", f"nested more than {MAX_NESTING} deep", ""),
        (f"const x c = {'{1:' * 65}1{'}' * 65}", f"nested more than {MAX_NESTING} deep", ""),
        ("struct S { 1: i32 \x00a }", "found '\x00'", ""),
    ],
)
def test_errors_in_plain_words(text: str, message: str, hint: str) -> None:
    (found,) = errors(text)
    assert message in found
    assert hint in found


@pytest.mark.parametrize(
    "text",
    ["[" * 9_000, "{" * 9_000, "list<" * 2_000, "struct S { 1: " + "map<i32," * 1_200, "(" * 9_000, "struct S {" * 900],
)
def test_no_nesting_is_too_deep_to_be_refused(text: str) -> None:
    assert errors(f"const list<i32> c = {text}")


@pytest.mark.parametrize("piece", ["\\'", '\\\\"', "\\\\", "'", "/*", "a/"])
def test_no_text_keeps_the_parser_busy(piece: str) -> None:
    for opening in ('const string c = "', "const string c = '", "struct S { 1: i32 a /* ", ""):
        assert errors(f"{opening}{piece * 3_000}")


def test_a_file_has_an_end() -> None:
    (found,) = errors("#" * (MAX_CHARACTERS + 1))
    assert "more than the 2,097,152 allowed" in found


def test_no_word_of_the_parser_reaches_a_message() -> None:
    for text in (
        "struct",
        "struct S",
        "struct S {",
        "struct S { 1",
        "struct S { 1: list",
        "enum E { A =",
        "const",
        "namespace",
        "}",
    ):
        for message in errors(text):
            assert "_" not in message
            assert message == message.replace("NAME", "").replace("LITERAL", "").replace("RBRACE", "")
