"""The server's side of a service, without a socket: requests to invocations, outcomes to replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson
from attrs import evolve, field, frozen

from . import metainfo
from .codec import exception
from .codec.binary import EncodeError, decode, encode_checked
from .codec.exception import ApplicationError, Kind
from .codec.structs import Structs, ThriftStruct, attribute
from .descriptor import Method, Schema, Service, StructKind, StructType
from .errors import WireError
from .framing import Info, Message
from .framing.ttheader import CHECKSUM, CLOSING, IDL_SERVICE, Key
from .message import MessageType
from .metainfo import Metainfo

# A result struct without fields: that of a void method.
VOID = b"\0"


class Types:
    """The classes of an IDL file's structs, exceptions and enums, by their names in it::

        types.QueryBookResp(ID="7", Title="Dune")
        raise types.BookNotFound(Msg="no such book")

    What an include declares is found by ``types["base.Base"]``.
    """

    def __init__(self, structs: Structs) -> None:
        self._structs = structs

    def __getitem__(self, name: str) -> Any:
        """Raises KeyError."""
        try:
            return self._structs.named(name)
        except KeyError:
            return self._structs.enum_named(name)

    def __getattr__(self, name: str) -> Any:
        try:
            found = self[name]
        except KeyError:
            raise AttributeError(f"the IDL declares no {name}") from None
        setattr(self, name, found)
        return found


class Refusal(Exception):
    """A request that the handler never sees.

    :ivar reply: what its sender is told; None if it asked for no reply.
    """

    def __init__(self, reply: Message | None) -> None:
        super().__init__()
        self.reply = reply


class StatusError(Exception):
    """Raised by a handler: the call ends with a code and a text of the application's own.

    A caller over TTHeader gets both, as Kitex's status error. The other transports have
    no room for them; there it is an EXCEPTION with the text, for to an empty reply, as
    Kitex sends it, a caller would take it for a success.

    :param extra: further texts by name.
    """

    def __init__(self, code: int, message: str = "", extra: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.extra = extra

    def strings(self) -> dict[str, str]:
        """The keys in which it travels."""
        texts = {"biz-status": str(self.code), "biz-message": self.message}
        if self.extra:
            texts["biz-extra"] = orjson.dumps(dict(self.extra)).decode()
        return texts


@frozen
class Operation:
    """A method with all that serving it takes, compiled once.

    :ivar handle: the handler's own method.
    :ivar absent: by attribute, in the IDL's order, what an argument is that was not sent.
    :ivar declared: by attribute of the result, the exceptions that the handler may raise.
    """

    method: Method
    handle: Callable[..., Any]
    arguments: type[ThriftStruct]
    result: type[ThriftStruct]
    absent: tuple[tuple[str, Any], ...]
    declared: tuple[tuple[str, type[ThriftStruct]], ...]

    def read(self, payload: bytes) -> list[Any]:
        """The arguments. Raises WireError."""
        sent = decode(self.arguments, payload).__dict__
        return [sent.get(name, absent) for name, absent in self.absent]

    def write(self, value: Any) -> bytes:
        """The result struct of a call that succeeded.

        :raises EncodeError: this is not what the IDL declares.
        """
        if self.method.result is None:
            return VOID
        if value is None:
            raise EncodeError("nothing was returned")
        return self._encode(success=value)

    def write_declared(self, error: BaseException) -> bytes | None:
        """The result struct for an exception that the IDL declares; None for any other."""
        for name, cls in self.declared:
            if isinstance(error, cls):
                return self._encode(**{name: error})
        return None

    def _encode(self, **values: Any) -> bytes:
        return encode_checked(self.result(**values))


@frozen
class Invocation:
    """One request, read: the handler is to be called, and this makes the reply of what comes of it.

    A method that is declared oneway gets no reply, and any other does, whatever type its request has.

    :ivar answer: string keys that go back with the reply, over TTHeader: Kitex's backward values.
    """

    operation: Operation
    request: Message
    arguments: list[Any]
    answer: dict[str, str] = field(factory=dict)

    @property
    def metainfo(self) -> Metainfo:
        """What the caller said beside the call."""
        return metainfo.read(self.request.info)

    def call(self) -> Any:
        """What the handler gives: a value, or one that comes later."""
        return self.operation.handle(*self.arguments)

    def succeeded(self, value: Any) -> Message | None:
        """Raises EncodeError if this is not what the IDL declares: then it :meth:`failed`."""
        if self.operation.method.oneway:
            return None
        return reply_to(self.request, self.operation.write(value), self.answer)

    def declared(self, error: BaseException) -> Message | None:
        """The reply for an exception that the IDL declares, or a StatusError; None for any other.

        May raise EncodeError.
        """
        if isinstance(error, StatusError):
            return self._status(error)
        payload = self.operation.write_declared(error)
        return None if payload is None else reply_to(self.request, payload, self.answer)

    def _status(self, error: StatusError) -> Message | None:
        if self.request.info is None:
            return refusal_of(self.request, Kind.INTERNAL_ERROR, error.message)
        return reply_to(self.request, VOID, {**self.answer, **error.strings()})

    def failed(self) -> Message | None:
        """The reply for anything else that went wrong. What it was is for our log, not for the caller."""
        if self.operation.method.oneway:
            return None
        return refusal_of(self.request, Kind.INTERNAL_ERROR, f"{self.operation.method.name} failed")


Operations = Mapping[bytes, Operation]


class Dispatcher:
    """Finds what a request asks for, among the methods of one service or of several on one port.

    A TTHeader may name the service as the IDL does. Who names none, as over the other
    transports, gets the method from the first service that has it; who names one that is
    not here or lacks the method, from the only one that has it.
    """

    def __init__(self, services: Mapping[str, Operations], *, named_only: bool = False) -> None:
        """:param services: by their names in the IDL; the first one comes first where nobody is named.
        :param named_only: refuse who names none.
        """
        self._services = services
        self._named_only = named_only
        holders: dict[bytes, list[Operation]] = {}
        for operations in services.values():
            for name, operation in operations.items():
                holders.setdefault(name, []).append(operation)
        self._first = {name: found[0] for name, found in holders.items()}
        self._only = {name: found[0] for name, found in holders.items() if len(found) == 1}

    def beside(self, *others: Dispatcher) -> Dispatcher:
        """These services, and then the others'. Raises ValueError if two have one name."""
        services = dict(self._services)
        for other in others:
            for name, operations in other._services.items():
                if name in services:
                    raise ValueError(f"two services are called {name}")
                services[name] = operations
        return Dispatcher(services, named_only=self._named_only)

    def named_only(self) -> Dispatcher:
        """The same services, for those alone who name one: nobody over another transport than TTHeader can."""
        return Dispatcher(self._services, named_only=True)

    def read(self, request: Message) -> Invocation:
        """
        :raises Refusal: there is no such method, or these are not its arguments.
        :raises WireError: this is no request at all.
        """
        if request.type not in (MessageType.CALL, MessageType.ONEWAY):
            raise WireError(f"a message of type {request.type.name} where a request was due")
        name = request.method.decode("utf-8", "replace")
        if self._named_only and not _wanted(request):
            raise _unknown(request, Kind.UNKNOWN_SERVICE, f"no service is named for {name}")
        operation = self._find(request)
        if operation is None:
            raise _unknown(request, Kind.UNKNOWN_METHOD, f"unknown method {name}")
        try:
            return Invocation(operation, request, operation.read(request.payload))
        except WireError as error:
            if operation.method.oneway:
                raise Refusal(None) from None
            raise Refusal(refusal_of(request, Kind.PROTOCOL_ERROR, f"the arguments of {name}: {error}")) from None

    def _find(self, request: Message) -> Operation | None:
        wanted = _wanted(request)
        if not wanted:
            return self._first.get(request.method)
        return self._services.get(wanted, {}).get(request.method) or self._only.get(request.method)


