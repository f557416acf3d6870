"""The compiled form of modules: it serves where it can be built, and never for sources that it was not made of."""

from __future__ import annotations

import ast
import inspect
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.metadata import packages_distributions
from pathlib import Path
from types import MethodDescriptorType, WrapperDescriptorType

import pytest

from tests.end_to_end.twistd import GatewayProcess
from txgateway import _compiled

ROOT = Path(__file__).parent.parent
SOURCES = (ROOT / "txgateway" / "_compiled" / "modules.txt").read_text().split()
LIBRARY = f"txgateway__mypyc{EXTENSION_SUFFIXES[0]}"
WHICH_FORM = """
from txgateway import _compiled, core
from txgateway.core import tries
print(core.__file__)
print(_compiled.serves(), type(tries.__spec__.loader).__name__)
"""
COMPILED, PYTHON = "True ExtensionFileLoader", "False SourceFileLoader"
# What runs compiled modules, by themselves and together, and does not take long.
IN_PYTHON_TOO = [
    *("tests/core/balancing", "tests/core/health", "tests/core/metrics", "tests/core/test_connection.py"),
    *("tests/core/test_http_message.py", "tests/core/test_log_line.py", "tests/core/test_request_id.py"),
    *("tests/filters", "tests/net/http", "tests/policies"),
    *(
        str(path)
        for pattern in ("contract/test_http_*.py", "contract/test_recorded_*.py", "net/test_*.py")
        for path in sorted((ROOT / "tests").glob(pattern))
    ),
]

HAS_COMPILER = shutil.which("cc") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()
is_buildable = pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler, or no Python.h")
is_built = pytest.mark.skipif(
    not HAS_COMPILER or os.environ.get("TGW_COMPILED") == "no",
    reason="there is no C compiler, or no Python.h, or TGW_COMPILED is `no`",
)


def run(*command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """What a command prints, run where it finds the package of the folder, whatever this process was told."""
    ours = ("PYTHON", "PYTEST", "TGW_COMPILED")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def form(folder: Path, **environment: str) -> str:
    """The form that serves of the package in a folder."""
    done = run(sys.executable, "-c", WHICH_FORM, folder=folder, **environment)
    assert done.returncode == 0, done.stderr
    where, found = done.stdout.splitlines()
    assert Path(where).is_relative_to(folder)
    return found


def change(source: Path) -> None:
    source.write_bytes(source.read_bytes() + b"\n")


def of_another_python(folder: Path) -> None:
    for file in folder.glob("*.so"):
        file.rename(file.with_name(file.name.replace(EXTENSION_SUFFIXES[0], ".cpython-399-x86_64-linux-gnu.so")))


@pytest.fixture
def package(tmp_path) -> Path:
    """A copy of the package, with what is compiled in the checkout."""
    shutil.copytree(ROOT / "txgateway", tmp_path / "txgateway", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "txgateway"


@is_built
@pytest.mark.parametrize("source", SOURCES)
def test_the_compiled_form_is_tested_here(source):
    assert _compiled.serves(), "it was not built, or of other sources: run scripts/venv"
    module = import_module(".".join(Path(source).with_suffix("").parts))
    assert isinstance(module.__spec__.loader, ExtensionFileLoader)


@is_built
@pytest.mark.parametrize("source", SOURCES)
def test_no_compiled_object_can_be_referred_to_weakly(source):
    """Before Python 3.12 such an object does not tell its references when it goes, and the process crashes.

    mypyc gives a place for them to classes that are generic, or derived from one that is not compiled: an exception,
    a ``dict``. Such a class belongs into a module that is not compiled.
    """
    module = import_module(".".join(Path(source).with_suffix("").parts))
    for kind in filter(inspect.isclass, vars(module).values()):
        of_c = any(isinstance(each, MethodDescriptorType | WrapperDescriptorType) for each in vars(kind).values())
        # Of a protocol there are no objects.
        if kind.__module__ == module.__name__ and of_c and not getattr(kind, "_is_protocol", False):
            assert kind.__weakrefoffset__ == 0, kind


def test_no_package_is_compiled():
    # Its modules would be sought in the folder of what is compiled.
    assert not [source for source in SOURCES if source.endswith("__init__.py")]
    assert sorted(set(SOURCES)) == SOURCES


@is_built
def test_an_untouched_copy_serves_compiled(package):
    assert form(package.parent) == form(package.parent, TGW_COMPILED="yes") == COMPILED


@is_built
def test_the_python_form_may_be_asked_for(package):
    assert form(package.parent, TGW_COMPILED="no") == PYTHON


@is_built
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda package: change(package / "core" / "tries.py"), id="a compiled source was changed"),
        pytest.param(lambda package: change(package / "core" / "errors.py"), id="an imported source was changed"),
        pytest.param(lambda package: (package / "core" / "codec" / "_native.pyi").unlink(), id="types are missing"),
        pytest.param(lambda package: (package / "_compiled" / LIBRARY).unlink(), id="the library is missing"),
        pytest.param(lambda package: (package / "_compiled" / LIBRARY).write_bytes(b"?"), id="the library is broken"),
        pytest.param(
            lambda package: (package / "_compiled" / f"txgateway.core.tries{EXTENSION_SUFFIXES[0]}").unlink(),
            id="a module is missing",
        ),
        pytest.param(lambda package: (package / "_compiled" / "sources.json").unlink(), id="nothing says of what"),
        pytest.param(lambda package: (package / "_compiled" / "sources.json").write_text("{"), id="half of that"),
        pytest.param(lambda package: of_another_python(package / "_compiled"), id="another Python"),
    ],
)
def test_whatever_does_not_fit_has_all_modules_served_in_python(package, damage: Callable[[Path], object]):
    damage(package)
    assert form(package.parent) == PYTHON


