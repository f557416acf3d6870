"""Makes ``twistd tgw`` known to Twisted; the work is in ``txgateway.tap``."""

from twisted.application.service import ServiceMaker

tgw = ServiceMaker(
    "txgateway",
    "txgateway.tap",
    "An API gateway: HTTP and JSON in front, Thrift services behind, mapped by their annotated IDL.",
    "tgw",
)
