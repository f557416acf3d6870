"""Makes ``twistd --reactor=tgw-epoll`` known to Twisted; the work is in ``txgateway.net.reactor``."""

from twisted.application.reactors import Reactor

tgw_epoll = Reactor("tgw-epoll", "txgateway.net.reactor", "epoll without a logging context around each read (Linux).")
