"""Builds the kernels: one shared library for each instruction set, with the compiler that is at hand.

The package's build runs this file by its path, without the package's dependencies: standard library only.
`python src/bakeoff/kernels/compile.py` builds them in place.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

FOLDER = Path(__file__).parent / "cpp"
SOURCES = [FOLDER / "conv_pool.cpp", FOLDER / "regions.cpp"]

# No -ffast-math: NaN must pass through, and sums keep their order. Multiplication and addition may be fused.
FLAGS = shlex.split("-std=c++17 -O3 -fPIC -shared -fno-math-errno -fno-strict-aliasing -ffp-contract=fast")

INSTRUCTION_SETS = {
    "avx512": shlex.split("-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512"),
    "avx2": ["-mavx2", "-mfma"],
    "neon": [],  # part of every 64-bit Arm
}

TIME_LIMIT_SECONDS = 300


def instruction_sets(machine: str = "") -> tuple[str, ...]:
    """Those worth building for a kind of machine (default: this one), the best first."""
    machine = (machine or platform.machine()).lower()
    if machine in ("x86_64", "amd64"):
        return ("avx512", "avx2")
    return ("neon",) if machine in ("arm64", "aarch64") else ()


def library_path(folder: Path, instruction_set: str) -> Path:
    """Where the library for an instruction set lies."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return folder / f"conv_pool_{instruction_set}{suffix}"


def source_digest() -> str:
    """First 16 hexadecimal digits of a SHA-256 over the C++ files; a library carries its sources'."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.[ch]pp")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def find_compiler() -> list[str] | None:
    """The C++ compiler and its options: CXX of the environment, or the usual names on the path."""
    chosen = shlex.split(os.environ.get("CXX", ""))
    if chosen:
        return chosen if shutil.which(chosen[0]) else None
    return next(([name] for name in ("c++", "g++", "clang++") if shutil.which(name)), None)


def build(folder: Path, names: tuple[str, ...] | None = None) -> tuple[list[Path], list[str]]:
    """Build what can be built of these instruction sets (default: those worth it on this machine).

    Returns
    -------
    libraries
        The files made, in `folder`.
    problems
        A line for each thing that could not be built, and why. Nothing is raised: without kernels PyTorch's
        own operations are used.
    """
    names = instruction_sets() if names is None else names
    if not names:
        return [], [f"no kernels for {platform.machine() or 'this machine'}"]
    compiler = find_compiler()
    if compiler is None:
        return [], ["no C++ compiler found (CXX, c++, g++, clang++)"]
    with ThreadPoolExecutor(len(names)) as pool:  # a compiler takes some seconds, and one core
        results = list(pool.map(partial(_build_one, folder, compiler), names))
    libraries = [result for result in results if isinstance(result, Path)]
    return libraries, [result for result in results if isinstance(result, str)]


def _build_one(folder: Path, compiler: list[str], name: str) -> Path | str:
    """The library for an instruction set, or a line that says why there is none."""
    path = library_path(folder, name)
    path.unlink(missing_ok=True)
    digest = f'-DSOURCE_DIGEST="{source_digest()}"'
    # The compiler writes a name of its own, so that no process loads half a library.
    with tempfile.TemporaryDirectory(dir=folder) as workplace:
        unfinished = Path(workplace) / path.name
        command = [
            *compiler,
            *FLAGS,
            *INSTRUCTION_SETS[name],
            digest,
            *map(str, SOURCES),
            "-o",
            str(unfinished),
        ]
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIME_LIMIT_SECONDS,
            )
            if done.returncode:
                return f"{name}: {_first_error(done.stderr)}"
            unfinished.replace(path)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{name}: {error}"
    return path


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "the compiler failed")[
        :300
    ]


if __name__ == "__main__":
    built, failed = build(Path(__file__).parent)
    for path in built:
        print(path)
    for line in failed:
        print(line, file=sys.stderr)
    sys.exit(0 if built else 1)
