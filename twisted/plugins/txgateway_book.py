"""Makes ``twistd book`` known to Twisted; the work is in ``bookservice.tap``."""

from twisted.application.service import ServiceMaker

book = ServiceMaker(
    "book",
    "bookservice.tap",
    "The Book service: a Thrift service that registers itself, for the gateway to call.",
    "book",
)
