"""Kill small studies 200 times, and see that nothing is lost, wrong or left over.

    python tests/faults/kills.py [--sample]

SIGKILL goes to all processes of a command at once, at random moments: 60 times in the first second of
`bakeoff run` in a folder of its own, 120 times anywhere in it, and 20 times during `bakeoff report`. After a
few kills in one folder the command is let end, and the folder is compared with one that nothing happened to.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from every_point import (
    COMMANDS,
    bakeoff,
    bakeoff_main,
    contents,
    load_libraries,
    problems_afterwards,
)


class Series(NamedTuple):
    """Kills of one command: how many, how many in one folder, and up to when, in seconds."""

    name: str
    command: str
    kills: int
    in_a_row: int
    seconds: float


def kill_after(seconds: float, words: list[str], folder: Path) -> bool:
    """Start a command and kill all its processes after a time; False if it ended before."""
    child = os.fork()
    if not child:
        code = 99
        try:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            code = bakeoff_main(words, folder)
        finally:
            os._exit(code)
    with suppress(OSError):
        os.setpgid(child, child)  # here too: whichever process is first
    time.sleep(seconds)
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        assert os.waitstatus_to_exitcode(status) == 0
        return False
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", action="store_true", help="ten kills")
    share = 20 if parser.parse_args().sample else 1
    load_libraries()
    moments = random.Random(0)
    begun = time.monotonic()
    num_kills = num_problems = 0
    with tempfile.TemporaryDirectory() as top:
        root = Path(top).resolve()
        nothing, undisturbed = root / "nothing", root / "undisturbed"
        nothing.mkdir()
        undisturbed.mkdir()
        durations, expected = {}, {}
        for command in ("run", "report"):
            before = time.monotonic()
            assert bakeoff(COMMANDS[command], undisturbed).code == 0
            durations[command] = time.monotonic() - before
            expected[command] = contents(undisturbed)
        for series, origin in (
            (Series("first second", "run", 60 // share, 10, 1.0), nothing),
            (Series("anywhere", "run", 120 // share, 6, durations["run"]), nothing),
            (Series("report", "report", 20 // share, 10, durations["report"]), undisturbed),
        ):
            words, kills, in_the_folder, folder = COMMANDS[series.command], 0, 0, root / "trial"
            seconds = series.seconds
            while kills < series.kills:
                if not folder.exists():
                    shutil.copytree(origin, folder)
                hit = kill_after(moments.uniform(0, seconds), words, folder)
                seconds *= 1 if hit else 0.9  # the machine has less to do than when the time was measured
                kills, in_the_folder = kills + hit, in_the_folder + 1
                if in_the_folder == series.in_a_row or kills == series.kills:
                    problems = problems_afterwards(series.command, folder, expected[series.command])
                    num_problems += bool(problems)
                    print(f"{series.name}: {kills} kills: {'; '.join(problems) or 'well'}", flush=True)
                    shutil.rmtree(folder)
                    in_the_folder = 0
            num_kills += kills
    print(f"{num_kills} kills in {time.monotonic() - begun:.0f} s, {num_problems} problems")
    return 1 if num_problems else 0


if __name__ == "__main__":
    sys.exit(main())
