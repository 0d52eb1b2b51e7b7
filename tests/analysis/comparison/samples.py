"""Predictions with real seed, image and recipe x image effects, from seeded generators."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from bakeoff.predictions import Predictions, RecipePredictions

DIFFICULTY, SEED_STD, INTERACTION = 1.5, 0.12, 1.5
"""In logits; the seed's 0.12 are about 1.6 points of accuracy."""


def expected_accuracy(level: float, seed_std: float = SEED_STD, interaction: float = INTERACTION) -> float:
    """The expectation over images, seeds and interaction: their logits sum to one normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    total = np.sqrt(DIFFICULTY**2 + seed_std**2 + interaction**2)
    return float((weights * expit(level + total * nodes)).sum() / weights.sum())


def draw_correct(
    rng: np.random.Generator,
    num_seeds: int,
    difficulty: np.ndarray,
    level: float,
    seed_std: float,
    interaction: float,
) -> np.ndarray:
    """bool [num_seeds, num_images]: logit-normal chances; difficulty is shared between recipes."""
    logit = level + difficulty + interaction * rng.normal(size=difficulty.shape)
    logit = logit + seed_std * rng.normal(size=(num_seeds, 1))
    return rng.random((num_seeds, len(difficulty))) < 1 / (1 + np.exp(-logit))


def draw_predictions(
    num_recipes: int = 3,
    num_seeds: int | tuple[int, ...] = 5,
    num_images: int = 300,
    num_classes: int = 4,
    spread: float = 0.4,
    probabilities: bool = True,
    seed: int = 0,
) -> Predictions:
    """Softmax predictions of recipes that grow better by `spread` logits each."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_images)
    ease = rng.normal(0.5, 1.5, num_images)
    counts = (num_seeds,) * num_recipes if isinstance(num_seeds, int) else num_seeds
    recipes = []
    for number, count in enumerate(counts):
        logits = rng.normal(size=(count, num_images, num_classes))
        logits[:, np.arange(num_images), labels] += ease + spread * number + rng.normal(0, 0.1, (count, 1))
        chances = np.exp(logits)
        chances /= chances.sum(axis=2, keepdims=True)
        recipes.append(
            RecipePredictions(
                name=f"recipe_{number}",
                seeds=tuple(range(count)),
                predicted=logits.argmax(axis=2),
                probabilities=chances.astype(np.float32) if probabilities else None,
            )
        )
    names = tuple(f"class {number}" for number in range(num_classes))
    ids = tuple(f"image_{number:05d}" for number in range(num_images))
    return Predictions(labels, ids, names, tuple(recipes))
