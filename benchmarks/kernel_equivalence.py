"""Whether accuracies with the CPU kernels and with PyTorch's own operations are equivalent.

    python benchmarks/kernel_equivalence.py --out DIR [--seeds 10] [--epochs 100] [--jobs N]
        [--recipes lenet5,lenet5_batch_norm] [--stl10 DIR] [--kernels off,auto]

Trains recipes of lenet5-stl10 with BAKEOFF_KERNELS=off and again with `auto`, a study folder each, and
compares the test predictions recipe by recipe at the study's margin. What was stopped goes on with the same
command; `--kernels off` does one half alone; with more `--seeds` only these are trained.

Two intervals are printed for each recipe. `recipes` is Bakeoff's comparison of any two recipes: seeds of
one have nothing in common with those of the other. But here a seed begins with the same weights and the same
order of images in both, until rounding parts them. `seed by seed` is the interval, by the same variance over
seeds and images, of the mean of each seed's own difference: narrower where seeds still have much in common,
as their correlation shows, and as right where they have not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.analysis.statistics.verdict import verdict
from bakeoff.engines import ProcessEngine
from bakeoff.kernels.library import SWITCH
from bakeoff.predictions import Predictions
from bakeoff.running.run_study import run_study
from bakeoff.store import load_study_folder
from bakeoff.study import load_study
from bakeoff.text import interval_points, points

WAYS = ("off", "auto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="holds the two study folders")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--jobs", type=int, help="worker processes; default: one a core")
    parser.add_argument("--recipes", default="lenet5,lenet5_batch_norm")
    default = os.environ.get("BAKEOFF_STL10", str(Path(__file__).parents[2] / "shared/data/stl10"))
    parser.add_argument("--stl10", default=default, help="a folder with splits/ as docs/development.md says")
    parser.add_argument("--kernels", default=",".join(WAYS), help="only these ways")
    parser.add_argument("--train-here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train_here:
        train(arguments)
        return
    for way in arguments.kernels.split(","):
        # A process of its own for each: which kernels are used is decided once a process.
        words = [sys.executable, __file__, *sys.argv[1:], "--train-here", "--kernels", way]
        subprocess.run(words, check=True, env={**os.environ, SWITCH: way})
    if set(WAYS) <= set(arguments.kernels.split(",")):
        say_comparison(arguments.out, arguments.seeds)


def train(arguments: argparse.Namespace) -> None:
    """Do the runs of one way that are not there yet."""
    study = load_study(
        "lenet5-stl10",
        source=f"splits:{arguments.stl10}",
        epochs=arguments.epochs,
        seeds=arguments.seeds,
        recipes=arguments.recipes.split(","),
    )
    outcome = run_study(
        study, arguments.out / arguments.kernels, engine=ProcessEngine(arguments.jobs), check=False
    )
    if outcome.failed:
        raise SystemExit(f"{outcome.root}: {outcome.failed[0].task}: {outcome.failed[0].reason}")


def say_comparison(out: Path, num_seeds: int) -> None:
    """Print accuracies, difference and verdict of each recipe."""
    folders = {way: load_study_folder(out / way) for way in WAYS}
    for way in WAYS:
        environment = json.loads((out / way / "environment.json").read_text())
        packages = ", ".join(f"{name} {environment['packages'][name]}" for name in ("torch", "numpy"))
        print(f"{way}: {environment['processor']}, {packages}, kernels: {environment['kernels']}")
    found = {way: folders[way].predictions() for way in WAYS}
    margin = folders["off"].study.margin
    for name in folders["off"].study.recipes:
        pair = tuple(replace(found[way].recipe(name), name=f"{name}, kernels {way}") for way in WAYS)
        comparison = compare(replace(found["off"], recipes=pair), baseline=pair[0].name, margin=margin)
        accuracies = [accuracies_of(found[way], name) for way in WAYS]
        if any(len(values) != num_seeds for values in accuracies):
            raise SystemExit(f"{name}: expected {num_seeds} seeds, found {[len(v) for v in accuracies]}")
        (result,) = comparison.pairs
        for recipe in comparison.recipes:
            print(f"{recipe.name}: {points(recipe.accuracy)} % ({interval_points(recipe.interval)})")
        print(
            f"  difference {points(result.difference)} points, {num_seeds} seeds, margin {points(margin)}\n"
            f"  recipes: {interval_points(result.interval)}: {result.verdict}\n"
            f"  {seed_by_seed(found, name, margin)}; "
            f"correlation of a seed's two accuracies {np.corrcoef(*accuracies)[0, 1]:.2f}"
        )


def seed_by_seed(found: dict[str, Predictions], recipe: str, margin: float) -> str:
    """The interval and verdict where each seed is compared with itself."""
    off, auto = (found[way].correct(recipe).astype(float) for way in WAYS)
    interval = crossed_interval(summarize_scores(auto - off), bounds=(-1, 1))
    ends = interval.low, interval.high
    judged = verdict(*ends, interval.p, margin=margin, confidence=0.95)
    return f"seed by seed: {interval_points(ends)}: {judged.name}"


def accuracies_of(predictions: Predictions, recipe: str) -> list[float]:
    """Of each seed's run, on the test images."""
    predicted = predictions.recipe(recipe).predicted
    return [float(value) for value in (predicted == predictions.labels).mean(axis=1)]


if __name__ == "__main__":
    main()
