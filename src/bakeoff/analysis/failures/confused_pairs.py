"""Confused pairs: which class is taken for which other, how often, and where recipes differ in it.

The number of images of class t taken for class p is a sum over the images of class t, so its uncertainty has
two parts, the seed and the images. The interval holds for *a seed not yet drawn and as many other images
like these*: `crossed_interval` over the class's images, not t over seeds alone, which would speak about these
very images only. With one seed only the images' part is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bakeoff.analysis.failures.confusion import confusion_counts
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.analysis.statistics.multiple_testing import benjamini_hochberg
from bakeoff.predictions import Predictions

MIN_COUNT = 5.0
"""Pairs rarer than this in both recipes together, on average, are not tested: t does not hold for them."""


@dataclass(frozen=True)
class ConfusedPair:
    """How often one recipe takes images of one class for another.

    Attributes
    ----------
    recipe
        The recipe's name.
    true, predicted
        Class indices.
    mean_count
        Images of the true class taken for the predicted class, mean over seeds.
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
class PairDifference:
    """How two recipes differ in one confused pair.

    Attributes
    ----------
    true, predicted
        Class indices.
    recipe_a, recipe_b
        The recipes' names.
    mean_count_a, mean_count_b
        Images of the true class taken for the predicted class, mean over seeds.
    low, high
        Of the 95 % interval of `mean_count_b - mean_count_a`, not adjusted for the number of pairs.
    p_value
        That the recipes do not differ.
    adjusted_p
        After Benjamini and Hochberg (1995) over all that were tested.
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
    """Where recipes differ in their confused pairs.

    Attributes
    ----------
    beyond_luck
        The differences claimed, the largest first.
    num_tested
        Confused pairs x pairs of recipes that were tested.
    false_discovery_rate
        The share of the claimed that luck may account for.
    """

    beyond_luck: tuple[PairDifference, ...]
    num_tested: int
    false_discovery_rate: float


def confused_pairs(
    predictions: Predictions, limit: int = 10, confidence: float = 0.95
) -> dict[str, tuple[ConfusedPair, ...]]:
    """List the most frequent confused pairs of each recipe.

    Parameters
    ----------
    predictions
        Of all recipes.
    limit
        Pairs a recipe.
    confidence
        Of the intervals, 0..1; above 0.95 where they are to hold over several looks.

    Returns
    -------
    dict of tuple of ConfusedPair
        By the recipe's name; the most frequent first, a tie in the order of classes; pairs that occur only.
    """
    num_classes = len(predictions.class_names)
    found = {}
    for recipe in predictions.recipes:
        counts = confusion_counts(predictions.labels, recipe.predicted, num_classes)
        mean = counts.mean(axis=0)
        np.fill_diagonal(mean, 0)
        pairs = []
        for cell in np.argsort(-mean.ravel(), kind="stable")[:limit]:
            true, predicted = divmod(int(cell), num_classes)
            if mean[true, predicted] == 0:
                break
            taken = recipe.predicted[:, predictions.labels == true] == predicted
            num_images = taken.shape[1]
            share = crossed_interval(summarize_scores(taken), confidence=confidence)
            low, high = share.low * num_images, share.high * num_images
            count = float(mean[true, predicted])
            pairs.append(ConfusedPair(recipe.name, true, predicted, count, low, high, num_images))
        found[recipe.name] = tuple(pairs)
    return found


def pair_differences(
    predictions: Predictions, false_discovery_rate: float = 0.05, confidence: float = 0.95
) -> PairDifferences:
    """Find the confused pairs in which two recipes differ beyond luck.

    Every confused pair that the two recipes make at least `MIN_COUNT` times on average is tested, for every
    two recipes, all one family.

    Parameters
    ----------
    predictions
        Of all recipes.
    false_discovery_rate
        Share of the claimed differences that luck may account for, 0..1.
    confidence
        Of the intervals, 0..1; above 0.95 where they are to hold over several looks.
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
            taken_a, taken_b = (recipe.predicted[:, of_class] == predicted for recipe in (a, b))
            difference = crossed_interval(
                summarize_scores(taken_b), summarize_scores(taken_a), confidence=confidence
            )
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
    beyond = [
        replace(pair, adjusted_p=p)
        for pair, p in zip(tested, adjusted, strict=True)
        if p <= false_discovery_rate
    ]
    beyond.sort(key=lambda pair: -abs(pair.difference))
    return PairDifferences(tuple(beyond), len(tested), false_discovery_rate)
