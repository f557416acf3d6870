"""``api.js_conv``: numbers may come as text, and an i64 is answered as text, for JavaScript rounds large ones."""

from __future__ import annotations

from . import marks

JS_CONV = "api.js_conv"
marks.register(JS_CONV)("numbers as text")
