"""Requests become invocations, and whatever comes of them becomes the reply that the protocol wants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire_trees import encode as encode_tree
from txgateway.core.codec import exception
from txgateway.core.codec.binary import EncodeError, decode
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.errors import WireError
from txgateway.core.framing import Info, Message
from txgateway.core.linker import load
from txgateway.core.message import MessageType
from txgateway.core.serving import Dispatcher, Interface, Invocation, Refusal

IDL = """
include "base.thrift"

enum Color { RED = 1, GREEN = 2 }
struct Book { 1: required string id, 2: string title = "untitled", 3: optional i32 year }
exception NotFound { 1: i32 code = 404, 2: required string why }
exception Broken { 1: i32 code }

service Other { void other() }
service Common { void ping() }
service Shop extends Common {
  Book find(2: string title = "any", 1: i32 number, 3: Book like, 4: list<i32> numbers)
    throws (1: NotFound missing, 2: Broken success),
  Book exact(1: required i32 number),
  void put(1: Book book) throws (1: NotFound missing),
  oneway void fire(1: Book book),
  string from(1: base.Base who),
}
"""
FILES = {"shop.thrift": IDL, "base.thrift": "struct Base { 1: string name }"}


class Handler:
    """Gives back what it gets."""

    def ping(self) -> None: ...

    def find(self, *arguments: Any) -> Any:
        return arguments

    def exact(self, number: int) -> None: ...

    def put(self, book: Any) -> None: ...

    def fire(self, book: Any) -> None: ...

    def from_(self, who: Any) -> str:
        return str(who.name)


@pytest.fixture(scope="module")
def shop() -> Interface:
    return Interface(load("shop.thrift", FILES.__getitem__).schema)


@pytest.fixture(scope="module")
def dispatcher(shop: Interface) -> Dispatcher:
    return shop.bind(Handler())


def request(method: str, tree: list[Any], type_: MessageType = MessageType.CALL) -> Message:
    return Message(type_, method.encode(), 7, encode_tree(tree))


def refusal(dispatcher: Dispatcher, message: Message) -> ApplicationError | None:
    with pytest.raises(Refusal) as caught:
        dispatcher.read(message)
    reply = caught.value.reply
    if reply is None:
        return None
    assert (reply.type, reply.method, reply.sequence) == (MessageType.EXCEPTION, message.method, 7)
    return exception.decode(reply.payload)


def test_arguments_come_in_the_order_of_the_idl(dispatcher: Dispatcher) -> None:
    tree = [[1, "i32", 5], [4, "list", {"of": "i32", "items": [1]}], [2, "string", "Dune"]]
    title, number, like, numbers = dispatcher.read(request("find", tree)).call()
    assert (title, number, numbers) == ("Dune", 5, [1])
    assert not like


def test_an_argument_that_is_not_sent_is_its_default_or_zero(dispatcher: Dispatcher) -> None:
    title, number, like, numbers = dispatcher.read(request("find", [])).call()
    assert (title, number, list(numbers)) == ("any", 0, [])
    assert (like.id, like.title, like.year) == (None, "untitled", None)


def test_inherited_methods_and_reserved_names_are_served(dispatcher: Dispatcher) -> None:
    ping = dispatcher.read(request("ping", []))
    assert ping.succeeded(ping.call()) == Message(MessageType.REPLY, b"ping", 7, b"\0")
    read = dispatcher.read(request("from", [[1, "struct", [[1, "string", "me"]]]]))
    assert read.call() == "me"


def test_a_result_is_the_success_field(dispatcher: Dispatcher, shop: Interface) -> None:
    reply = dispatcher.read(request("find", [])).succeeded(shop.types.Book(id="7"))
    assert reply is not None
    assert reply[:3] == (MessageType.REPLY, b"find", 7)
    assert reply.payload == encode_tree([[0, "struct", [[1, "string", "7"], [2, "string", "untitled"]]]])


@pytest.mark.parametrize(("name", "field"), [("NotFound", 1), ("Broken", 2)])
def test_a_declared_exception_is_its_own_field(dispatcher: Dispatcher, shop: Interface, name: str, field: int) -> None:
    error = shop.types[name](code=3, why="gone") if name == "NotFound" else shop.types[name](code=3)
    reply = dispatcher.read(request("find", [])).declared(error)
    assert reply is not None
    result = decode(shop.structs.result(shop.service.method_named("find")), reply.payload)  # type: ignore[arg-type]
    assert list(result.__dict__.values()) == [error]
    assert reply.payload[1:3] == bytes([0, field])


@pytest.mark.parametrize(
    ("method", "value", "words"),
    [
        ("find", None, "nothing was returned"),
        ("find", "text", "success: expected a Book, got a str"),
        ("from", 5, "success: expected a str, got 5"),
    ],
)
def test_a_value_that_the_idl_does_not_allow(dispatcher: Dispatcher, method: str, value: Any, words: str) -> None:
    invocation = dispatcher.read(request(method, []))
    with pytest.raises(EncodeError, match=words):
        invocation.succeeded(value)


def test_required_fields_of_an_answer_are_asked_for(dispatcher: Dispatcher, shop: Interface) -> None:
    invocation = dispatcher.read(request("find", []))
    with pytest.raises(EncodeError, match=r"success\.id: is required"):
        invocation.succeeded(shop.types.Book(title="Dune"))
    with pytest.raises(EncodeError, match=r"missing\.why: is required"):
        invocation.declared(shop.types.NotFound(code=1))


def test_any_other_exception_is_not_declared(dispatcher: Dispatcher, shop: Interface) -> None:
    invocation = dispatcher.read(request("put", []))
    assert invocation.declared(ValueError("x")) is None
    assert invocation.declared(shop.types.Broken()) is None


def test_a_failure_tells_the_caller_nothing_of_ours(dispatcher: Dispatcher) -> None:
    reply = dispatcher.read(request("find", [])).failed()
    assert reply is not None
    assert reply[:3] == (MessageType.EXCEPTION, b"find", 7)
    assert exception.decode(reply.payload) == ApplicationError(6, "find failed")


def test_unknown_methods(dispatcher: Dispatcher) -> None:
    assert refusal(dispatcher, request("nope", [])) == ApplicationError(1, "unknown method nope")
    assert refusal(dispatcher, request("other", [])) == ApplicationError(1, "unknown method other")
    assert refusal(dispatcher, request("", [])) == ApplicationError(1, "unknown method ")
    assert refusal(dispatcher, request("nope", [], MessageType.ONEWAY)) is None


@pytest.mark.parametrize(
    ("method", "payload", "words"),
    [
        ("put", b"", "the arguments of put: "),
        ("put", b"\x0c\0\1\x0b\0\1\0\0\0\x40ab", "the arguments of put: "),
        ("put", b"\x0c\0\1\0\0", "the arguments of put: the required field book.id is missing"),
        ("exact", b"\0", "the arguments of exact: the required field number is missing"),
    ],
)
def test_arguments_that_are_none(dispatcher: Dispatcher, method: str, payload: bytes, words: str) -> None:
    error = refusal(dispatcher, Message(MessageType.CALL, method.encode(), 7, payload))
    assert error is not None
    assert error.kind == 7
    assert error.message.startswith(words)


def outcomes(invocation: Invocation) -> list[Message | None]:
    return [invocation.succeeded(None), invocation.succeeded(5), invocation.failed()]


def test_the_method_decides_whether_a_reply_is_due(dispatcher: Dispatcher) -> None:
    for type_ in (MessageType.CALL, MessageType.ONEWAY):
        assert outcomes(dispatcher.read(request("fire", [], type_))) == [None] * 3
        assert None not in outcomes(dispatcher.read(request("ping", [], type_)))
    assert refusal(dispatcher, Message(MessageType.ONEWAY, b"fire", 7, b"")) is None


@pytest.mark.parametrize("type_", [MessageType.REPLY, MessageType.EXCEPTION])
def test_a_reply_is_no_request(dispatcher: Dispatcher, type_: MessageType) -> None:
    with pytest.raises(WireError, match=f"a message of type {type_.name} where a request was due"):
        dispatcher.read(request("ping", [], type_))


class Both:
    """Handles each of two services, and says which it was."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments: f"{self.name}.{method}"


