"""The IDL in folders and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.idl import decode
from ...core.idl_files import idl_files
from ...core.loading import LoadedMapping, load_mapping
from ...core.mapping import MappingSettings

# A file that is larger is no IDL that somebody wrote.
MAX_FILE_BYTES = 16 * 1024 * 1024


def load_folders(
    paths: Sequence[str], include_dirs: Sequence[str], settings: MappingSettings = MappingSettings()
) -> LoadedMapping:
    """Load what lies at these paths: files, and folders whose every IDL file may declare services.

    Blocks, about 5 s for 2,000 methods. Raises OSError if there is nothing at a path.
    """
    roots = [root for path in paths for root in _roots(Path(path))]
    return load_mapping(dict.fromkeys(roots), read_file, include_dirs, settings)


def read_file(path: str) -> str:
    """The text of a file, comments in any encoding; raises OSError, also for one too large."""
    with open(path, "rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
    return decode(content)


def _roots(path: Path) -> list[str]:
    if not path.is_dir():
        path.stat()
        return [str(path)]
    below = (str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    return [str(path / name) for name in idl_files(below)]
