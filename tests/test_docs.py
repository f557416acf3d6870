"""What the documents say is so: every setting with its default, and no setting that there is not."""

from __future__ import annotations

from pathlib import Path

from attrs import fields

from txgateway.config import Settings

ROOT = Path(__file__).parent.parent


def toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_configuration_page_lists_every_setting():
    rows = {
        f"| `{setting.name}` | `{toml(setting.default)}` | {setting.metadata['doc']} |"
        for table in fields(Settings)
        for setting in fields(type(table.default))
    }
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    settings, options = "| `", "| `--"
    assert {line for line in page.splitlines() if line.startswith(settings) and not line.startswith(options)} == rows
    assert [f"## [{table.name}]" for table in fields(Settings)] == [
        line for line in page.splitlines() if line.startswith("## [")
    ]