@is_built
def test_all_that_a_compiled_module_relies_on_is_watched():
    # message.py imports mapping.py for its types alone, and that another one.
    watched = json.loads((ROOT / "txgateway" / "_compiled" / "sources.json").read_text())["sources"]
    assert {source.removeprefix("txgateway/") for source in SOURCES} < watched.keys()
    assert {"core/message.py", "core/mapping.py", "core/plan.py", "core/balancing/__init__.py"} < watched.keys()


def test_the_types_of_all_that_is_imported_are_there_when_pip_builds():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    names = {requirement.partition(">")[0].lower() for requirement in required}
    distributions = packages_distributions()
    for source in SOURCES:
        for node in ast.walk(ast.parse((ROOT / source).read_bytes())):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported = [node.module or ""]
            else:
                continue
            for name in imported:
                package = name.partition(".")[0]
                if package not in sys.stdlib_module_names:
                    assert {each.lower() for each in distributions[package]} & names, f"{source} imports {name}"


@pytest.fixture
def project(package) -> Path:
    """A copy of all that is built, with what is compiled in the checkout."""
    for name in ("setup.py", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, package.parent)
    return package.parent


@pytest.mark.slow
@is_buildable
@pytest.mark.parametrize(
    ("setup", "wrong_type", "compiler", "why"),
    [
        ("import setup", False, "/nowhere/cc", "/nowhere/cc"),
        ("import sys; sys.modules['mypyc'] = None; import setup", False, "cc", "mypyc"),
        ("import setup", True, "cc", "see above"),
    ],
    ids=["no compiler", "no mypyc", "a wrong type"],
)
def test_what_cannot_be_compiled_is_left_in_python(project, setup, wrong_type, compiler, why):
    if wrong_type:
        with (project / "txgateway" / "core" / "tries.py").open("a") as source:
            source.write('\n\ndef wrong() -> int:\n    return "text"\n')
    command = f"import sys; sys.argv = ['setup.py', '--quiet', 'build_compiled', '--inplace']; {setup}"
    done = run(sys.executable, "-c", command, folder=project, CC=compiler)
    assert done.returncode == 0, done.stdout + done.stderr
    (warning,) = [line for line in done.stderr.splitlines() if "no module is compiled" in line]
    assert why in warning
    # Nor does what was compiled before stay.
    left = sorted(each.name for each in (project / "txgateway" / "_compiled").iterdir() if each.is_file())
    assert left == ["__init__.py", "modules.txt"]
    assert form(project) == PYTHON


@pytest.mark.slow
@is_built
@pytest.mark.parametrize(("asked_for", "compiled"), [("yes", True), ("no", False)])
def test_the_health_page_says_which_form_serves(monkeypatch, asked_for, compiled):
    monkeypatch.setenv("TGW_COMPILED", asked_for)
    with GatewayProcess() as gateway:
        assert gateway.admin("/healthz")["compiled"] is compiled


@pytest.mark.slow
@is_built
def test_the_python_form_passes_the_tests_as_well():
    """The compiled one passes all: this process uses it."""
    command = f"{sys.executable} -m pytest -n 0 -q -p no:cacheprovider -m".split()
    done = run(*command, "not slow", *IN_PYTHON_TOO, folder=ROOT, TGW_COMPILED="no")
    assert done.returncode == 0, done.stdout + done.stderr
