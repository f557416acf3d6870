"""Makes ``twistd tgw`` known to Twisted; the work is in ``txgateway.tap``."""

import sys
from typing import Any

from twisted.application.service import ServiceMaker


class _Maker(ServiceMaker):
    """Has the gateway run on its own reactor, where there is epoll and ``twistd --reactor`` chose none.

    That must be settled before anything imports the reactor, as what the options need does.
    """

    @property
    def options(self) -> Any:
        if sys.platform.startswith("linux"):
            from txgateway.net.reactor import install_unless_chosen

            install_unless_chosen()
        return super().options


tgw = _Maker(
    "txgateway",
    "txgateway.tap",
    "An API gateway: HTTP and JSON in front, Thrift services behind, mapped by their annotated IDL.",
    "tgw",
)
