"""The table of known annotations knows all that is implemented."""

from __future__ import annotations

from txgateway.core import annotations
from txgateway.core.annotation_lint import complaint
from txgateway.core.annotations.known import KNOWN, Place


def test_every_annotation_that_does_something_is_known() -> None:
    annotations.load()
    fields = {*annotations.sources, *annotations.targets, *annotations.keys, *annotations.marks}
    for place, names in ((Place.FIELD, fields), (Place.METHOD, set(annotations.verbs))):
        # The older families are other people's words where they are not switched on.
        ours = {name for name in names if name.startswith(("api.", "go.", "tgw."))}
        assert ours
        assert {name for name in ours if place not in KNOWN.get(name, ())} == set()


def test_keys_have_no_case() -> None:
    assert complaint("API.Query", Place.FIELD) is None
    assert complaint("API.Query", Place.METHOD) == ("'API.Query' does nothing on a method", "it belongs to a field")
