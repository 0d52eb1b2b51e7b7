"""Write input as an attacker would, many times, and see that each case gives a result or a BakeoffError.

Each target damages real files (bytes and structure) and gives them to a public function of Bakeoff. A case
fails if anything but a BakeoffError is raised, if its text does not name the place or is longer than some
screens, or if it takes longer than --seconds. Memory is bounded by a limit on the address space. Case N of a
target and a seed is always the same: `--only N` repeats it and shows what was raised. Needs the STL-10 images
(BAKEOFF_STL10, see docs/development.md).
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from targets import TARGETS

from bakeoff.errors import BakeoffError

LONGEST_MESSAGE = 20_000
MEMORY_BYTES = 8 << 30


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    def expired(*_: object) -> None:
        raise TimeoutError(f"no answer after {seconds} s")

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run_target(name: str, seed: int, numbers: range, seconds: float, verbose: bool) -> int:
    """Run cases of one target; number of failures."""
    target, outcomes, failures = TARGETS[name], Counter[str](), Counter[str]()
    first: dict[str, int] = {}
    slowest, started = 0.0, time.perf_counter()
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / name
        folder.mkdir()
        os.environ["BAKEOFF_CACHE"] = str(Path(top) / "cache")
        case = target.prepare(folder)
        for number in numbers:
            problem = ""
            begun = time.perf_counter()
            try:
                with bounded(seconds):
                    case(random.Random(f"{seed}/{name}/{number}"))
                outcomes["results"] += 1
            except BakeoffError as error:
                text = str(error)
                outcomes["refused"] += 1
                if verbose:
                    print(ascii(text[:2000]))
                if len(text) > LONGEST_MESSAGE:
                    problem = f"a message of {len(text)} characters: {text[:60]!r}"
                elif not text.strip() or (target.names_place and str(folder) not in text):
                    problem = f"a message that names no place: {text[:100]!r}"
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)
                inside = [frame for frame in place if "/bakeoff/" in frame.filename] or place
                problem = (f"{type(error).__name__} at {Path(inside[-1].filename).name}:{inside[-1].lineno}: "
                           f"{ascii(str(error))[:150]}")  # fmt: skip
                if verbose:
                    traceback.print_exc()
            slowest = max(slowest, time.perf_counter() - begun)
            if problem:
                key = problem.partition(": ")[0]
                failures[key] += 1
                if key not in first:
                    first[key] = number
                    print(f"  {name} case {number}: {problem}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<16} {len(numbers):>7,} cases  {outcomes['results']:>6,} results  "
        f"{outcomes['refused']:>6,} refused  {sum(failures.values()):>4} failures  "
        f"{time.perf_counter() - started:6.1f} s  slowest {slowest:5.2f} s  peak {peak:,.0f} MiB",
        flush=True,
    )
    return sum(failures.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=20_000, help="in all; each target gets its share")
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--seconds", type=float, default=20, help="a case may take")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", RuntimeWarning)
    names = options.targets or list(TARGETS)
    shares = sum(TARGETS[name].share for name in names)
    started, failures, total = time.perf_counter(), 0, 0
    for name in names:
        count = round(options.cases * TARGETS[name].share / shares)
        numbers = range(count) if options.only is None else range(options.only, options.only + 1)
        failures += run_target(name, options.seed, numbers, options.seconds, options.only is not None)
        total += len(numbers)
    print(f"{total:,} cases, seed {options.seed}: {failures} failures, {time.perf_counter() - started:.0f} s")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
