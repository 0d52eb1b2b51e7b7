"""Confused classes: which pairs of classes are confused, how often, and where recipes differ in it.

The number of images of class t predicted as class p is a sum over the images of class t, so its uncertainty
has two parts, the seed and the images. The interval holds for *a new seed and as many new images like these*:
`crossed_interval` over the class's images, not t over seeds alone, which would be valid for these images
only. With one seed only the images' part is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.confusion import confusion_counts
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.analysis.statistics.multiple_testing import benjamini_hochberg
from bakeoff.predictions import Predictions, RecipePredictions

MIN_COUNT = 5.0
"""Confusions with a lower mean count over both recipes are not tested: t is not valid for them."""


@dataclass(frozen=True)
class ConfusedPair:
    """How often one recipe predicts one class for images of another.

    Attributes
    ----------
    recipe
        The recipe's name.
    true, predicted
        Class indices.
    mean_count
        Images of the true class predicted as the predicted class, mean over seeds.
    low, high
        Of the 95 % interval of that count.
    num_class_images
        Images of the true class.
    """

    recipe: str
    true: int
    predicted: int
    mean_count: float
    low: float
    high: float
    num_class_images: int

    @property
    def share(self) -> float:
        """Share of the true class's images, 0..1."""
        return self.mean_count / self.num_class_images


@dataclass(frozen=True)
class PairOfClasses:
    """How often each recipe predicts one class for images of another.

    Attributes
    ----------
    true, predicted
        Class indices.
    by_recipe
        In the study's order, also of recipes that never confuse them.
    """

    true: int
    predicted: int
    by_recipe: tuple[ConfusedPair, ...]


@dataclass(frozen=True)
class PairDifference:
    """How two recipes differ in one pair of confused classes.

    Attributes
    ----------
    true, predicted
        Class indices.
    recipe_a, recipe_b
        The recipes' names.
    mean_count_a, mean_count_b
        Images of the true class predicted as the predicted class, mean over seeds.
    low, high
        Of the 95 % interval of `mean_count_b - mean_count_a`, not corrected for the number of tests.
    p_value
        For the hypothesis that the recipes do not differ.
    adjusted_p
        Corrected by Benjamini and Hochberg (1995) over all tests.
    """

    true: int
    predicted: int
    recipe_a: str
    recipe_b: str
    mean_count_a: float
    mean_count_b: float
    low: float
    high: float
    p_value: float
    adjusted_p: float

    @property
    def difference(self) -> float:
        """`mean_count_b - mean_count_a`."""
        return self.mean_count_b - self.mean_count_a


@dataclass(frozen=True)
class PairDifferences:
    """Where recipes differ in their confused classes.

    Attributes
    ----------
    beyond_luck
        The significant differences, the largest first.
    num_tested
        The number of tests: pairs of classes x pairs of recipes.
    false_discovery_rate
        The expected share of false positives among the significant differences.
    """

    beyond_luck: tuple[PairDifference, ...]
    num_tested: int
    false_discovery_rate: float


def confused_pairs(
    predictions: Predictions, limit: int = 10, confidence: float = 0.95
) -> dict[str, tuple[ConfusedPair, ...]]:
    """List the most frequently confused classes of each recipe.

    Parameters
    ----------
    predictions
        Of all recipes.
    limit
        Pairs of classes per recipe.
    confidence
        Of the intervals, 0..1; above 0.95 if they have to hold over several interim looks.

    Returns
    -------
    dict of tuple of ConfusedPair
        By the recipe's name; the most frequent first, ties in the order of classes; only pairs that occur.
    """
    pairs_by_recipe = {}
    for recipe in predictions.recipes:
        mean = _mean_errors(predictions, recipe)
        pairs_by_recipe[recipe.name] = tuple(
            _confused_pair(predictions, recipe, pair, confidence) for pair in _most_frequent(mean, limit)
        )
    return pairs_by_recipe