class Interface:
    """What a server offers: one service of an IDL.

    :ivar structs: the classes for the codec.
    :ivar types: those of them that a handler needs for its results and exceptions, by name.
    """

    def __init__(self, schema: Schema, service: str | None = None) -> None:
        """:param service: its name in the IDL; by default the last one of the file, as Kitex has it.

        Raises ValueError if there is none.
        """
        self.schema = schema
        self.service = _service(schema, service)
        self.structs = Structs(schema)
        self.types = Types(self.structs)

    def bind(self, handler: object) -> Dispatcher:
        """A handler has a method of its own for each one of the service, inherited ones included.

        They are named as in the IDL; a name that Python reserves gets a ``_``: ``from_``.

        :raises TypeError: the handler lacks some.
        """
        names = {method: attribute(method.name) for method in self.service.methods}
        lacking = [name for name in names.values() if not callable(getattr(handler, name, None))]
        if lacking:
            raise TypeError(f"{type(handler).__name__} lacks {', '.join(lacking)} of {self.service.name}")
        operations = {m.name.encode(): self._operation(m, getattr(handler, name)) for m, name in names.items()}
        return Dispatcher({self.service.name.name: operations})

    def _operation(self, method: Method, handle: Callable[..., Any]) -> Operation:
        arguments, result = self.structs.arguments(method), self.structs.result(method)
        # The classes write nothing that is not set; what an argument that was not sent
        # reads as follows the rules of a plain struct.
        plain = evolve(arguments.__declaration__, kind=StructKind.STRUCT)
        return Operation(
            method=method,
            handle=handle,
            arguments=arguments,
            result=result,
            absent=tuple(
                (name, self.structs.rest(plain, each))
                for name, each in zip(arguments.__names__, plain.fields, strict=True)
            ),
            declared=tuple(
                (name, self.structs[each.type.name])
                for name, each in zip(result.__names__, result.__declaration__.fields, strict=True)
                if each.id != 0 and isinstance(each.type, StructType)
            ),
        )


