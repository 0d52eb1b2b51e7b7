"""Ray's share of a study's time, and how many very short runs it hands out a second.

    python benchmarks/ray_engine.py study --stl10 DIR [--epochs 100] [--seeds 1] [--repetitions 5]
    python benchmarks/ray_engine.py short [--runs 1000] [--repetitions 3]

`study` trains the three recipes of lenet5-stl10 with worker processes and on a Ray of this machine, on the
same cores, each time in a new process and in turns. `short` does the same with runs of one epoch on 48
images of digits. Printed for each: seconds from the decoded images to the last run on disk, the seconds
that Ray needs to start before, the processor time of the whole machine meanwhile (nothing else should run),
and what a run costs the driver: processor time, and bytes written.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from bakeoff.data.sources.arrays import ImageArrays
from bakeoff.engines import open_engine
from bakeoff.environment import available_cores, describe_environment
from bakeoff.running.run_study import run_study
from bakeoff.study import Study, load_study

ENGINES = ("processes", "ray")
NUM_SHORT_IMAGES = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("work", choices=("study", "short"))
    parser.add_argument("--stl10", default=os.environ.get("BAKEOFF_STL10"), help="a folder with splits/")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--once", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(measure(arguments)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ENGINES}
    for repetition in range(arguments.repetitions):
        for name in ENGINES if repetition % 2 == 0 else reversed(ENGINES):
            command = [sys.executable, __file__, *sys.argv[1:], "--once", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, {key: round(value, 3) for key, value in found[name][-1].items()}, flush=True)
    for key in found["ray"][0]:
        say(key, *([one[key] for one in found[name]] for name in ENGINES))
    environment = describe_environment(available_cores())
    print(json.dumps({name: environment[name] for name in ("processor", "cores", "packages")}))


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """One study with one engine, in this process."""
    study, arrays = work_of(arguments)
    runs = len(study.recipes) * study.seeds
    with tempfile.TemporaryDirectory() as folder, open_engine(arguments.once) as engine:
        root = Path(folder) / "study"
        began = time.perf_counter()
        join = getattr(engine, "join", None)
        if join:
            join()
        joined = time.perf_counter()
        before, machine_before = processor_seconds(), machine_seconds()
        # Images are decoded by the first repetition, and found in the cache by the others.
        outcome = run_study(study, root, engine=engine, check=False, arrays=arrays)
        ended = time.perf_counter()
        if outcome.failed:
            raise SystemExit(f"{len(outcome.failed)} runs failed: {outcome.failed[0].reason}")
        written = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        return {
            "seconds": ended - joined,
            "processor seconds of the whole machine": machine_seconds() - machine_before,
            "seconds to start": joined - began,
            "runs a second": runs / (ended - joined),
            "driver's processor seconds a run": (processor_seconds() - before) / runs,
            "driver's peak memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "MB written a run": written / runs / 1e6,
        }


def work_of(arguments: argparse.Namespace) -> tuple[Study, ImageArrays | None]:
    if arguments.work == "study":
        source = f"splits:{arguments.stl10}"
        return load_study("lenet5-stl10", source=source, epochs=arguments.epochs, seeds=arguments.seeds), None
    digits = load_digits()
    images = (digits.images * (255 / 16)).astype(np.uint8)[:NUM_SHORT_IMAGES]
    parts = (images, digits.target[:NUM_SHORT_IMAGES])
    study = load_study("quickstart", recipes=["lenet5"], epochs=1, seeds=arguments.runs, source="arrays")
    return study, ImageArrays(train=parts, val=parts, test=parts)


def processor_seconds() -> float:
    return sum(os.times()[:2])


def machine_seconds() -> float:
    """Of all processes since the machine was started (Linux): Ray's own are many."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def say(key: str, processes: list[float], ray: list[Any]) -> None:
    """Medians with their range, and the quotient within each repetition."""

    def spread(values: list[float]) -> str:
        return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    line = f"{key}: processes {spread(processes)}, ray {spread(ray)}"
    if min(processes) > 0.001:
        line += f", ray / processes {spread([r / p for r, p in zip(ray, processes, strict=True)])}"
    print(line)


if __name__ == "__main__":
    main()
