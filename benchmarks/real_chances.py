"""Predicted chances of a verdict beside those that real runs show: docs/statistics/what-it-takes.md.

    python benchmarks/real_chances.py STUDY_DIR... [--draws 3000]

Takes finished studies whose recipes have many seeds, by accuracy. A draw is a small study out of a large one:
two recipes, or one whose runs are split in two, 3, 5 or 10 seeds, 500 or more of the test images. Where it is
undecided at a margin of one point, the chance of a verdict with 1.5, 2 or 4 times as many seeds is predicted;
then these seeds are added from the other runs.
"""

from __future__ import annotations

import argparse
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.statistics.crossed import CrossedInterval, crossed_interval, summarize_scores
from bakeoff.analysis.statistics.what_it_takes import chances_of_verdict
from bakeoff.store import load_study_folder

MARGIN, CONFIDENCE = 0.01, 0.95
EDGES = (0.1, 0.3, 0.5, 0.7, 0.9)
NAMES = ("below 10 %", "10 to 30 %", "30 to 50 %", "50 to 70 %", "70 to 90 %", "above 90 %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY_DIR")
    parser.add_argument("--draws", type=int, default=3000)
    options = parser.parse_args()
    studies = [correct_by_recipe(folder) for folder in options.studies]
    for folder, study in zip(options.studies, studies, strict=True):
        sizes = ", ".join(f"{name} {len(runs)}" for name, runs in study.items())
        print(f"{folder.name}: {next(iter(study.values())).shape[1]:,} test images; runs: {sizes}")
    rng = np.random.default_rng(0)
    drawn = [result for _ in range(options.draws) if (result := draw(studies, rng)) is not None]
    predicted, seen = np.array(drawn).T
    places = np.digitize(predicted, EDGES)
    print("\n| predicted chance of a verdict | mean | seen | small studies |\n| --- | ---: | ---: | ---: |")
    for place, name in enumerate(NAMES):
        inside = places == place
        if inside.any():
            print(
                f"| {name} | {100 * predicted[inside].mean():.0f} % | {100 * seen[inside].mean():.0f} % "
                f"| {inside.sum():,} |"
            )


def correct_by_recipe(folder: Path) -> dict[str, NDArray[np.bool_]]:
    """For each recipe bool [num_runs, num_images]: what the runs have right."""
    predictions = load_study_folder(folder).predictions()
    return {recipe.name: predictions.correct(recipe.name) for recipe in predictions.recipes}


def draw(studies: list[dict[str, NDArray[np.bool_]]], rng: np.random.Generator) -> tuple[float, bool] | None:
    """The predicted chance, and whether there was a verdict; None if there is one before, or too few runs."""
    study = studies[rng.integers(len(studies))]
    pairs = list(combinations_with_replacement(study.values(), 2))
    a, b = pairs[rng.integers(len(pairs))]
    few = int(rng.choice([3, 5, 10]))
    many = int(rng.choice([1.5, 2, 4]) * few)
    if a is b:
        rows = rng.permutation(len(a))
        a, b = a[rows[: len(rows) // 2]], a[rows[len(rows) // 2 :]]
    if many > min(len(a), len(b)):
        return None
    sizes = [size for size in (500, 1000, 2000, 5000) if size <= a.shape[1]] or [a.shape[1]]
    images = rng.permutation(a.shape[1])[: rng.choice(sizes)]
    first, second = (runs[rng.permutation(len(runs))[:many]][:, images] for runs in (a, b))
    now, then = (
        crossed_interval(summarize_scores(second[:count]), summarize_scores(first[:count]))
        for count in (few, many)
    )
    if decided(now):
        return None
    (chances,) = chances_of_verdict(now, [many], len(images), margin=MARGIN, confidence=CONFIDENCE)
    return chances.any, decided(then)


def decided(difference: CrossedInterval) -> bool:
    """Whether one pair gets a verdict: a winner, or equivalent within the margin."""
    inside = difference.low > -MARGIN and difference.high < MARGIN
    return inside or difference.low > 0 or difference.high < 0


if __name__ == "__main__":
    main()
