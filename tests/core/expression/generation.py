"""Rules and requests at random: grammar-made expressions over a struct with a field of every type."""

from __future__ import annotations

import random
from typing import Any

# Written as in the vectors; the field `own` carries the rule.
STRUCTS = {
    "R": [
        ("n", "i32", ""),
        ("tiny", "i8", ""),
        ("wide", "i64", ""),
        ("maybe", "i64", "optional"),
        ("d", "double", ""),
        ("maybe_d", "double", "optional"),
        ("s", "string", ""),
        ("t", "string", ""),
        ("maybe_s", "string", "optional"),
        ("b", "bool", ""),
        ("maybe_b", "bool", "optional"),
        ("color", "enum", ""),
        ("bin", "binary", ""),
        ("ints", "list<i32>", ""),
        ("doubles", "list<double>", ""),
        ("flags", "list<bool>", ""),
        ("texts", "list<string>", ""),
        ("bins", "list<binary>", ""),
        ("names", "set<string>", ""),
        ("table", "list<list<i32>>", ""),
        ("ages", "map<string,i32>", ""),
        ("by_id", "map<i32,string>", ""),
        ("weights", "map<double,bool>", ""),
        ("switches", "map<bool,double>", ""),
        ("inner", "I", ""),
        ("inners", "list<I>", ""),
        ("named", "map<string,I>", ""),
    ],
    "I": [("x", "i32", ""), ("y", "string", "optional"), ("deep", "D", ""), ("ls", "list<string>", "")],
    "D": [("z", "i64", ""), ("self", "D", "optional")],
}
SCALARS = ["n", "tiny", "wide", "maybe", "d", "maybe_d", "s", "t", "maybe_s", "b", "maybe_b", "color"]
SCALARS += ["inner.x", "inner.y", "inner.deep.z", "inner.deep.self.z", "nope", "inner.nope", "n.x", "MaybeS"]
CONTAINERS = ["bin", "ints", "doubles", "flags", "texts", "bins", "names", "table", "ages", "by_id", "weights"]
CONTAINERS += ["switches", "inner", "inners", "named", "inner.ls", "inner.deep"]
TEXTS = ["", "a", "abc", "1", "10", "9", "-1", "1.5", "1e3", ".5", "5.", "inf", "NaN", "-Infinity", "1_000", "0x10"]
TEXTS += [
    "0x1p4",
    "héllo",
    "世界",
    "true",
    "nil",
    "a@b.io",
    "X",
    "<nil>",
    "%d",
    " 3",
    "1e400",
    "+5",
    "0.1",
    "\U0001f389",
]
TEXTS += ["a\tb", "(", ")", "[", "a;b", "it's", "x" * 40, "18812345678"]
NUMBERS = ["0", "1", "2", "3", "7", "10", "100", "999999", "1000000", "1234567", "0.5", "1.5", "0.1", "0.00001", "007"]
NUMBERS += ["9007199254740993", "9223372036854775807", "12345678901234567890", "1" * 310, "123456.789"]
PATTERNS = ["^a", r"\d", r"^\w+$", "[a-z]+", "^$", "世", r"\.", "x|y", "^.{2}$", "(?i)ABC", "(", "(?=a)", r"\1", "a**"]
FORMATS = ["%v", "%s", "%d", "%.2f", "%5.1f|", "%-6v|", "%q", "%x", "%X", "%g", "%e", "%t", "%T", "%+v", "%#v", "%v %v"]
FORMATS += [
    "%05d",
    "%c",
    "%U",
    "%b",
    "% x",
    "%[2]v",
    "%[9]v",
    "%*d",
    "%.*f",
    "%",
    "%!",
    "%4096d",
    "%99999999d",
    "%.4000f",
]
FORMATS += ["%#x", "%+q", "%z", "%p", "%w", "%O", "%6.2v", "é%%"]
NOISE = [
    *"$()[],'!+-*/%<>=&|.;:@# 019aexX#kv\\\n\"?{}~^",
    "nil",
    "true",
    "msg:",
    "range(",
    "&&",
    "||",
    "世",
    "\x00",
    "\ud800",
]


