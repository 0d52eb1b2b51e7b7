"""Predictions of three recipes whose names and classes need care on a page."""

import numpy as np

from bakeoff.predictions import Predictions, RecipePredictions

NAMES = ("lenet5", "lenet5_l2_regularization", "lenet5_batch_norm")
CLASSES = ("airplane", "bird", "<script>alert(1)</script>", "$cat_1$")


def predictions(names: tuple[str, ...] = NAMES, num_seeds: int = 5, num_images: int = 400) -> Predictions:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, num_images)
    ease = rng.normal(0.5, 1.5, num_images)
    recipes = []
    for number, name in enumerate(names):
        logits = rng.normal(size=(num_seeds, num_images, 4))
        logits[:, np.arange(num_images), labels] += ease + 0.6 * number
        chances = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        recipes.append(
            RecipePredictions(
                name, tuple(range(num_seeds)), logits.argmax(axis=2), chances.astype(np.float32)
            )
        )
    return Predictions(labels, tuple(f"{i}.png" for i in range(num_images)), CLASSES, tuple(recipes))
