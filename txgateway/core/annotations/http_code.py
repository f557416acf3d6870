"""``api.http_code``: the field of the result that is the HTTP status."""

from __future__ import annotations

from ..errors import UnusableReply
from ..text import written
from . import Head, Target, marks, targets

marks.register("api.http_code")("the status of the response")


@targets.register("api.http_code")
class HttpCode(Target):
    """An integer, or a text of digits. 0 sets nothing, as if the field were absent."""

    def put(self, value: object, head: Head) -> None:
        text = written(value)
        if text == b"0":
            return
        # 1xx is no answer: whoever reads one goes on waiting, and takes the body for the next.
        if len(text) != 3 or not text.isdigit() or not 200 <= int(text) <= 599:
            raise UnusableReply("The field for the HTTP status holds no status")
        head.status = int(text)
