"""Brings the tables of docs/configuration.md up to date with the settings that config.py declares."""

from __future__ import annotations

from pathlib import Path

from txgateway.config import TABLES
from txgateway.core.settings_text import reference

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

PAGE.write_text(reference(PAGE.read_text("utf-8"), TABLES), "utf-8")
