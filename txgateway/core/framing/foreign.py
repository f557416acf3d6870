"""Words for what a peer seems to speak when it does not speak Thrift's strict binary protocol."""

from __future__ import annotations

_PREFIXES = (
    ((b"PRI * HTTP/2", b"\0\0\x12\x04\0"), "HTTP/2"),
    (
        (b"HTTP/", b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC"),
        "HTTP",
    ),
    ((b"\x16\x03", b"\x15\x03", b"\x14\x03", b"\x17\x03"), "TLS"),
    ((b"SSH-",), "SSH"),
    ((b"\x82\x21", b"\x82\x41", b"\x82\x61", b"\x82\x81"), "Thrift's compact protocol"),
    ((b"[1,",), "Thrift's JSON protocol"),
    ((b"\x80\x01",), "Thrift without frames (buffered)"),
)
_BEHIND_A_LENGTH = (
    (b"\x80\x01", "framed Thrift"),
    (b"\x10\0", "TTHeader"),
    (b"\x0f\xff", "the header transport of Apache Thrift or fbthrift"),
    (b"\x82\x21", "Thrift's compact protocol in frames"),
    (b"\0\0\0", "Thrift's old binary protocol, without a version, in frames"),
)


def describe(head: bytes | bytearray) -> str:
    """A verb and an object for "the peer ...", from the first bytes that it sent (16 are enough)."""
    start = bytes(head[:16])
    for prefixes, name in _PREFIXES:
        if start.startswith(prefixes):
            return f"seems to speak {name}"
    for prefix, name in _BEHIND_A_LENGTH:
        if start[4:].startswith(prefix):
            return f"seems to speak {name}"
    return f"began with the bytes {start.hex(' ')}"
