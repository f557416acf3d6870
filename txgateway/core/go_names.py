"""A name of the IDL as thriftgo spells it in Go: ``user_id`` is ``UserID``."""

from __future__ import annotations

# The words that Go's linter wants in capitals, in thriftgo's edition.
_INITIALISMS = frozenset(
    {
        "ACL",
        "API",
        "ASCII",
        "CPU",
        "CSS",
        "DNS",
        "EOF",
        "GUID",
        "HTML",
        "HTTP",
        "HTTPS",
        "ID",
        "IP",
        "JSON",
        "LHS",
        "QPS",
    }
    | {"RAM", "RHS", "RPC", "SLA", "SMTP", "SQL", "SSH", "TCP", "TLS", "TTL", "UDP", "UI", "UID", "UUID", "URI", "URL"}
    | {"UTF8", "VM", "XML", "XMPP", "XSRF", "XSS"}
)


def go_name(name: str) -> str:
    """The exported Go identifier of a field, in thriftgo's default naming style."""
    return "".join(map(_word, name.split("_")))


def _word(word: str) -> str:
    if not word:
        return "_"
    if not word[0].islower():
        return word
    capitals = word.upper()
    return capitals if capitals in _INITIALISMS else word[0].upper() + word[1:]
