"""The kernels of this checkout, built once for all tests of a run, whether or not the installation has them.

Without a compiler there are none, and the tests that ask for each implementation see PyTorch's own alone.
"""

import json
import os
import platform
from pathlib import Path

from filelock import FileLock

from bakeoff.kernels import compile as compiling
from bakeoff.kernels.library import Library, load, runnable

PREBUILT = "BAKEOFF_TEST_KERNELS"
"""Environment variable: a folder with libraries to be tested instead, such as those with sanitizers."""

# The source for vectors of 4 floats, which is Arm's, runs on any machine.
NAMES = tuple(dict.fromkeys((*compiling.instruction_sets(), "neon")))
if PREBUILT in os.environ:
    FOLDER, PROBLEMS = Path(os.environ[PREBUILT]), []
else:
    FOLDER = Path(os.environ["BAKEOFF_TEST_SHARED"])  # tests/conftest.py
    _problems = FOLDER / "problems.json"
    with FileLock(FOLDER / ".lock"):  # compiling takes most of a minute
        if not _problems.exists():
            _problems.write_text(json.dumps(compiling.build(FOLDER, NAMES)[1]))
    PROBLEMS = json.loads(_problems.read_text())
LIBRARIES = {
    name: found
    for name in (*runnable(), *({"neon"} - {*runnable()}))
    if isinstance(found := load(name, FOLDER), Library)
}
IMPLEMENTATIONS: dict[str, Library | str] = {**LIBRARIES, "pytorch": "switched off for the test"}
if PREBUILT in os.environ:
    del IMPLEMENTATIONS["pytorch"]


def rounding_error_allowed(implementation: str) -> float:
    """The kernels' mean rounding error as a share of PyTorch's, which fuses products with sums.

    Arm's source on another machine, and a build for a sanitizer, round each product before it is added.
    """
    emulated = implementation == "neon" and platform.machine() not in ("arm64", "aarch64")
    return 1.5 if emulated or PREBUILT in os.environ else 1.05
