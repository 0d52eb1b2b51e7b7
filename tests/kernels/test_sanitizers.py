"""The kernels with GCC's sanitizers: an access outside of its memory or undefined behavior ends the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kernels.built import LIBRARIES, PREBUILT
from tests.needs import sanitizer_runtimes

from bakeoff.kernels import compile as compiling

# After the package's own options: with -O3 the compiler takes minutes.
OPTIONS = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
TESTS = (
    "agreement",
    "chain",
    "linear",
    "memory_and_threads",
    "plan",
    "refused_memory",
    "region",
    "standardise",
)


@pytest.mark.slow
@pytest.mark.needs("sanitizers")
@pytest.mark.parametrize("name", LIBRARIES)
def test_the_kernels_tests_pass_with_sanitizers(name, tmp_path, monkeypatch):
    compiler = tmp_path / "compiler"
    compiler.write_text(f'#!/bin/sh\nexec g++ "$@" {OPTIONS}\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    libraries, problems = compiling.build(tmp_path, (name,))
    assert libraries, problems
    files = [Path(__file__).with_name(f"test_{test}.py") for test in TESTS]
    # Uncaptured, since a sanitizer ends the process; protected pages are to end theirs by a signal.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-x", "-v", "-s", "-p", "no:cacheprovider", *files],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            PREBUILT: str(tmp_path),
            "LD_PRELOAD": " ".join(map(str, sanitizer_runtimes())),
            "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        },
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    assert f"[{name}" in done.stdout  # and not PyTorch's operations
