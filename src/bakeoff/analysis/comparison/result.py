"""The result of a comparison as data: the content of comparison.json (docs/comparison-json.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.analysis.comparison.looks import Looks
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.calibration import Calibration
from bakeoff.analysis.statistics.replication import Replication
from bakeoff.analysis.statistics.verdict import VerdictName
from bakeoff.analysis.statistics.what_it_takes import Chances
from bakeoff.files import jsonable

Interval = tuple[float, float]


class _WithEnds:
    """What has an `interval`."""

    interval: Interval

    @property
    def low(self) -> float:
        """Of the interval."""
        return self.interval[0]

    @property
    def high(self) -> float:
        """Of the interval."""
        return self.interval[1]


@dataclass(frozen=True)
class RunAccuracy:
    """Accuracy and score of one trained model, with the interval of the score: Wilson's for accuracy."""

    seed: int
    accuracy: float
    score: float
    interval: Interval


@dataclass(frozen=True)
class SecondaryScore:
    """Another score of a recipe than the metric, with its interval over seeds and images."""

    name: str
    scale: Scale
    score: float
    interval: Interval


@dataclass(frozen=True)
class ClassAccuracy:
    """A recipe's results for one class, with intervals over seeds and images.

    Attributes
    ----------
    num_images
        Of the class (its support).
    accuracy, interval
        On these images: the recall of the class.
    precision, precision_interval
        The share of the predictions of this class that are right; 0 in a run without any. None if there are
        more than `MOST_CLASSES` classes, or without details.
    f1, f1_interval
        The harmonic mean of precision and recall; None likewise.
    """

    name: str
    num_images: int
    accuracy: float
    interval: Interval
    precision: float | None = None
    precision_interval: Interval | None = None
    f1: float | None = None
    f1_interval: Interval | None = None


@dataclass(frozen=True)
class OutlyingRuns:
    """The runs of a recipe whose accuracy is far from that of its other runs, such as diverged ones.

    Attributes
    ----------
    seeds
        Of these runs; often empty.
    share, interval
        How often a run of the recipe is one, 0..1, with Wilson's interval over runs.
    """

    seeds: tuple[int, ...]
    share: float
    interval: Interval


@dataclass(frozen=True)
class RecipeResult(_WithEnds):
    """One recipe. Shares and their standard deviations are fractions: 0.01 is one percentage point.

    Attributes
    ----------
    accuracy
        Mean over seeds.
    score, interval
        By the metric of the comparison: mean over seeds, and its interval over seeds and images (over images
        alone with one seed).
    runs
        The accuracy and score of each run, ascending in seed.
    seed_std, floor_std, binomial_se, image_share, seed_share
        Of the score, see `bakeoff.analysis.statistics.noise_budget`.
    classes
        In label order, without classes that have no images.
    calibration
        None if only classes were predicted, or without details.
    replication
        None if there is no published accuracy.
    secondary
        The other scores; without details, the balanced accuracy alone.
    outlying
        The runs that failed; None with fewer than three runs.
    overlap
        Training images per held-out image where each run drew its own from a pool, so that intervals hold for
        training sets like this one; 0 where all runs had the same, and intervals hold for these.
    """

    name: str
    num_seeds: int
    accuracy: float
    score: float
    interval: Interval
    runs: tuple[RunAccuracy, ...]
    seed_std: float | None
    floor_std: float | None
    binomial_se: float
    image_share: float | None
    seed_share: float | None
    classes: tuple[ClassAccuracy, ...]
    calibration: Calibration | None
    replication: Replication | None
    secondary: tuple[SecondaryScore, ...] = ()
    outlying: OutlyingRuns | None = None
    overlap: float = 0.0

    @property
    def recipe(self) -> str:
        """The name."""
        return self.name

    @property
    def mean(self) -> float:
        """The score."""
        return self.score

    def other(self, name: str) -> SecondaryScore | None:
        """The secondary score of this name, if there is one."""
        return next((other for other in self.secondary if other.name == name), None)


def best_first(recipes: Iterable[RecipeResult], scale: Scale) -> list[RecipeResult]:
    """The recipes by their score, equal ones in the order given."""
    return sorted(recipes, key=lambda recipe: -scale.sign * recipe.score)


@dataclass(frozen=True)
class ClassDifference:
    """Difference of two recipes on the images of one class.

    Attributes
    ----------
    p, p_fdr
        Uncorrected, and corrected by Benjamini and Hochberg over the classes of this pair.
    beyond_luck
        Whether the difference is unlikely to be chance: p_fdr is below 1 - confidence and the interval
        excludes 0.
    """

    name: str
    num_images: int
    difference: float
    interval: Interval
    p: float
    p_fdr: float
    beyond_luck: bool


