"""The native codec's own checks, which cargo makes: beside other tests, for they take long and keep one core."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo")
def test_the_native_codec_passes_its_own_checks():
    script = Path(__file__).parent.parent / "scripts" / "test-native"
    done = subprocess.run([script], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