@pytest.mark.parametrize(
    ("method", "isn", "answer"),
    [
        ("shared", None, "A.shared"),
        ("shared", "", "A.shared"),
        ("shared", "A", "A.shared"),
        ("shared", "B", "B.shared"),
        ("shared", "C", None),
        ("mine", None, "B.mine"),
        ("mine", "A", "B.mine"),
        ("mine", "C", "B.mine"),
        ("nobodys", "A", None),
    ],
)
def test_of_several_services_the_named_one_is_asked(method: str, isn: str | None, answer: str | None) -> None:
    idl = "service A { string shared() } service B { string shared(), string mine() }"
    schema = load("two.thrift", lambda path: idl).schema
    both = Interface(schema, "A").bind(Both("A")).beside(Interface(schema, "B").bind(Both("B")))
    info = None if isn is None else Info({"isn": isn})
    message = request(method, [])._replace(info=info)
    if answer is None:
        assert refusal(both, message) == ApplicationError(1, f"unknown method {method}")
    else:
        assert both.read(message).call() == answer


def test_who_names_no_service_can_be_refused(dispatcher: Dispatcher) -> None:
    strict = dispatcher.named_only()
    named = request("ping", [])._replace(info=Info({"isn": "Shop"}))
    assert strict.read(named).operation.method.name == "ping"
    for info in (None, Info(), Info({"isn": ""})):
        unnamed = request("ping", [])._replace(info=info)
        assert refusal(strict, unnamed) == ApplicationError(20, "no service is named for ping")
        with pytest.raises(Refusal) as refused:
            strict.read(unnamed._replace(type=MessageType.ONEWAY))
        assert refused.value.reply is None


