"""The compiled form of some modules, if it was built: whether it serves is decided here, once, and for all of them.

``setup.py`` compiles what ``modules.txt`` names, and puts it into this folder: beside its source, an extension would go
before it however often that is edited. ``sources.json`` says what was compiled, with the digests of all sources whose
types and constants it relies on. Where one of them has changed, or a file is missing, all modules are imported from
their sources, as ever: compiled ones know the layout of each other's classes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

# Holds the code of all; the file with a module's name only asks this one for the module.
_LIBRARY = "txgateway__mypyc"
_FOLDER = Path(__file__).parent


class _Finder(MetaPathFinder):
    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        if file is None:
            return None
        return spec_from_file_location(fullname, file, loader=ExtensionFileLoader(fullname, str(file)))


def install() -> None:
    """Have the compiled form imported from now on, if it is as it should be and TGW_COMPILED is not ``no``."""
    files = {} if os.environ.get("TGW_COMPILED") == "no" else _files()
    if not files:
        return
    finder = _Finder(files)
    sys.meta_path.insert(0, finder)
    try:
        import_module(_LIBRARY)
    except ImportError:
        # Of another C library or processor, which its name does not tell.
        sys.meta_path.remove(finder)


def serves() -> bool:
    """Whether the compiled form serves, and not the Python one."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def _files() -> dict[str, Path]:
    """The file of each compiled module and of the library; none at all if one is missing or a source has changed."""
    try:
        made_of = json.loads((_FOLDER / "sources.json").read_bytes())
        for source, digest in made_of["sources"].items():
            if sha256((_FOLDER.parent / source).read_bytes()).hexdigest() != digest:
                return {}
    except (OSError, ValueError):
        return {}
    # Of this very Python: the suffix names its version, and the platform.
    files = {name: _FOLDER / (name + EXTENSION_SUFFIXES[0]) for name in (_LIBRARY, *made_of["modules"])}
    return files if all(file.exists() for file in files.values()) else {}
