"""Four groups of images: right for every seed, wrong for every seed, differs between recipes, depends on the
seed.

Whether an image differs between recipes is tested exactly, one test per image. If all runs of all recipes
were equally likely to be right, then, given that R of them are, each choice of R runs would be equally
likely. The recipes' counts r_1..r_K then follow the multivariate hypergeometric distribution, and p is the
chance of a Pearson statistic (the sum of r_k^2 / S_k) at least as large as the observed one. A few seeds
cannot give a small p (three against three: 0.10 at best), and among thousands of images some p are small by
chance. So the images with the smallest p are selected as long as the number expected by chance stays below a
share of those selected. That number is known exactly from the distribution above; an image on which all runs
agree adds nothing to it.

Sources: Fisher (1935) for the conditional test; Gilbert (2005), Applied Statistics 54, 143-158, and Heyse
(2011) for false discoveries among discrete tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, lcm
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.difficulty import ImageDifficulty

GroupName = Literal["always right", "always wrong", "decided by the recipe", "luck of the seed"]

GROUP_NAMES: tuple[GroupName, ...] = (
    "always right",
    "always wrong",
    "decided by the recipe",
    "luck of the seed",
)
"""As in summary.json and image_groups.csv."""

GROUP_LABELS: dict[GroupName, str] = {
    "always right": "right for every seed",
    "always wrong": "wrong for every seed",
    "decided by the recipe": "differs between recipes",
    "luck of the seed": "depends on the seed",
}
"""As in texts."""


@dataclass(frozen=True)
class ImageGroups:
    """The group of each image.

    Attributes
    ----------
    group
        int [num_images], an index into `GROUP_NAMES`.
    p_value
        float [num_images], of the exact test that the recipe makes no difference to this image.
    threshold
        The largest p of the images that differ between recipes; 0 if there are none.
    expected_by_luck
        The expected number of images with a p up to the threshold if no recipe made a difference.
    false_discovery_rate
        The share of the images that differ between recipes that may do so by chance.
    """

    group: NDArray[np.int64]
    p_value: NDArray[np.float64]
    threshold: float
    expected_by_luck: float
    false_discovery_rate: float

    @property
    def counts(self) -> dict[GroupName, int]:
        """Images in each group; they add up to all images."""
        return {name: int(np.sum(self.group == index)) for index, name in enumerate(GROUP_NAMES)}

    def name(self, image: int) -> GroupName:
        """Name the group of one image."""
        return GROUP_NAMES[int(self.group[image])]


def image_groups(difficulties: Sequence[ImageDifficulty], false_discovery_rate: float = 0.05) -> ImageGroups:
    """Assign each image to one of four groups.

    - *right for every seed*: every run of every recipe is right.
    - *wrong for every seed*: every run of every recipe is wrong.
    - *differs between recipes*: runs disagree, and the recipes' shares of correct runs differ by more than
      chance explains (exact test, see the module docstring). At most `false_discovery_rate` of this group is
      expected to be there by chance.
    - *depends on the seed*: runs disagree, and the recipes' shares differ by no more than chance may explain.
      With few seeds this group also contains images that differ between recipes: few runs cannot tell.

    Parameters
    ----------
    difficulties
        One per recipe, for the same images.
    false_discovery_rate
        See `ImageGroups`, 0..1.
    """
    num_seeds = tuple(difficulty.num_seeds for difficulty in difficulties)
    right_NK = np.stack([difficulty.num_right for difficulty in difficulties], axis=1)
    total_right = right_NK.sum(axis=1)

    patterns, pattern_of_image = np.unique(right_NK, axis=0, return_inverse=True)
    pattern_p = [recipe_p_value(tuple(map(int, pattern)), num_seeds) for pattern in patterns]
    p_value = np.array(pattern_p)[pattern_of_image.ravel()]

    threshold, expected = 0.0, 0.0
    totals = Counter(map(int, total_right))
    for candidate in np.unique(p_value[p_value < 1.0])[::-1]:
        expected_count = sum(
            count * _chance_up_to(candidate, total, num_seeds) for total, count in totals.items()
        )
        if expected_count <= false_discovery_rate * np.sum(p_value <= candidate):
            threshold, expected = float(candidate), expected_count
            break

    group = np.full(len(p_value), GROUP_NAMES.index("luck of the seed"))
    group[p_value <= threshold] = GROUP_NAMES.index("decided by the recipe")
    group[total_right == sum(num_seeds)] = GROUP_NAMES.index("always right")
    group[total_right == 0] = GROUP_NAMES.index("always wrong")
    return ImageGroups(group, p_value, threshold, expected, false_discovery_rate)


def recipe_p_value(num_right: tuple[int, ...], num_seeds: tuple[int, ...]) -> float:
    """Test exactly, on one image, whether the recipe makes a difference to the share of seeds right.

    Parameters
    ----------
    num_right
        The correct runs of each recipe.
    num_seeds
        The runs of each recipe.

    Returns
    -------
    float
        The probability of a difference at least this large if chance alone decided which runs are right.
    """
    scale = lcm(*num_seeds)
    statistic = sum(right**2 * (scale // seeds) for right, seeds in zip(num_right, num_seeds, strict=True))
    return _tail(num_seeds)[sum(num_right)][statistic]


def _chance_up_to(p: float, total_right: int, num_seeds: tuple[int, ...]) -> float:
    """Probability of a p-value up to `p` by chance alone: the largest possible p-value not above it."""
    return max((value for value in _tail(num_seeds)[total_right].values() if value <= p), default=0.0)


@lru_cache(maxsize=8)
def _tail(num_seeds: tuple[int, ...]) -> dict[int, dict[int, float]]:
    """P(statistic >= x) by the number of runs right and by x, scaled so that x is an integer."""
    scale = lcm(*num_seeds)
    ways: dict[int, Counter[int]] = {0: Counter({0: 1})}
    for seeds in num_seeds:
        extended: dict[int, Counter[int]] = {}
        for total, statistics in ways.items():
            for right in range(seeds + 1):
                into = extended.setdefault(total + right, Counter())
                step, choices = right**2 * (scale // seeds), comb(seeds, right)
                for statistic, count in statistics.items():
                    into[statistic + step] += count * choices
        ways = extended

    tails: dict[int, dict[int, float]] = {}
    for total, statistics in ways.items():
        num_ways, at_least = comb(sum(num_seeds), total), 0
        tails[total] = {}
        for statistic in sorted(statistics, reverse=True):
            at_least += statistics[statistic]
            tails[total][statistic] = at_least / num_ways
    return tails