class Rules:
    """Makes rules and requests; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def rule(self) -> str:
        """A whole annotation value, mostly well-formed."""
        check = self.expression(self.random.choice([1, 2, 2, 3, 4]))
        text = check if self.chance(0.5) else f"{check}; msg:{self.expression(2)}"
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2, 4])):
            text = self.mutated(text)
        return text

    def mutated(self, text: str) -> str:
        place = self.random.randrange(len(text) + 1)
        kind = self.random.random()
        if kind < 0.4:
            return text[:place] + text[place + self.random.choice([1, 1, 3]) :]
        if kind < 0.8:
            return text[:place] + self.random.choice(NOISE) + text[place:]
        return text[:place] + text[place : place + 4] + text[place:]

    def expression(self, depth: int, in_range: bool = False) -> str:
        kind = self.random.random()
        if depth <= 0 or kind < 0.2:
            return self.operand(depth, in_range)
        if kind < 0.42:
            return self.call(depth, in_range)
        if kind < 0.5:
            return self.random.choice(["", "", "!", "-"]) + f"({self.expression(depth - 1, in_range)})"
        operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "==", "<", "&&", "||"]
        operator = self.blank() + self.random.choice(operators) + self.blank()
        return self.expression(depth - 1, in_range) + operator + self.expression(depth - 1, in_range)

    def blank(self) -> str:
        return self.random.choice(["", "", "", " ", "\t", "\n"])

    def operand(self, depth: int, in_range: bool) -> str:
        kind = self.random.random()
        if kind < 0.2:
            return self.random.choice(["", "", "", "-", "+", "!"]) + self.random.choice(NUMBERS)
        if kind < 0.38:
            return self.quoted(self.random.choice(TEXTS))
        if kind < 0.44:
            return self.random.choice(["true", "false", "nil", "()", "!true", "(nil)"])
        if in_range and kind < 0.7:
            return self.random.choice(["", "", "!", "-"]) + self.random.choice(["#v", "#k", "##", "#v"])
        prefix = self.random.choice(["", "", "", "", "!", "-", "+", "!!", "--", "-!", "!-"])
        if kind < 0.8:
            return f"{prefix}({self.random.choice(SCALARS)})$"
        if kind < 0.9:
            return prefix + self.index(depth, in_range)
        return self.random.choice([f"{prefix}$", f"({self.random.choice(CONTAINERS)})$"])

    def quoted(self, text: str) -> str:
        return "'" + text.replace("'", "\\'") + "'"

    def index(self, depth: int, in_range: bool) -> str:
        keys = ["0", "1", "2", "9", "1.9", "-1", "'a'", "'x'", "'Y'", "7", "nil", "true", "'7'", "$", "1/0"]
        chosen = [self.random.choice(keys) for _ in range(self.random.choice([1, 1, 2, 3]))]
        if depth > 0 and self.chance(0.2):
            chosen[0] = self.expression(depth - 1, in_range)
        name = self.random.choice([*CONTAINERS, "s", "n", "b"])
        return f"({name})$" + "".join(f"[{key}]" for key in chosen)

    def call(self, depth: int, in_range: bool) -> str:
        name = self.random.choice(
            ["len", "mblen", "in", "regexp", "sprintf", "range", "range", "email", "phone", "len"]
        )
        prefix = "" if name == "sprintf" else self.random.choice(["", "", "", "!", "-", "!!"])
        return f"{prefix}{name}({self.arguments(name, depth, in_range)})"

    def arguments(self, name: str, depth: int, in_range: bool) -> str:
        def one() -> str:
            return self.argument(depth, in_range)

        if name == "range":
            target = self.random.choice([f"({self.random.choice(CONTAINERS)})$", "#v" if in_range else "$", one()])
            return f"{target}, {self.expression(depth - 1, True)}"
        if name == "regexp":
            return self.quoted(self.random.choice(PATTERNS)) + self.random.choice(["", f",{one()}"])
        if name == "sprintf":
            more = "".join(f", {one()}" for _ in range(self.random.choice([0, 1, 1, 2])))
            return self.quoted(self.random.choice(FORMATS)) + more
        count = self.random.choice([1, 1, 1, 0, 2] if name != "in" else [1, 2, 3, 4])
        return ",".join(one() for _ in range(count)) + self.random.choice(["", "", "", ","])

    def argument(self, depth: int, in_range: bool) -> str:
        return self.expression(depth - 1, in_range) if self.chance(0.6) else f"({self.random.choice(CONTAINERS)})$"

    # Requests

    def request(self) -> dict[str, Any]:
        """An object of the struct R: values of the model, some of them unset, some texts that are no UTF-8."""
        return self.struct("R", 3)

    def struct(self, name: str, depth: int) -> dict[str, Any]:
        return {
            field: self.value(type, depth)
            for field, type, _ in STRUCTS[name]
            if self.chance(0.85 if depth == 3 else 0.6)
        }

    def value(self, type: str, depth: int) -> Any:
        choose = self.random.choice
        kind, _, rest = type.partition("<")
        inside = rest[:-1]
        match kind:
            case "i8":
                return choose([0, 1, -5, 127, -128])
            case "i32" | "enum":
                return choose([0, 1, 2, 7, 5, -3, 1_000_000, 2**31 - 1, -(2**31)])
            case "i64":
                return choose([0, 1, 7, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, 5])
            case "double":
                return choose([0.0, -0.0, 1.5, 1e21, 1e-7, float("nan"), float("inf"), -float("inf"), 5.0, 3])
            case "bool":
                return choose([True, False])
            case "string":
                return choose([*TEXTS, b"\xff", b"a\xe4", b"ok", "\ud800"])
            case "binary":
                return choose([b"", b"ab", b"\xff\x00"])
            case "list" | "set":
                items = [self.value(inside, depth - 1) for _ in range(choose([0, 1, 2, 3]))]
                return set(items) if kind == "set" and self.chance(0.5) else items
            case "map":
                key, _, value = inside.partition(",")
                return {self.value(key, 0): self.value(value, depth - 1) for _ in range(choose([0, 1, 2]))}
        return self.struct(kind, depth - 1) if depth > 0 and self.chance(0.8) else None


def structs(own: str, rule: str) -> dict[str, list[dict[str, str]]]:
    """The structs as the vectors write them, with a rule on one field."""
    return {
        name: [
            {"name": field, "type": type}
            | ({"req": requiredness} if requiredness else {})
            | ({"vd": rule} if name == "R" and field == own else {})
            for field, type, requiredness in fields
        ]
        for name, fields in STRUCTS.items()
    }
