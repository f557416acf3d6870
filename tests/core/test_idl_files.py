"""What counts as IDL in a folder."""

from __future__ import annotations

import pytest

from txgateway.core.idl_files import idl_files, is_idl, service_name


@pytest.mark.parametrize("path", ["book.thrift", "a/b/c.thrift", "a b.thrift", "a.b.thrift", "图书.thrift"])
def test_files_that_count(path: str) -> None:
    assert is_idl(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "thrift", "book.txt", "book.thrift.bak", "book.thrift~", "~book.thrift", "#book.thrift#", "#book.thrift",
        ".book.thrift", ".#book.thrift", ".book.thrift.swp", ".git/book.thrift", "a/.hidden/book.thrift",
        "..data/book.thrift", "..2024_01_01/book.thrift", "book.Thrift",
    ],
)  # fmt: skip
def test_files_that_do_not(path: str) -> None:
    assert not is_idl(path)


def test_the_order_of_a_listing_does_not_matter() -> None:
    assert idl_files(["b.thrift", "a/z.thrift", "x.md", "a.thrift"]) == ("a.thrift", "a/z.thrift", "b.thrift")


def test_a_service_is_named_after_its_file() -> None:
    assert (service_name("idl/book.thrift"), service_name("a/user.v2.thrift")) == ("book", "user.v2")
