"""Runs recorded cases: ``python -m tests.vectors KIND DIR``.

Prints each failing case with what it wants and what we did, and at last
``N passed, N failed``; exits with 1 if any failed. The suite calls the same code.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from twisted.logger import globalLogBeginner

from tests.recorded import Case, Mismatch

KINDS = ("http", "vd", "wire", "balancing")
RECORDED = Path(__file__).parent / "vectors"


def cases(kind: str, folder: Path | None = None) -> Iterator[Case]:
    """The cases of a folder, by default those that lie in ``tests/vectors``."""
    yield from importlib.import_module(f"tests.recorded.{kind}").cases(folder or RECORDED / kind)


def outcome(case: Case) -> Mismatch | None:
    """Runs one case; an exception is a mismatch as well, so that the others still run."""
    try:
        return case.run()
    except Exception:
        return Mismatch("an outcome", traceback.format_exc(limit=-4))


def run(kind: str, folder: Path) -> int:
    """Runs all, prints the report, and returns the exit status."""
    passed = failed = 0
    for case in cases(kind, folder):
        mismatch = outcome(case)
        if mismatch is None:
            passed += 1
            continue
        failed += 1
        print(f"{case.id}\n  expected {mismatch.expected}\n  got      {mismatch.got}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        print(f"usage: scripts/vectors {{{','.join(KINDS)}}} DIR", file=sys.stderr)
        return 2
    # Probes make servers log their failures: the report is what is asked for.
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    folder = Path(sys.argv[2])
    if not folder.is_dir():
        print(f"{folder} is no folder", file=sys.stderr)
        return 2
    return run(sys.argv[1], folder)


if __name__ == "__main__":
    sys.exit(main())
