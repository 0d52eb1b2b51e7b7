"""A seeded simulation: how often 95 % intervals hold the truth when seeds and images are both random."""

import numpy as np
import pytest
from scipy.special import expit, stdtrit
from tests.analysis.comparison.samples import draw_correct

from bakeoff.analysis.statistics.crossed import crossed_interval, summarise
from bakeoff.analysis.statistics.replication import replication

NUM_DRAWS, NUM_IMAGES = 1_000, 500
DIFFICULTY, SEED_STD, INTERACTION = 1.5, 0.12, 1.5
"""In logits; the seed's 0.12 are about 1.6 points of accuracy."""
LEVELS = (0.0, 0.1)


def expected_accuracy(level: float, seed_std: float = SEED_STD, interaction: float = INTERACTION) -> float:
    """The expectation over images, seeds and interaction: their logits sum to one normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    total = np.sqrt(DIFFICULTY**2 + seed_std**2 + interaction**2)
    return float((weights * expit(level + total * nodes)).sum() / weights.sum())


def draw_pair(rng: np.random.Generator, seeds: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    difficulty = DIFFICULTY * rng.normal(size=NUM_IMAGES)
    return tuple(
        draw_correct(rng, count, difficulty, level, SEED_STD, INTERACTION)
        for count, level in zip(seeds, LEVELS, strict=True)
    )


def student_half_width(a: np.ndarray, b: np.ndarray) -> float:
    """Of Student's interval over seeds: what is usually reported, blind to the draw of images."""
    degrees = len(a) + len(b) - 2
    squares = sum(len(runs) * runs.mean(axis=1).var() for runs in (a, b))
    return float(stdtrit(degrees, 0.975) * np.sqrt(squares / degrees * (1 / len(a) + 1 / len(b))))


@pytest.mark.parametrize("seeds", [(3, 3), (5, 5), (10, 10), (3, 10)])
def test_crossed_intervals_cover_where_one_seed_and_seeds_only_fail(seeds: tuple[int, int]) -> None:
    truth = expected_accuracy(LEVELS[1]) - expected_accuracy(LEVELS[0])
    rng = np.random.default_rng(20_240_817 + sum(seeds))
    covered = {"crossed": 0, "one seed": 0, "seeds only": 0}
    for _ in range(NUM_DRAWS):
        a, b = draw_pair(rng, seeds)
        crossed = crossed_interval(summarise(b), summarise(a))
        covered["crossed"] += crossed.low <= truth <= crossed.high
        images = crossed_interval(summarise(b[:1]), summarise(a[:1]))
        covered["one seed"] += images.low <= truth <= images.high
        covered["seeds only"] += abs(b.mean() - a.mean() - truth) <= student_half_width(a, b)
    share = {name: count / NUM_DRAWS for name, count in covered.items()}
    assert 0.93 <= share["crossed"] <= 0.98, share
    assert share["one seed"] < 0.93, share
    assert share["seeds only"] < 0.93, share


def test_prediction_intervals_hold_one_new_run_on_new_images() -> None:
    rng = np.random.default_rng(7)
    inside = {5: 0, 10: 0}
    for num_seeds in inside:
        for _ in range(500):
            here = draw_correct(
                rng, num_seeds, DIFFICULTY * rng.normal(size=NUM_IMAGES), 0.0, SEED_STD, INTERACTION
            )
            there = draw_correct(rng, 1, DIFFICULTY * rng.normal(size=400), 0.0, SEED_STD, INTERACTION)
            found = replication(summarise(here), float(there.mean()), published_images=400)
            inside[num_seeds] += bool(found.inside)
    assert all(0.92 <= count / 500 <= 0.98 for count in inside.values()), inside
