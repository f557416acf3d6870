"""An event-driven API gateway on Twisted: HTTP and JSON in front, Thrift services behind."""

__version__ = "0.1.0"