@dataclass(frozen=True)
class PairWithout:
    """Recipe b compared with recipe a without some runs; the fields are as in `PairResult`."""

    difference: float
    interval: Interval
    p_holm: float
    verdict: VerdictName


@dataclass(frozen=True)
class PairResult(_WithEnds):
    """Recipe b compared with recipe a; differences are b minus a, in the unit of the score.

    Attributes
    ----------
    compares
        "recipes", or "trained models" if a recipe has one seed.
    p, p_holm
        Uncorrected, and corrected by Holm's method for the pairs, after a correction for the interim looks if
        there are several. With one seed on both sides McNemar's exact p.
    verdict
        On the recipes: always undecided if a recipe has one seed.
    model_verdict
        On the trained models, if these are compared; else None.
    smaller_than_margin
        Better or worse, but by less than the margin.
    p_outperform
        Probability of outperforming: the share of pairs of runs in which b is better than a, ties count one
        half.
    fixed, broken
        The number of images that b classifies correctly and a does not, and the reverse, mean over pairs of
        runs; None where the metric is not accuracy.
    image_share, seed_share
        Of the variance of the difference; None with one seed or no variance.
    degrees_of_freedom
        Of the seed parts, see `bakeoff.analysis.statistics.crossed`.
    seeds_needed, image_half_width, images_needed, images_needed_seeds
        See `bakeoff.analysis.statistics.what_it_takes`; groups instead of images if they are the unit. None
        for a decided pair.
    chances
        Of each verdict with these numbers; None for a decided pair, with one seed, and without any
        variance.
    what_it_takes
        The same in words; "" for a decided pair.
    without_outlying
        The same pair without the outlying runs; None if neither recipe has any.
    """

    a: str
    b: str
    compares: Literal["recipes", "trained models"]
    difference: float
    interval: Interval
    p: float
    p_holm: float
    verdict: VerdictName
    model_verdict: VerdictName | None
    smaller_than_margin: bool
    p_outperform: float
    fixed: float | None
    broken: float | None
    image_share: float | None
    seed_share: float | None
    degrees_of_freedom: float
    seeds_needed: int | None
    image_half_width: float | None
    images_needed: int | None
    images_needed_seeds: int | None
    chances: Chances | None
    what_it_takes: str
    classes: tuple[ClassDifference, ...]
    without_outlying: PairWithout | None = None

    @property
    def stated_verdict(self) -> VerdictName:
        """What texts state: the verdict on the trained models where these are compared, else on recipes."""
        return self.model_verdict or self.verdict


@dataclass(frozen=True)
class Comparison:
    """Recipes compared.

    Attributes
    ----------
    metric
        The name of the score that decides the verdicts.
    scale
        Its name and unit in texts, and which direction is better.
    confidence
        Of every interval, 0..1; over all looks together if there are several.
    margin
        The smallest difference that matters, in the unit of the score.
    baseline
        The recipe that the others are compared with; None if all pairs are compared.
    num_images
        In the test split.
    num_groups
        The number of groups that they belong to, the unit of every interval; None if each stands for itself.
    recipes, pairs
        In the study's order.
    notes
        Sentences about the limits of the comparison: one seed, few seeds, unequal seeds.
    conclusion
        What the data support, in words.
    looks
        If seeds were added until decided: the interim looks, and why the study stopped; else None.
    """

    metric: str
    scale: Scale
    confidence: float
    margin: float
    baseline: str | None
    num_images: int
    recipes: tuple[RecipeResult, ...]
    pairs: tuple[PairResult, ...]
    notes: tuple[str, ...]
    conclusion: str
    looks: Looks | None = None
    num_groups: int | None = None

    @property
    def to_settle(self) -> tuple[PairResult, ...]:
        """The undecided pairs of recipes with several seeds each, with what might settle each."""
        return tuple(pair for pair in self.pairs if pair.what_it_takes and not pair.model_verdict)

    @property
    def secondary(self) -> dict[str, Scale]:
        """The secondary scores that any recipe has, by name."""
        return {other.name: other.scale for recipe in self.recipes for other in recipe.secondary}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of comparison.json: dicts, lists, str, int, float, bool and None; no NaN."""
        content: dict[str, Any] = jsonable(self)
        return content
