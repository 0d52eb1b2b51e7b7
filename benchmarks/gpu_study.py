"""The published study on a GPU: seeds stacked, one run after another, and worker processes on the CPU.

    python benchmarks/gpu_study.py --out DIR [--device cuda] [--epochs 100] [--seeds 10] [--stl10 DIR]
        [--ways stacked,matmul,single,processes]

Trains the three recipes of lenet5-stl10 in each way: `stacked` (grouped convolutions), `matmul` (stacked,
convolutions as products of matrices), `single` (one run after another on the same device) and `processes`.
Prints the wall time of the runs of each, after a short run to warm up, and compares each way with the
last one named, recipe by recipe, by Bakeoff's own comparison: equivalent is what should come out. Without a
GPU `--device cpu` shows that it works; its times say nothing of one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

from bakeoff.analysis.comparison.compare import compare
from bakeoff.engines import Engine, ProcessEngine
from bakeoff.engines.stacked import StackedEngine
from bakeoff.environment import describe_environment
from bakeoff.running.run_study import run_study
from bakeoff.store import load_study_folder
from bakeoff.study import Study, load_study

WAYS = ("stacked", "matmul", "single", "processes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder: a study folder a way")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--ways", default=",".join(WAYS))
    default = os.environ.get("BAKEOFF_STL10", str(Path(__file__).parents[2] / "shared/data/stl10"))
    parser.add_argument("--stl10", default=default, help="a folder with splits/ as docs/development.md says")
    arguments = parser.parse_args()
    ways = arguments.ways.split(",")
    source = f"splits:{arguments.stl10}"
    whole = load_study("lenet5-stl10", source=source, epochs=arguments.epochs, seeds=arguments.seeds)
    short = load_study("lenet5-stl10", source=source, epochs=1, seeds=arguments.seeds)
    for way in ways:
        timed(short, arguments.out / f"{way}-warm-up", engine_of(way, arguments.device))
        engine = engine_of(way, arguments.device)
        seconds = timed(whole, arguments.out / way, engine)
        print(
            f"{way:<10} {seconds:8.1f} s for {arguments.seeds} seeds of 3 recipes, {engine.device}",
            flush=True,
        )
    for way in ways[:-1]:
        say_comparison(arguments.out, way, ways[-1])
    environment = describe_environment(1, arguments.device)
    print(json.dumps({name: environment[name] for name in ("processor", "cores", "packages")}))


def engine_of(way: str, device: str) -> Engine:
    if way == "processes":
        return ProcessEngine()
    if way == "single":
        return StackedEngine(device, stack_size=1)
    return StackedEngine(device, convolution="matmul" if way == "matmul" else "grouped")


def timed(study: Study, root: Path, engine: Engine) -> float:
    """Seconds from the decoded images to the last run on disk; without the check and the report."""
    started = time.perf_counter()
    outcome = run_study(study, root, engine=engine, check=False)
    if outcome.failed or outcome.finished_before:
        raise SystemExit(
            f"{root}: {len(outcome.failed)} runs failed, {len(outcome.finished_before)} were there before"
        )
    return time.perf_counter() - started


def say_comparison(out: Path, way: str, reference: str) -> None:
    """Compare the accuracies that two ways gave, recipe by recipe."""
    found, expected = (load_study_folder(out / name).predictions() for name in (way, reference))
    for recipe in found.recipes:
        pair = (
            replace(expected.recipe(recipe.name), name=f"{recipe.name}, {reference}"),
            replace(recipe, name=f"{recipe.name}, {way}"),
        )
        print(compare(replace(found, recipes=pair), baseline=pair[0].name).conclusion)


if __name__ == "__main__":
    main()
