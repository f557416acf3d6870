"""Syntax trees to descriptors: finds the includes of a file and looks every name up."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import field, frozen

from .descriptor import Position, Schema
from .errors import Diagnostic, IdlError, Severity
from .idl import Parsed, parse
from .linked_file import Include, LinkedFile
from .syntax import FileNode, IncludeNode

# Bounds on foreign text; public IDL stays far below each of them.
MAX_FILES = 1_000
MAX_INCLUDE_DEPTH = 64
MAX_DIAGNOSTICS = 100

Read = Callable[[str], str]


@frozen
class Loaded:
    """A file that links, what is odd in it, and the text of every file that took part, by its path."""

    schema: Schema
    warnings: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(factory=dict, hash=False, repr=False)


class Cache:
    """Files parsed and linked before, by path: for loading many roots that share includes, again and again.

    An entry is used while the text of the file and of its includes is what it was, so a stale one does no harm.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[str, Parsed]] = {}
        self._linked: dict[str, tuple[Parsed, tuple[LinkedFile | None, ...], LinkedFile]] = {}

    def parsed(self, path: str, text: str, breathe: Callable[[], None]) -> Parsed:
        known = self._parsed.get(path)
        if known is None or known[0] != text:
            known = self._parsed[path] = (text, parse(path, text, breathe))
        return known[1]

    def linked(
        self, parsed: Parsed, tree: FileNode, includes: Sequence[Include], breathe: Callable[[], None]
    ) -> LinkedFile:
        path, files = parsed.source.path, tuple(i.file for i in includes)
        known = self._linked.get(path)
        if known is None or known[0] is not parsed or not _same(known[1], files):
            known = self._linked[path] = (parsed, files, LinkedFile(parsed, tree, includes, breathe))
        return known[2]

    def keep(self, paths: Iterable[str]) -> None:
        """Forget every file but these."""
        kept = set(paths)
        self._parsed = {p: v for p, v in self._parsed.items() if p in kept}
        self._linked = {p: v for p, v in self._linked.items() if p in kept}


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def load(
    path: str,
    read: Read,
    include_dirs: Iterable[str] = (),
    *,
    cache: Cache | None = None,
    breathe: Callable[[], None] = lambda: None,
) -> Loaded:
    """Load an IDL file with everything that it includes.

    :param read: gives the text at a path, or raises OSError (or UnicodeError).
    :param include_dirs: where an include is looked for when it is not beside the including file.
    :param breathe: called some times in a millisecond, by whoever loads beside other work.
    :raises IdlError: with every error that was found.
    """
    files = _Files(read, tuple(include_dirs), cache or Cache(), breathe)
    root = files.open(posixpath.normpath(path))
    errors = files.errors + [e for f in files.linked.values() for e in f.diagnostics(Severity.ERROR)]
    warnings = [w for f in files.linked.values() for w in f.diagnostics(Severity.WARNING)]
    if errors or root is None:
        raise IdlError(_limited(errors) + _limited(warnings))
    sources = {path: f.source.text for path, f in files.linked.items()}
    return Loaded(_schema(root, files.linked), _limited(warnings), sources)


def _limited(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    shown = tuple(dict.fromkeys(diagnostics))
    if len(shown) <= MAX_DIAGNOSTICS:
        return shown
    last = shown[MAX_DIAGNOSTICS]
    more = f"and {len(shown) - MAX_DIAGNOSTICS} more of this kind"
    return (*shown[:MAX_DIAGNOSTICS], Diagnostic(more, last.position, last.severity))


def _schema(root: LinkedFile, linked: Mapping[str, LinkedFile]) -> Schema:
    return Schema(
        file=root.source.path,
        services=root.own_services(),
        structs=root.all_structs,
        enums=root.all_enums,
        constants=root.all_constants,
        namespaces=tuple((n.scope, n.name) for n in root.tree.namespaces),
        files=(root.source.path, *sorted(linked.keys() - {root.source.path})),
    )


# --- Files and includes -----------------------------------------------------------------


class _Files:
    """Opens files and what they include, each once."""

    def __init__(self, read: Read, include_dirs: tuple[str, ...], cache: Cache, breathe: Callable[[], None]) -> None:
        self._read = read
        self._include_dirs = include_dirs
        self._cache = cache
        self._breathe = breathe
        self._chain: list[str] = []
        self._texts: dict[str, str | OSError | UnicodeError] = {}
        self._opened: dict[str, LinkedFile | None] = {}
        self.linked: dict[str, LinkedFile] = {}
        self.errors: list[Diagnostic] = []

    def open(self, path: str) -> LinkedFile | None:
        """The linked file, or None where it or an include cannot be used; the errors say why."""
        if path not in self._opened:
            text = self._text(path)
            if isinstance(text, str):
                self._chain.append(path)
                self._opened[path] = self._link(path, text)
                self._chain.pop()
            else:
                self.errors.append(Diagnostic(f"the file {_why(text)}", Position(path, 0, 0)))
                self._opened[path] = None
        return self._opened[path]

    def _text(self, path: str) -> str | OSError | UnicodeError:
        if path not in self._texts:
            try:
                # A NUL would be a ValueError to most readers.
                self._texts[path] = FileNotFoundError(path) if "\0" in path else self._read(path)
            except (OSError, UnicodeError) as e:
                self._texts[path] = e
        return self._texts[path]

    def _link(self, path: str, text: str) -> LinkedFile | None:
        parsed = self._cache.parsed(path, text, self._breathe)
        self.errors += parsed.errors
        if parsed.tree is None:
            return None
        includes = [Include(_stem(i.path), self._include(parsed, i)) for i in parsed.tree.includes]
        file = self._cache.linked(parsed, parsed.tree, includes, self._breathe)
        self.linked[path] = file
        return file

    def _include(self, parsed: Parsed, node: IncludeNode) -> LinkedFile | None:
        found = self._find(parsed.source.path, node.path)
        problem, hint = "", f"included by {' -> '.join(self._chain)}"
        if not found:
            problem = f"there is no '{node.path}' here or in an include folder"
        elif found in self._chain:
            problem = "the files include each other"
            hint = " -> ".join([*self._chain[self._chain.index(found) :], found])
        elif isinstance(text := self._text(found), (OSError, UnicodeError)):
            problem = f"'{found}' {_why(text)}"
        elif len(self._chain) >= MAX_INCLUDE_DEPTH:
            problem, hint = f"includes are nested more than {MAX_INCLUDE_DEPTH} deep", ""
        elif len(self._opened) >= MAX_FILES:
            problem, hint = f"more than {MAX_FILES} files are included", ""
        if problem:
            self.errors.append(parsed.source.diagnostic(node, problem, hint))
            return None
        return self.open(found)

    def _find(self, includer: str, path: str) -> str:
        """Beside the including file, in the include folders, and at last as written, as Kitex does first."""
        for folder in (posixpath.dirname(includer), *self._include_dirs, ""):
            candidate = posixpath.normpath(posixpath.join(folder, path))
            text = self._text(candidate)
            if not isinstance(text, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
                return candidate
        return ""


def _why(error: OSError | UnicodeError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist"
        case IsADirectoryError():
            return "is a folder"
        case PermissionError():
            return "may not be read"
        case UnicodeError():
            return "is not UTF-8 text"
    return "cannot be read"


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]
