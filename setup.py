"""What setup.cfg cannot say: what is built where it can be, and how a wheel is tagged that has it, or has not."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from setuptools import Distribution, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools_rust import Binding, RustExtension, Strip

NATIVE = RustExtension(
    "txgateway.core.codec._native",
    path="native/Cargo.toml",
    args=["--locked"],
    binding=Binding.PyO3,
    py_limited_api=True,
    # Without it the gateway works as well, more slowly: no reason to refuse an installation.
    optional=True,
    debug=False,
    strip=Strip.All,
)

# What mypyc compiles is listed there, and what comes of it is put there.
COMPILED = Path("txgateway", "_compiled")

# scripts/test checks types, here they are used. A function without any would be compiled too, and be slow unseen.
MYPY = [
    "--config-file=",
    # Whatever lies around the project is no package of it.
    "--explicit-package-bases",
    "--follow-imports=silent",
    "--ignore-missing-imports",
    "--disallow-untyped-defs",
]


class BuildAll(build):
    sub_commands: ClassVar = [*build.sub_commands, ("build_compiled", None)]


class BuildCompiled(build_ext):
    """Compiles all modules that ``modules.txt`` names or, where that cannot be done, none.

    A command beside ``build_ext``, of which it has the options: that one makes the native codec.
    """

    command_name = "build_compiled"

    def run(self) -> None:
        folder = COMPILED if self.inplace else self.build_lib / COMPILED
        paths = list(map(Path, (COMPILED / "modules.txt").read_text().split()))
        # Of now: whoever edits a source meanwhile gets the Python form.
        told = {
            "modules": [".".join(path.with_suffix("").parts) for path in paths],
            "sources": {
                path.relative_to("txgateway").as_posix(): sha256(path.read_bytes()).hexdigest()
                for path in sorted({COMPILED / "modules.txt", *with_imported(paths)})
            },
        }
        with TemporaryDirectory() as scratch:
            made = {} if os.environ.get("TGW_COMPILED") == "no" else self.made_of(paths, scratch)
            clear(folder)
            folder.mkdir(parents=True, exist_ok=True)
            for name, file in made.items():
                shutil.copy(file, folder / (name + EXTENSION_SUFFIXES[0]))
        if made:
            # At the end: without it the others are not used.
            (folder / "sources.json").write_text(json.dumps(told, indent=1) + "\n")

    def made_of(self, paths: list[Path], scratch: str) -> dict[str, str]:
        """The compiled files by the names of the modules; none, with a warning, if one cannot be made."""
        try:
            return compiled(paths, scratch)
        except (Exception, SystemExit) as error:
            # What mypyc finds wrong it prints, and exits.
            why = "see above" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
            self.warn(f"no module is compiled, the Python form serves ({why})")
            return {}


def compiled(paths: list[Path], scratch: str) -> dict[str, str]:
    """The files made of these modules, and of the library that they share, by their names."""
    # mypyc takes a while before it needs a compiler.
    probe = Path(scratch, "probe.c")
    probe.write_text("#include <Python.h>\n")
    built([Extension("probe", [str(probe)])], scratch)
    # Not before it is needed, for it takes time, and it may not be there.
    from mypyc.build import mypycify

    modules = [*MYPY, *map(str, paths)]
    return built(
        mypycify(modules, opt_level="2", debug_level="0", multi_file=True, group_name="txgateway", target_dir=scratch),
        scratch,
    )


def built(extensions: list[Extension], scratch: str) -> dict[str, str]:
    # By a command of its own: with inplace, the project's would put each beside its source.
    command = BuildSideBySide(Distribution({"ext_modules": extensions}))
    command.build_lib = command.build_temp = scratch
    command.ensure_finalized()
    command.run()
    return {extension.name: command.get_ext_fullpath(extension.name) for extension in extensions}


class BuildSideBySide(build_ext):
    """Keeps all cores busy with the sources of an extension: the library has as many as there are modules."""

    def build_extension(self, extension: Extension) -> None:
        def compiled_object(source: str) -> str:
            (made,) = self.compiler.compile(
                [source],
                self.build_temp,
                include_dirs=extension.include_dirs,
                extra_postargs=extension.extra_compile_args,
            )
            return made

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            extension.extra_objects = list(pool.map(compiled_object, extension.sources))
        extension.sources = []
        super().build_extension(extension)


def with_imported(paths: list[Path]) -> set[Path]:
    """These modules and all of ours that they import, and so on: compiled code relies on their types and constants."""
    found: set[Path] = set()
    todo = list(paths)
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo.extend(imported(path))
    return found


def imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            source = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            # What is imported from a package may be a module of it.
            for module in (source, *(source / alias.name for alias in node.names)):
                for file in (module.with_suffix(".py"), module.with_suffix(".pyi"), module / "__init__.py"):
                    if file.is_file():
                        yield file


def clear(folder: Path) -> None:
    """Remove what was compiled before."""
    for stale in (folder / "sources.json", *folder.glob("*.so"), *folder.glob("*.pyd")):
        stale.unlink(missing_ok=True)


class HonestWheel(bdist_wheel):
    """A wheel is tagged by what it was to contain; this one by what it does."""

    def run(self) -> None:
        build_lib = Path(self.get_finalized_command("build").build_lib)
        folder = build_lib.joinpath(*NATIVE.name.split(".")[:-1])
        for stale in folder.glob("_native*"):
            stale.unlink()
        if not self.skip_build:
            self.run_command("build")
            # Else all extensions would be built once more.
            self.skip_build = True
        if (build_lib / COMPILED / "sources.json").exists():
            # These are for one version of Python, whatever the native codec is for.
            self.py_limited_api = False
        elif not any(folder.glob("_native*.so")) and not any(folder.glob("_native*.pyd")):
            self.distribution.rust_extensions = []
            self.distribution.has_ext_modules = lambda: False
            self.root_is_pure = True
        super().run()


setup(
    rust_extensions=[NATIVE],
    cmdclass={"build": BuildAll, "build_compiled": BuildCompiled, "bdist_wheel": HonestWheel},
)
