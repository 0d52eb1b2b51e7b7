"""Four groups of images: right for every seed, wrong for every seed, differs between recipes, runs disagree.

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
from scipy.special import betaln

from bakeoff.analysis.failures.difficulty import ImageDifficulty

GroupName = Literal["always right", "always wrong", "decided by the recipe", "luck of the seed"]

GROUP_LABELS: dict[GroupName, str] = {
    "always right": "right for every seed",
    "always wrong": "wrong for every seed",
    "decided by the recipe": "differs between recipes",
    "luck of the seed": "runs disagree",
}
"""As in texts."""

GROUP_NAMES: tuple[GroupName, ...] = tuple(GROUP_LABELS)
"""As in summary.json and image_groups.csv."""

MAX_CELLS = 1 << 23
"""Of the table of chances, 8 bytes each. A statistic that needs more is rounded: that of 1,500 runs, or of
some hundred runs whose numbers of seeds differ. The test stays exact, for the rounded statistic."""

ROWS = 16
"""Of the table of chances that are computed at a time."""


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

    def difference(self, a: ImageDifficulty, b: ImageDifficulty) -> dict[GroupName, float]:
        """What each group contributes to the images that b has right and a has not, mean over seeds.

        The sum over groups is the difference in accuracy times the number of images.
        """
        gained = np.bincount(self.group, weights=b.share_right - a.share_right, minlength=len(GROUP_NAMES))
        return dict(zip(GROUP_NAMES, gained.tolist(), strict=True))

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
    - *runs disagree*: the recipes' shares differ by no more than chance may explain. That is not to say that
      they differ by chance: image by image, few runs cannot tell. Most of a difference between recipes can
      lie here, see `ImageGroups.difference`.

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

    candidates = np.unique(p_value[p_value < 1.0])
    num_selected = np.searchsorted(np.sort(p_value), candidates, side="right")
    expected_counts = np.zeros(len(candidates))
    for total, count in Counter(map(int, total_right)).items():
        expected_counts += count * _chance_up_to(candidates, total, num_seeds)
    acceptable = np.flatnonzero(expected_counts <= false_discovery_rate * num_selected)
    threshold, expected = 0.0, 0.0
    if len(acceptable):
        threshold, expected = float(candidates[acceptable[-1]]), float(expected_counts[acceptable[-1]])

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
    steps, chances = _chances(num_seeds)
    spread = sum(step[right] for step, right in zip(steps, num_right, strict=True))
    return float(chances[_row(sum(num_right), num_seeds), spread])


def _chance_up_to(
    p: NDArray[np.float64], total_right: int, num_seeds: tuple[int, ...]
) -> NDArray[np.float64]:
    """Probability of a p-value up to each `p` by chance alone: the largest possible p-value not above it."""
    possible = _chances(num_seeds)[1][_row(total_right, num_seeds)]
    place = np.searchsorted(possible, p, side="right")
    return np.where(place > 0, possible[place - 1], 0.0)


def _row(total_right: int, num_seeds: tuple[int, ...]) -> int:
    """The row of `_chances`: as many runs wrong as right have the same chances."""
    return min(total_right, sum(num_seeds) - total_right)


@lru_cache(maxsize=8)
def _chances(num_seeds: tuple[int, ...]) -> tuple[list[list[int]], NDArray[np.float64]]:
    """P(spread <= x) by the number of runs right, up to half of the runs, and by x.

    The spread is the sum of r_k (S_k - r_k) / S_k, scaled to integers: the total minus the Pearson statistic,
    so the smaller it is, the more the recipes differ. Also returned: what r right runs of a recipe add to it.
    """
    num_runs = sum(num_seeds)
    num_rows = num_runs // 2 + 1
    scale = min(lcm(*num_seeds), max(4 * MAX_CELLS // (num_rows * num_runs), 1))
    steps = [[round(scale * r * (seeds - r) / seeds) for r in range(seeds + 1)] for seeds in num_seeds]

    # Row t holds numbers of ways, divided by 2^bits[t], about the number of all ways to choose t runs: sums
    # of integers are exact below 2^53, and those of many runs do not overflow.
    ways, bits, num_before = np.ones((1, 1)), np.zeros(1, np.int64), 0
    for seeds, step in zip(num_seeds, steps, strict=True):
        num_before += seeds
        width, totals = ways.shape[1], np.arange(min(num_before + 1, num_rows))
        extended_bits = np.rint(
            -(np.log1p(num_before) + betaln(totals + 1, num_before - totals + 1)) / np.log(2)
        )
        extended_bits = extended_bits.astype(np.int64)
        extended = np.zeros((len(totals), width + max(step)))
        factors = []
        for right in range(min(seeds, len(totals) - 1) + 1):
            choices, height = comb(seeds, right), min(len(ways), len(totals) - right)
            exponents = choices.bit_length() + bits[:height] - extended_bits[right : right + height]
            factors.append(np.ldexp(choices / (1 << choices.bit_length()), exponents))
        # Some rows at a time, which stay in the processor's cache: half the time.
        for start in range(0, len(totals), ROWS):
            for right, factor in enumerate(factors):
                first, last = max(start - right, 0), min(max(start + ROWS - right, 0), len(factor))
                added = factor[first:last, None] * ways[first:last]
                extended[first + right : last + right, step[right] : step[right] + width] += added
        ways, bits = extended, extended_bits
    chances = np.cumsum(ways, axis=1)
    chances /= chances[:, -1:].copy()
    return steps, chances
