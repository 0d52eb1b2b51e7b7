"""Let each call on a file of a small study fail, and see that nothing is lost, wrong or left over.

    python tests/faults/every_point.py [--sample N] [--only NUMBER]

Three commands are tried: `bakeoff data info`, which decodes images into the cache, `bakeoff run` of one run,
of which the parent process and the worker are two parts, and `bakeoff report`. At each of their calls that
open, write, flush, rename, link or remove a file of the study or the cache, in turn, the call fails with an
error, or the process is killed before it. Then the same command must end well, with the bytes of a study that
nothing happened to, no temporary file, and nothing that `bakeoff verify` finds; and the command that met an
error must have ended well itself, or with exit code 1 or 2 and a message that names the file.

Where a fault leaves the files that another left, the command is not given again: it would do the same. Points
come in an order that is random, but always the same. SIGTERM ends with the table of those tried. Linux
on x86-64 only.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kernel import Call, Ended, Fault, execute

SIZE = ["--set", "data.image_size=16"]
COMMANDS = {
    "decoding": ["data", "info", "digits", *SIZE],
    "run": [
        "run", "quickstart", "--recipes", "lenet5", "--seeds", "1", "--epochs", "1", "--jobs", "1", *SIZE,
        "--out", "study",
    ],
    "report": ["report", "study"],
}  # fmt: skip

ERRORS = {
    "open": (errno.EACCES, errno.ENOSPC),
    "open to read": (errno.EIO, errno.EACCES),
    "write": (errno.ENOSPC, errno.EIO),
    "fsync": (errno.EIO, errno.ENOSPC),
    "rename": (errno.EACCES, errno.EIO),
    "unlink": (errno.EACCES, errno.EIO),
    "mkdir": (errno.ENOSPC, errno.EACCES),
    "link": (errno.EACCES, errno.EIO),
}
"""What each kind of call fails with, by turns."""


class Point(NamedTuple):
    """A fault at one call of one command."""

    command: str
    fault: Fault
    call: Call

    def __str__(self) -> str:
        end = errno.errorcode[self.fault.error] if self.fault.error else "death"
        process, name, path = self.call
        return f"{self.command}, {process} {self.fault.number}: {end} at {name} {path}"


def bakeoff_main(words: list[str], folder: Path) -> int:
    """Run a command in this process; its exit code."""
    from bakeoff.cli import main

    os.chdir(folder)
    os.environ |= {"BAKEOFF_CACHE": str(folder / "cache"), "COLUMNS": "1000"}
    sys.argv = ["bakeoff", *words]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def bakeoff(words: list[str], folder: Path, fault: Fault | None = None) -> Ended:
    """Run a command in a folder, as a child of this process, which has loaded the libraries."""
    return execute(lambda: bakeoff_main(words, folder), folder, fault)


CHANGING = ("history.csv", "files.json", "summary.json", "runs.csv", "costs.json", "costs.csv", "index.html")
"""Their contents depend on times."""


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes that must be those of an undisturbed study, of its runs and its report.

    An entry of the cache whose place could not be taken lies beside it, as NAME-0.
    """
    kept = ("study/runs/*/*/*", "study/report/**/*", "study/*.npz", "cache/*/*.npy")
    paths = [path for pattern in kept for path in folder.glob(pattern)]
    return {
        re.sub(r"^(cache/[0-9a-f]{40})-\d+/", r"\1/", path.relative_to(folder).as_posix()): (
            b"" if path.name in CHANGING else path.read_bytes()
        )
        for path in paths
        if path.is_file()
    }


