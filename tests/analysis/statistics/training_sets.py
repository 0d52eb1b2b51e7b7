"""A world in which the training set matters: two equally good recipes that learn from different features.

Run as a module, it prints the rows of the table in docs/statistics/training-sets.md.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.statistics.crossed import CrossedInterval, crossed_interval, summarize_scores

FEATURES, APART = 20, 1.2


def _images(rng: np.random.Generator, number: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two classes that differ in the first feature of either recipe, in equal measure."""
    labels = np.arange(number) % 2
    images = rng.normal(size=(2, number, FEATURES))
    images[:, :, 0] += APART * (labels - 0.5)
    return images, labels


def _correct(
    rng: np.random.Generator,
    train: tuple[NDArray[np.float64], NDArray[np.int64]],
    test: tuple[NDArray[np.float64], NDArray[np.int64]],
    luck: float,
) -> NDArray[np.bool_]:
    """Which test images the nearest mean of a class classifies correctly, with other luck in its weights."""
    first, second = (train[0][train[1] == label].mean(axis=0) for label in (0, 1))
    weights = second - first + luck * rng.normal(size=FEATURES)
    return (test[0] @ weights > (first + second) @ weights / 2) == test[1]


def study(
    rng: np.random.Generator, *, train: int, val: int, seeds: int, test: int, luck: float, split: bool
) -> list[NDArray[np.bool_]]:
    """bool [seeds, test] of each of two recipes, on a new pool and new test images.

    Without `split`, all runs have the same training images.
    """
    pool, labels = _images(rng, train + val)
    unseen, unseen_labels = _images(rng, test)
    of_class = [np.flatnonzero(labels == label) for label in (0, 1)]
    parts: list[NDArray[np.int64]] = []
    for seed in range(seeds):
        fresh = split or not seed
        parts.append(
            np.concatenate([rng.permutation(c)[: train // 2] for c in of_class]) if fresh else parts[0]
        )
    return [
        np.array(
            [_correct(rng, (pool[k][part], labels[part]), (unseen[k], unseen_labels), luck) for part in parts]
        )
        for k in (0, 1)
    ]


def difference(scores: list[NDArray[np.bool_]], overlap: float) -> CrossedInterval:
    a, b = (summarize_scores(recipe, None, overlap) for recipe in scores)
    return crossed_interval(b, a)


def false_verdicts(
    draws: int, *, train: int, val: int, seeds: int, test: int, luck: float, key: int = 0
) -> dict[str, float]:
    """The share of intervals that exclude 0, where the recipes are equal over training sets, and mean widths.

    By how the runs are made: `default`, `split`, `split without allowance`, `split as in Nadeau and Bengio`.
    """
    rng = np.random.default_rng([key, train, val, seeds, test, int(10 * luck)])
    world = {"train": train, "val": val, "seeds": seeds, "test": test, "luck": luck}
    found: dict[str, list[CrossedInterval]] = {}
    for _ in range(draws):
        same, own = (study(rng, **world, split=split) for split in (False, True))
        for name, scores, overlap in (
            ("default", same, 0.0),
            ("split", own, train / val),
            ("split without allowance", own, 0.0),
            ("split as in Nadeau and Bengio", own, val / train),
        ):
            found.setdefault(name, []).append(difference(scores, overlap))
    shares = {name: float(np.mean([not i.low <= 0 <= i.high for i in found[name]])) for name in found}
    return shares | {
        f"{name}, width": float(np.mean([i.high - i.low for i in found[name]])) for name in found
    }


CELLS = [
    {"train": train, "val": val, "seeds": seeds, "test": test, "luck": luck}
    for train, val in ((100, 20), (60, 60), (200, 40))
    for test, luck, seeds in ((1000, 0.0, 3), (1000, 0.0, 5), (1000, 0.0, 10), (8000, 0.0, 5), (8000, 0.2, 5))
]

if __name__ == "__main__":
    for cell in CELLS:
        shares = false_verdicts(int(sys.argv[1]), **cell)  # type: ignore[arg-type]
        print(cell, {name: f"{100 * share:.1f}" for name, share in shares.items()}, flush=True)
