"""Which files of a folder are IDL: the same for the running gateway and for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath


def is_idl(path: str) -> bool:
    """Whether a path below an IDL folder, relative to it, is to be loaded.

    Every ``*.thrift`` counts, in sub-folders too. Hidden files and folders do not: editors keep their
    locks and copies there (``.#x``, ``.x.swp``), and so does a mounted ConfigMap (``..data``). Nor do
    the copies ``x~`` and ``#x#``, whatever they end in.
    """
    parts = PurePosixPath(path).parts
    if not parts or any(part.startswith(".") for part in parts):
        return False
    return parts[-1].endswith(".thrift") and not parts[-1].startswith(("#", "~"))


def idl_files(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that are IDL, sorted: a folder means the same whatever order it is listed in."""
    return tuple(sorted(p for p in paths if is_idl(p)))


def service_name(path: str) -> str:
    """The name under which the registry knows a file's services, unless ``tgw.name`` says another: the stem."""
    return PurePosixPath(path).stem


# In front of the paths of files that were pushed into etcd: no file of a folder is called so.
PUSHED = "etcd:/"


def origin(path: str) -> str:
    """The source that a file is of: ``etcd`` or ``folder``."""
    return "etcd" if path.startswith(PUSHED) else "folder"