def state_of(folder: Path) -> str:
    """A digest of all that is in a folder; without process ids and times, which nothing depends on."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        name = re.sub(r"tfevents.*|(?<=\.)[0-9a-f]{16}\.[0-9a-f]{8}(?=\.tmp)|\d+(?=\.tmp$)", "*", name)
        varies = path.name in ("failure.json", "checksums.json", *CHANGING)
        varies |= name.startswith(("study/report/", "study/tensorboard/", "study/.lock"))
        content = b"" if varies or path.is_dir() else path.read_bytes()
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def left_over(folder: Path) -> list[str]:
    """Temporary files and folders, and states that no run needs."""
    odd = re.compile(r"\.(tmp|part|kept|state|new|old)$|lock-holder")
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if odd.search(path.name)]


def problems_of_error(ended: Ended, folder: Path, expected: dict[str, bytes]) -> list[str]:
    """What is wrong with how a command ended at whose call there was an error."""
    if "Traceback" in ended.output:
        return [f"a traceback:\n{ended.output}"]
    if ended.code == 0:
        return [] if contents(folder) == expected else [f"exit code 0 without its results:\n{ended.output}"]
    if ended.code not in (1, 2):
        return [f"exit code {ended.code}:\n{ended.output}"]
    assert ended.hit is not None
    messages = [line for line in ended.output.splitlines() if re.search("^error: |: failed: ", line)]
    if not messages:
        return [f"no message:\n{ended.output}"]
    root = ended.hit.path.partition("/")[0]
    return [] if any(root in line for line in messages) else [f"no file is named: {messages}"]


def problems_afterwards(command: str, folder: Path, expected: dict[str, bytes]) -> list[str]:
    """What is wrong after the same command was given again."""
    again = bakeoff(COMMANDS[command], folder)
    if again.code:
        return [f"again: exit code {again.code}:\n{again.output}"]
    found = contents(folder)
    problems = [
        f"{name} {'differs' if name in found and name in expected else 'is missing or superfluous'}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]
    problems += [f"left over: {name}" for name in left_over(folder)]
    if command != "decoding":
        verified = bakeoff(["verify", "study"], folder)
        if verified.code:
            problems.append(f"verify: {verified.output}")
    return problems


def points(command: str, calls: list[Call]) -> Iterator[Point]:
    """The faults at each call of a command: an error, and death before calls that change something.

    Of several writes to a file in a row, the first two and the last.
    """
    counts = Counter[str]()
    by_process: dict[str, list[Call]] = {}
    for call in calls:
        by_process.setdefault(call.process, []).append(call)
    for process, own in by_process.items():
        for number, call in enumerate(own, 1):
            if call.name == "write" and own[number - 3 : number + 1] == [call] * 4:
                continue
            yield Point(command, Fault(process, number, ERRORS[call.name][counts[call.name] % 2]), call)
            counts[call.name] += 1
            if call.name != "open to read":
                yield Point(command, Fault(process, number, 0), call)


def before_report(calls: list[Call]) -> list[Call]:
    """The calls of `bakeoff run` without those that replace the report, which `bakeoff report` makes too."""
    locked = (index for index, call in enumerate(calls) if call.path.endswith(".lock-report"))
    return calls[: next(locked, None)]


def load_libraries() -> None:
    """So that each command, a fork of this process, does not."""
    import matplotlib.pyplot  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch

    import bakeoff.api
    import bakeoff.engines.worker
    import bakeoff.report.build
    import bakeoff.running.run_study
    import bakeoff.terminal.progress
    import bakeoff.terminal.study  # noqa: F401

    torch.set_num_threads(1)


def table(outcomes: Counter[tuple[str, str, str]]) -> str:
    """The number of points by process and kind of call, and by how the command ended."""
    lines = ["| process | call | points | ended well | error reported | killed | problems |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for process, call in dict.fromkeys((process, call) for process, call, _ in sorted(outcomes)):
        numbers = [outcomes[process, call, how] for how in ("well", "told", "killed", "problem")]
        lines.append(f"| {process} | {call} | {sum(numbers)} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


class Trials:
    """Folders in which a command was not given yet, those in which it ended, and all points in between."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.expected: dict[str, dict[str, bytes]] = {}
        self.points: list[Point] = []
        before = root / "before decoding"
        before.mkdir()
        for command, words in COMMANDS.items():
            after = root / f"after {command}"
            shutil.copytree(before, after)
            ended = bakeoff(words, after)
            assert ended.code == 0, ended.output
            self.expected[command] = contents(after)
            self.points += points(command, before_report(ended.calls) if command == "run" else ended.calls)
            before = after
        random.Random(0).shuffle(self.points)
        self.good_states: set[tuple[str, str]] = set()

    def attempt(self, point: Point, *, verbose: bool = False) -> tuple[str, list[str]]:
        """How the command ended ("well", "told", "killed"), and what was wrong with that or afterwards."""
        names = list(COMMANDS)
        before = ["before decoding", *(f"after {name}" for name in names)][names.index(point.command)]
        folder, expected = self.root / "trial", self.expected[point.command]
        shutil.copytree(self.root / before, folder)
        ended = bakeoff(COMMANDS[point.command], folder, point.fault)
        if verbose:
            print(ended.code, ended.hit, ended.output)
        if ended.hit is None:
            how, problems = "well", ["the call was not made"]
        elif not point.fault.error:
            how, problems = "killed", []
        else:
            how, problems = "told" if ended.code else "well", problems_of_error(ended, folder, expected)
        state = point.command, state_of(folder)
        if state not in self.good_states:  # what happens now depends on nothing else
            afterwards = problems_afterwards(point.command, folder, expected)
            if not afterwards:
                self.good_states.add(state)
            problems += afterwards
        shutil.rmtree(folder)
        return how, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N", help="only the first N points")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one point, and all that is printed")
    options = parser.parse_args()
    load_libraries()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    outcomes = Counter[tuple[str, str, str]]()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as top:
        trials = Trials(Path(top).resolve())
        numbers = range(len(trials.points))
        for number in numbers[: options.sample] if options.only is None else [options.only]:
            point = trials.points[number]
            how, problems = trials.attempt(point, verbose=options.only is not None)
            process = point.fault.process if point.command == "run" else point.command
            outcomes[process, point.call.name, "problem" if problems else how] += 1
            print(f"{number} of {len(numbers)}, {point}: {'; '.join(problems) or how}", flush=True)
            if stopped:
                break
    print(f"\n{table(outcomes)}\n\n{outcomes.total()} of {len(numbers)} points in ", end="")
    num_problems = sum(count for (_, _, how), count in outcomes.items() if how == "problem")
    print(f"{time.monotonic() - begun:.0f} s, {num_problems} problems")
    return 1 if num_problems else 0


if __name__ == "__main__":
    sys.exit(main())