def _wanted(request: Message) -> str:
    """The service that the request names; empty if it names none."""
    return request.info.strings.get(IDL_SERVICE, "") if request.info else ""


def _unknown(request: Message, kind: Kind, text: str) -> Refusal:
    # Who sends a oneway message reads no reply, and might take one for that to its next call.
    return Refusal(None if request.type is MessageType.ONEWAY else refusal_of(request, kind, text))


def reply_to(request: Message, payload: bytes, strings: Mapping[str, str] = MappingProxyType({})) -> Message:
    info = _answering(request.info, strings, "2")
    return Message(MessageType.REPLY, request.method, request.sequence, payload, info)


def refusal_of(request: Message, kind: Kind, text: str) -> Message:
    payload = exception.encode(ApplicationError(kind, text))
    info = _answering(request.info, {}, "3")
    return Message(MessageType.EXCEPTION, request.method, request.sequence, payload, info)


def _answering(request: Info | None, strings: Mapping[str, str], type_: str) -> Info | None:
    if request is None:
        return None
    if CHECKSUM in request.strings:
        # Who sends one may want one back.
        strings = {**strings, CHECKSUM: ""}
    return Info(strings, {Key.MESSAGE_TYPE: type_})


def farewell(reply: Message) -> Message:
    """The same reply, with the sign that this connection is not to be used again, where there is room for it."""
    if reply.info is None:
        return reply
    return reply._replace(info=reply.info._replace(strings={**reply.info.strings, CLOSING: "1"}))


def _service(schema: Schema, name: str | None) -> Service:
    if name is None and schema.services:
        return schema.services[-1]
    for service in schema.services:
        if service.name.name == name:
            return service
    raise ValueError(f"{schema.file} declares no service" + (f" {name}" if name else ""))
