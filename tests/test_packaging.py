"""What pip installs: a wheel brings both ``twistd`` commands and all data, and so does an editable install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.test_compiled import SOURCES, is_buildable

ROOT = Path(__file__).parent.parent
# What this process was told, or its Python.
OURS = ("PYTHON", "TGW_COMPILED")

pytestmark = pytest.mark.slow

LIST_COMMANDS = """
from twisted.scripts.twistd import ServerOptions
print(*sorted(name for name, *_ in ServerOptions().subCommands))
"""
LOAD_COMMANDS = """
import bookservice.tap, txgateway.tap, txgateway
print(txgateway.__file__)
"""


WHICH_CODEC = """
from txgateway import _compiled
from txgateway.core.codec.native import AUTO, chosen
print(chosen(AUTO), "compiled" if _compiled.serves() else "not compiled")
"""
SERVE = """
from txgateway.core.linker import load
from txgateway.core.mapping import compile_service
from txgateway.core.message import MessageType, Reply, Request
idl = 'struct S { 1: string s (api.query="s") }\\nservice X { S f(1: S s) (api.get="/f") }'
plan = compile_service("x", load("x.thrift", {"x.thrift": idl}.__getitem__).schema).routes[0].plan
sent = plan.encode(plan.bind(Request("GET", b"/f?s=hello"), {}))
reply = Reply(MessageType.REPLY, b"f", b"\\x0c\\0\\0" + sent[3:])
print(plan.codecs.request, plan.render(plan.decode(reply)).body.decode())
"""


def run(command: Sequence[str | Path], folder: Path, **more: str) -> str:
    """What a command prints, run where it cannot find the checkout by accident."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | more
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_wheel(folder: Path, **environment: str) -> Path:
    # Built from a copy: what lies in the checkout beside it must not matter, nor be touched.
    source = folder / "source"
    tracked = run(
        [
            "git",
            "ls-files",
            "-z",
            "txgateway",
            "bookservice",
            "twisted",
            "native",
            "setup.cfg",
            "setup.py",
            "MANIFEST.in",
            "pyproject.toml",
            "README.md",
            "idl",
        ],
        ROOT,
    )
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    # What an earlier build has left where this one puts what it makes.
    left = source / "build" / f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / "txgateway"
    for name in ("_compiled/old.so", "_compiled/sources.json", "core/codec/_native.abi3.so"):
        (left / name).parent.mkdir(parents=True, exist_ok=True)
        (left / name).write_bytes(b"{}")
    run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, source], folder, **environment)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Made where there is no cargo and no C compiler."""
    nothing = {"PATH": "/usr/bin:/bin", "CARGO": "/nowhere/cargo", "CC": "/nowhere/cc"}
    return built_wheel(tmp_path_factory.mktemp("wheel"), **nothing)


@pytest.fixture(scope="module")
def native_wheel(tmp_path_factory) -> Path:
    """Made where there is a cargo, out of what the checkout has compiled already."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo")
    target = str(ROOT / "native" / "target")
    return built_wheel(tmp_path_factory.mktemp("native"), CARGO_TARGET_DIR=target, TGW_COMPILED="no")


@pytest.fixture(scope="module")
def compiled_wheel(tmp_path_factory) -> Path:
    """Made where there is a C compiler, and no cargo."""
    return built_wheel(tmp_path_factory.mktemp("compiled"), CARGO="/nowhere/cargo")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    return interpreter_with(wheel, tmp_path_factory.mktemp("environment"))


def interpreter_with(wheel: Path, folder: Path) -> Path:
    """The interpreter of a fresh environment with the wheel; dependencies are borrowed from ours."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (target,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    # A plain path entry: .pth files of the borrowed folder, our own editable install among them, are not read.
    (target / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_a_wheel_brings_both_commands(installed, tmp_path):
    listed = run([installed, "-c", LIST_COMMANDS], tmp_path).split()
    assert {"book", "tgw"} <= set(listed)


def test_a_wheel_is_what_is_imported(installed, tmp_path):
    imported = run([installed, "-c", LOAD_COMMANDS], tmp_path).strip()
    assert Path(imported).is_relative_to(installed.parent.parent)


def test_a_wheel_holds_grammars_idl_and_type_marker_but_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "txgateway/core/idl.lark",
        "txgateway/core/vd.lark",
        "txgateway/py.typed",
        "bookservice/book.thrift",
    ):
        assert any(name.endswith(wanted.rpartition("/")[2]) for name in names), wanted
    assert not [name for name in names if name.startswith(("tests", "idl", "benchmarks"))]
    assert not [name for name in names if name == "twisted/__init__.py" or name == "twisted/plugins/__init__.py"]


def test_a_wheel_of_python_alone_is_pure_and_works(wheel, installed, tmp_path):
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".so", "sources.json"))]
    assert run([installed, "-c", WHICH_CODEC], tmp_path) == "plain not compiled\n"
    assert run([installed, "-c", SERVE], tmp_path) == 'plain {"s":"hello"}\n'


def test_a_wheel_with_the_native_codec_is_for_the_stable_abi_and_uses_it(native_wheel, tmp_path):
    assert re.search(r"-cp311-abi3-\w+\.whl$", native_wheel.name)
    names = zipfile.ZipFile(native_wheel).namelist()
    assert [name for name in names if name.endswith((".so", "sources.json"))] == [
        "txgateway/core/codec/_native.abi3.so"
    ]
    assert not [name for name in names if name.endswith((".rs", "Cargo.toml"))]
    python = interpreter_with(native_wheel, tmp_path / "environment")
    assert run([python, "-c", WHICH_CODEC], tmp_path) == "native not compiled\n"
    assert run([python, "-c", SERVE], tmp_path) == 'native {"s":"hello"}\n'


@is_buildable
def test_a_wheel_with_compiled_modules_is_for_one_python_and_uses_them(compiled_wheel, tmp_path):
    python_tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert re.search(rf"-{python_tag}-{python_tag}-\w+\.whl$", compiled_wheel.name)
    names = {name for name in zipfile.ZipFile(compiled_wheel).namelist() if name.endswith((".so", ".json"))}
    modules = [source.removesuffix(".py").replace("/", ".") for source in SOURCES]
    files = {f"txgateway/_compiled/{name}{EXTENSION_SUFFIXES[0]}" for name in ("txgateway__mypyc", *modules)}
    assert names == {"txgateway/_compiled/sources.json", *files}
    python = interpreter_with(compiled_wheel, tmp_path / "environment")
    assert run([python, "-c", WHICH_CODEC], tmp_path) == "plain compiled\n"
    assert run([python, "-c", SERVE], tmp_path) == 'plain {"s":"hello"}\n'


def test_the_editable_install_brings_both_commands(tmp_path):
    listed = run([sys.executable, "-c", LIST_COMMANDS], tmp_path).split()
    assert {"book", "tgw"} <= set(listed)