def test_a_checksum_is_answered_with_one(dispatcher: Dispatcher) -> None:
    summed = request("nope", [])._replace(info=Info({"crc32c": "6ebaf695"}))
    with pytest.raises(Refusal) as refused:
        dispatcher.read(summed)
    assert refused.value.reply is not None
    assert refused.value.reply.info == Info({"crc32c": ""}, {22: "3"})


def test_two_services_of_one_name_are_an_error() -> None:
    one = Interface(load("a.thrift", lambda path: "service A { void ping() }").schema).bind(Both("A"))
    with pytest.raises(ValueError, match="two services are called A"):
        one.beside(one)


def test_a_handler_has_every_method() -> None:
    shop = Interface(load("shop.thrift", FILES.__getitem__).schema)
    with pytest.raises(TypeError, match=r"^object lacks ping, find, exact, put, fire, from_ of Shop$"):
        shop.bind(object())


def test_a_service_may_be_named() -> None:
    schema = load("shop.thrift", FILES.__getitem__).schema
    assert [m.name for m in Interface(schema, "Other").service.methods] == ["other"]
    with pytest.raises(ValueError, match=r"shop\.thrift declares no service Nope"):
        Interface(schema, "Nope")
    with pytest.raises(ValueError, match=r"base\.thrift declares no service$"):
        Interface(load("base.thrift", FILES.__getitem__).schema)


def test_types_go_by_their_names_in_the_idl(shop: Interface) -> None:
    assert shop.types.Book is shop.types["Book"]
    assert shop.types["base.Base"](name="x").name == "x"
    assert shop.types.Color.GREEN == 2
    assert issubclass(shop.types.NotFound, Exception)
    with pytest.raises(AttributeError, match="the IDL declares no Bok"):
        _ = shop.types.Bok
    with pytest.raises(KeyError):
        _ = shop.types["Bok"]
