"""An event-driven API gateway on Twisted: HTTP and JSON in front, Thrift services behind."""

from . import _compiled

__version__ = "0.1.0"

_compiled.install()
