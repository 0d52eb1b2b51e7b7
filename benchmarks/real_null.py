"""How often a winner is declared where there is none: one recipe's real runs, split at random into two.

    python benchmarks/real_null.py --out DIR [--data SOURCE] [--runs 60] [--epochs 12] [--jobs N]
        [--draws 2000]

Trains plain LeNet-5 with many seeds (default: on the images that BAKEOFF_STL10 names), in a study folder;
what was stopped goes on with the same command. Then, for 2, 3, 5 and 10 seeds, draws two sets of runs that
have no run in common, as if they were two recipes, and counts how often Bakeoff's comparison declares one of
them better or worse, and equivalent, at 95 % and a margin of one point. Beside it, on the same draws, what is
usual: tests on one seed of each, a test on images that takes the seeds as given, Student's over seeds.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr
from scipy.stats import ttest_rel

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.pairs import RecipeScores, judge_pairs
from bakeoff.analysis.statistics.mcnemar import mcnemar_exact
from bakeoff.engines import ProcessEngine
from bakeoff.running.run_study import run_study
from bakeoff.store import load_study_folder
from bakeoff.study import load_study
from bakeoff.text import in_percent

SEEDS = (2, 3, 5, 10)
MARGIN, LEVEL = 0.01, 0.05
COUNTED = (
    "better or worse",
    "equivalent",
    "McNemar, one seed each",
    "two proportions, one seed each",
    "paired t over images, means over seeds",
    "Student's t over seeds",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the study folder")
    default = os.environ.get("BAKEOFF_STL10", str(Path(__file__).parents[2] / "shared/data/stl10"))
    parser.add_argument("--data", default=f"splits:{default}", metavar="SOURCE")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--jobs", type=int, help="worker processes; default: one a core")
    parser.add_argument("--draws", type=int, default=2000)
    options = parser.parse_args()
    correct = train(options)
    accuracies = correct.mean(axis=1)
    print(
        f"{len(correct)} runs of {options.epochs} epochs, {correct.shape[1]:,} test images: accuracy "
        f"{in_percent(accuracies.mean())}, standard deviation {100 * accuracies.std(ddof=1):.2f} points"
    )
    possible = [number for number in SEEDS if 2 * number <= len(correct)]
    print(f"\n| {options.draws:,} draws, in % | {' | '.join(f'{number} seeds' for number in possible)} |")
    print("| --- |" + " ---: |" * len(possible))
    rng = np.random.default_rng(0)
    shares = [
        np.mean([count(correct, number, rng) for _ in range(options.draws)], axis=0) for number in possible
    ]
    for place, name in enumerate(COUNTED):
        print(f"| {name} | {' | '.join(f'{100 * of_seeds[place]:.1f}' for of_seeds in shares)} |")


def train(options: argparse.Namespace) -> NDArray[np.bool_]:
    """bool [num_runs, num_images]: what the runs have right."""
    study = load_study(
        "lenet5-stl10",
        source=options.data,
        seeds=options.runs,
        epochs=options.epochs,
        recipes=["lenet5"],
    ).changed(baseline=None)
    with ProcessEngine(options.jobs) as engine:
        run_study(study, options.out, engine=engine, display=None, check=False)
    return load_study_folder(options.out).predictions().correct("lenet5")


def count(correct: NDArray[np.bool_], num_seeds: int, rng: np.random.Generator) -> list[bool]:
    """What one draw of two times as many runs claims, as in `COUNTED`."""
    rows = rng.permutation(len(correct))[: 2 * num_seeds]
    a, b = correct[rows[:num_seeds]], correct[rows[num_seeds:]]
    scored = {"a": RecipeScores(a), "b": RecipeScores(b)}
    (pair,) = judge_pairs(scored, baseline="a", margin=MARGIN, looks=LookPlan((1,), 1 - LEVEL))
    first_a, first_b = a[0].mean(), b[0].mean()
    both = (first_a + first_b) / 2
    z = (first_b - first_a) / np.sqrt(2 * both * (1 - both) / correct.shape[1])
    return [
        pair.verdict.name in ("better", "worse"),
        pair.verdict.name == "equivalent",
        mcnemar_exact(a[0], b[0]) < LEVEL,
        2 * ndtr(-abs(z)) < LEVEL,
        ttest_rel(a.mean(axis=0), b.mean(axis=0)).pvalue < LEVEL,
        students_p(a.mean(axis=1), b.mean(axis=1)) < LEVEL,
    ]


def students_p(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Of Student's test; with two seeds the accuracies of both can have no variance."""
    degrees, difference = len(a) + len(b) - 2, abs(a.mean() - b.mean())
    error = np.sqrt((a.var() * len(a) + b.var() * len(b)) / degrees * (1 / len(a) + 1 / len(b)))
    return float(2 * stdtr(degrees, -difference / error)) if error > 0 else float(difference == 0)


if __name__ == "__main__":
    main()
