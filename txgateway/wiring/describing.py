"""The OpenAPI documents of what is served: one for the public port, and one for the admin port."""

from __future__ import annotations

from collections.abc import Callable

from ..config import Settings
from ..core.openapi.document import About
from ..net.admin.ui import considerately
from ..net.background import Background
from ..net.mapping.live import LiveMapping
from ..net.openapi import Descriptions


class Describing:
    """
    :ivar admin: those that are shown at the admin port, and say where the public port is.
    :ivar public: those that the public port shows, which is where they are.
    """

    def __init__(
        self, settings: Callable[[], Settings], live: LiveMapping, drawing: Background, address: Callable[[], str]
    ) -> None:
        """:param address: gives that of the public port, as a URL without a path; empty: not known."""
        self._settings = settings
        self._live = live
        self._drawing = drawing
        self.admin = self._descriptions(lambda: self._about(address()))
        self.public = self._descriptions(lambda: self._about(""))

    def _descriptions(self, about: Callable[[], About]) -> Descriptions:
        drawing = self._drawing
        return Descriptions(lambda: self._live.loaded, about, considerately(drawing.run), drawing.breathe)

    def _about(self, address: str) -> About:
        """What a document says that no IDL does.

        :param address: where no setting says how others reach the public port; empty: it is the document's.
        """
        settings = self._settings()
        servers = settings.openapi.servers or ((address,) if address else ())
        version = settings.openapi.version or self._live.loaded.digest
        return About(settings.openapi.title, version, servers, settings.http.request_id, settings.openapi.calls)
