"""What pip installs: a wheel brings both ``twistd`` commands and all data, and so does an editable install."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow

LIST_COMMANDS = """
from twisted.scripts.twistd import ServerOptions
print(*sorted(name for name, *_ in ServerOptions().subCommands))
"""
LOAD_COMMANDS = """
import bookservice.tap, txgateway.tap, txgateway
print(txgateway.__file__)
"""


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints, run where it cannot find the checkout by accident."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
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
            "setup.cfg",
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
    run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, source], folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The interpreter of a fresh environment with the wheel; dependencies are borrowed from ours."""
    folder = tmp_path_factory.mktemp("environment")
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


def test_the_editable_install_brings_both_commands(tmp_path):
    listed = run([sys.executable, "-c", LIST_COMMANDS], tmp_path).split()
    assert {"book", "tgw"} <= set(listed)