def pairs_by_classes(
    predictions: Predictions, limit: int = 10, confidence: float = 0.95
) -> tuple[PairOfClasses, ...]:
    """List the confused classes that are among the `limit` most frequent ones of any recipe.

    Parameters
    ----------
    predictions, limit, confidence
        As for `confused_pairs`.

    Returns
    -------
    tuple of PairOfClasses
        Each with the counts of all recipes; the highest mean over recipes first, ties in the order of
        classes.
    """
    mean = {recipe.name: _mean_errors(predictions, recipe) for recipe in predictions.recipes}
    pairs = {pair for errors in mean.values() for pair in _most_frequent(errors, limit)}
    total = np.sum(list(mean.values()), axis=0)
    return tuple(
        PairOfClasses(
            *pair,
            tuple(_confused_pair(predictions, recipe, pair, confidence) for recipe in predictions.recipes),
        )
        for pair in sorted(pairs, key=lambda pair: (-total[pair], pair))
    )


def _mean_errors(predictions: Predictions, recipe: RecipePredictions) -> NDArray[np.float64]:
    """float [num_classes, num_classes], mean over seeds; 0 for correct predictions."""
    counts = confusion_counts(predictions.labels, recipe.predicted, len(predictions.class_names))
    mean: NDArray[np.float64] = counts.mean(axis=0)
    np.fill_diagonal(mean, 0)
    return mean


def _most_frequent(mean: NDArray[np.float64], limit: int) -> list[tuple[int, int]]:
    """The cells that occur, the most frequent first, ties in the order of classes."""
    cells = [divmod(int(cell), len(mean)) for cell in np.argsort(-mean.ravel(), kind="stable")[:limit]]
    return [cell for cell in cells if mean[cell] > 0]


def _confused_pair(
    predictions: Predictions, recipe: RecipePredictions, pair: tuple[int, int], confidence: float
) -> ConfusedPair:
    true, predicted = pair
    of_class = predictions.labels == true
    confused = recipe.predicted[:, of_class] == predicted
    num_images = confused.shape[1]
    share = crossed_interval(
        summarize_scores(confused, predictions.groups_of(of_class), recipe.overlap), confidence=confidence
    )
    low, high = share.low * num_images, share.high * num_images
    count = float(confused.sum(axis=1).mean())
    return ConfusedPair(recipe.name, true, predicted, count, low, high, num_images)


def pair_differences(
    predictions: Predictions, false_discovery_rate: float = 0.05, confidence: float = 0.95
) -> PairDifferences:
    """Find the confusions in which two recipes differ significantly.

    Every confusion that two recipes make at least `MIN_COUNT` times on average is tested, for every two
    recipes, as one family.

    Parameters
    ----------
    predictions
        Of all recipes.
    false_discovery_rate
        Expected share of false positives among the significant differences, 0..1.
    confidence
        Of the intervals, 0..1; above 0.95 if they have to hold over several interim looks.
    """
    num_classes = len(predictions.class_names)
    mean = {
        recipe.name: confusion_counts(predictions.labels, recipe.predicted, num_classes).mean(axis=0)
        for recipe in predictions.recipes
    }
    tested = []
    for a, b in combinations(predictions.recipes, 2):
        frequent = (mean[a.name] + mean[b.name]) / 2 >= MIN_COUNT
        np.fill_diagonal(frequent, False)
        for true, predicted in np.argwhere(frequent):
            of_class = predictions.labels == true
            groups = predictions.groups_of(of_class)
            confused_a, confused_b = (
                summarize_scores(recipe.predicted[:, of_class] == predicted, groups, recipe.overlap)
                for recipe in (a, b)
            )
            difference = crossed_interval(confused_b, confused_a, confidence=confidence)
            num_images = int(of_class.sum())
            tested.append(
                PairDifference(
                    true=int(true),
                    predicted=int(predicted),
                    recipe_a=a.name,
                    recipe_b=b.name,
                    mean_count_a=float(mean[a.name][true, predicted]),
                    mean_count_b=float(mean[b.name][true, predicted]),
                    low=difference.low * num_images,
                    high=difference.high * num_images,
                    p_value=difference.p,
                    adjusted_p=np.nan,
                )
            )
    adjusted = benjamini_hochberg([pair.p_value for pair in tested])
    significant = [
        replace(pair, adjusted_p=p)
        for pair, p in zip(tested, adjusted, strict=True)
        if p <= false_discovery_rate
    ]
    significant.sort(key=lambda pair: -abs(pair.difference))
    return PairDifferences(tuple(significant), len(tested), false_discovery_rate)
