"""What a request offers: queries, forms, cookies and JSON, however odd their bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapped import request
from txgateway.core import inputs
from txgateway.core.errors import BadRequest, GatewayError
from txgateway.core.inputs import BodyKind, Inputs, body_kind, parse_cookies, parse_json, parse_multipart, parse_pairs

PART = b'--XX\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
MULTIPART = "multipart/form-data; boundary=XX"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (b"", {}),
        (b"a=1&a=2&b=3", {b"a": [b"1", b"2"], b"b": [b"3"]}),
        (b"a&b=&=c", {b"a": [b""], b"b": [b""], b"": [b"c"]}),
        (b"a=x+y%2Bz&%61=2", {b"a": [b"x y+z", b"2"]}),
        (b"a=%zz&b=%&c=%4", {b"a": [b"%zz"], b"b": [b"%"], b"c": [b"%4"]}),
        (b"a=1;b=2", {b"a": [b"1;b=2"]}),
        (b"a=b=c", {b"a": [b"b=c"]}),
        (b"a=%FF%00", {b"a": [b"\xff\x00"]}),
    ],
)
def test_pairs_are_decoded_and_kept_in_order(text, pairs):
    assert parse_pairs(text) == pairs


def test_the_number_of_pairs_is_bounded():
    assert len(parse_pairs(b"&".join(b"%d" % i for i in range(inputs.MAX_PAIRS)))) == inputs.MAX_PAIRS
    with pytest.raises(BadRequest):
        parse_pairs(b"&" * inputs.MAX_PAIRS)


def test_cookies_are_kept_in_the_order_sent():
    asked = Inputs(request("GET", "/", {"cookie": 'a=1; b="x y";c=;a=2;d; e=%20;f="'}), {})
    assert asked.cookies == {b"a": [b"1", b"2"], b"b": [b"x y"], b"c": [b""], b"e": [b"%20"], b"f": [b'"']}


def test_cookies_of_several_headers_add_up():
    cookies = {}
    parse_cookies(b"a=1", cookies)
    parse_cookies(b"a=2; b=3", cookies)
    assert cookies == {b"a": [b"1", b"2"], b"b": [b"3"]}


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (None, BodyKind.JSON),
        ("", BodyKind.JSON),
        ("application/json", BodyKind.JSON),
        ("Application/JSON ; charset=utf-8", BodyKind.JSON),
        ("application/vnd.api+json", BodyKind.JSON),
        ("APPLICATION/X-WWW-FORM-URLENCODED", BodyKind.FORM),
        ("multipart/form-data; boundary=x", BodyKind.MULTIPART),
        ("multipart/mixed", BodyKind.OTHER),
        ("text/plain", BodyKind.OTHER),
        ("application/xml", BodyKind.OTHER),
        ("json", BodyKind.OTHER),
    ],
)
def test_the_content_type_tells_the_kind_of_body(content_type, kind):
    headers = {} if content_type is None else {"content-type": content_type}
    assert body_kind(request("POST", "/", headers, "x")) is kind


def test_no_body_is_of_no_kind():
    assert Inputs(request("POST", "/", {"content-type": "text/plain"}), {}).kind is BodyKind.NONE


def test_multipart_gives_its_text_parts_alone():
    body = PART % (b"a", b"", b"1") + PART % (b"a", b"", b"2\r\n3") + PART % (b"f", b'; filename="x.txt"', b"file")
    assert parse_multipart(body + b"--XX--\r\n", MULTIPART) == {b"a": [b"1", b"2\r\n3"]}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PART % (b"a", b"", b"1"), MULTIPART),
        (b"", MULTIPART),
        (b"--XX--\r\n", "multipart/form-data"),
        (b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', MULTIPART),
        (b"--XX\r\nX-Nothing: 1\r\n\r\nx\r\n--XX--\r\n", MULTIPART),
        (PART % (b"a", b"", b"1") * (inputs.MAX_PARTS + 1) + b"--XX--\r\n", MULTIPART),
    ],
)
def test_a_broken_multipart_body_is_refused(body, content_type):
    with pytest.raises(BadRequest):
        parse_multipart(body, content_type)


@given(st.binary(max_size=60), st.text(max_size=20))
def test_any_bytes_are_multipart_or_refused(body, boundary):
    try:
        parse_multipart(PART % (b"a", b"", body) + b"--XX--\r\n", f"multipart/form-data; boundary={boundary}")
        parse_multipart(b"--XX\r\n" + body + b"\r\n--XX--\r\n", MULTIPART)
    except GatewayError:
        pass


surrogates = st.integers(0xD800, 0xDFFF).map(lambda code: f"\\u{code:04x}")
pieces = st.sampled_from(["a", "\\\\", "\\n", '\\"', "\\u0041", "\\ud83d\\ude00", "é"]) | surrogates


@given(st.lists(pieces, max_size=8).map("".join))
def test_half_a_pair_of_surrogates_is_the_replacement_character(inner):
    read = parse_json(f'{{"a": "{inner}"}}'.encode())["a"]
    # Python's reader keeps the halves, and UTF-16 puts the true pairs together.
    halves = json.loads(f'"{inner}"')
    assert read == halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a":1}x',
        b'{"a":1}{}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":1/*c*/}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":NaN}',
        b'{"a":007}',
        b'{"a":"\xff"}',
        b'{"a":"x\ny"}',
        b"[" * 100_000,
        b'{"a":' * 2000,
        b'"\\ud800',
    ],
)
def test_broken_json_is_refused_in_our_own_words(body):
    with pytest.raises(BadRequest, match=r"The body is not valid JSON \(line \d+, column \d+\)"):
        parse_json(body)


def test_a_number_that_no_double_holds_is_told_apart_from_what_is_no_json():
    with pytest.raises(BadRequest, match=r"The body has too large a number \(line 1, column 6\)"):
        parse_json(b'{"a":1e999}')


def test_the_last_of_equal_keys_counts():
    assert parse_json(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"1", b"true"])
def test_a_body_for_fields_must_be_an_object(body):
    with pytest.raises(BadRequest, match="must be a JSON object"):
        Inputs(request("POST", "/", None, body), {}).read_json()


def test_null_is_an_empty_object():
    asked = Inputs(request("POST", "/", None, "null"), {})
    asked.read_json()
    assert asked.json == {}
