"""The learning curve of a study: scores against training images, what overtakes what, what more may give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bakeoff.analysis.comparison.of_study import study_plan
from bakeoff.analysis.comparison.pairs import pairs_to_compare, score_recipes
from bakeoff.analysis.learning_curve.power_law import MOST_TIMES, Prediction, predict_score
from bakeoff.analysis.learning_curve.sentences import describe_curve
from bakeoff.analysis.scores.by_name import Score, score_named
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.crossed import CrossedInterval, ScoreSummary, crossed_interval
from bakeoff.files import jsonable

if TYPE_CHECKING:
    from bakeoff.predictions import Predictions
    from bakeoff.store import StoredStudy


@dataclass(frozen=True)
class CurvePoint:
    """The runs of a recipe with one number of training images.

    Attributes
    ----------
    size
        The number asked for, or of all training images.
    num_train
        The mean number that runs had; another one where whole groups of images were drawn.
    num_seeds
        Finished runs.
    score
        Mean, in the unit of the metric.
    interval
        Over seeds, with their own parts of the training images, and test images.
    """

    size: int
    num_train: float
    num_seeds: int
    score: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class RecipeCurve:
    """The points of a recipe, ascending in size.

    Attributes
    ----------
    prediction
        For `MOST_TIMES` the largest number of training images; None if there are too few sizes or runs.
    """

    name: str
    points: tuple[CurvePoint, ...]
    prediction: Prediction | None

    def point(self, size: int) -> CurvePoint | None:
        """The runs with this number of training images, if there are any."""
        return next((point for point in self.points if point.size == size), None)


@dataclass(frozen=True)
class SizeDifference:
    """Recipe b minus recipe a with one number of training images, not corrected for the number of pairs."""

    a: str
    b: str
    size: int
    difference: float
    interval: tuple[float, float]

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.interval[0] <= 0 <= self.interval[1]

    def is_like(self, other: SizeDifference) -> bool:
        """Whether the same recipe is the better one."""
        return self.difference * other.difference > 0


@dataclass(frozen=True)
class Crossing:
    """One recipe overtakes another.

    Attributes
    ----------
    overtaken, by
        The better one with fewer images, and with more.
    after, at
        The last number of images with which it is behind, and the next, with which it is ahead.
    is_clear
        Whether an interval excludes 0 on each side of the crossing.
    """

    overtaken: str
    by: str
    after: int
    at: int
    is_clear: bool


@dataclass(frozen=True)
class LearningCurve:
    """Scores against the number of training images.

    Attributes
    ----------
    metric, scale
        What is scored.
    confidence
        Of each interval, 0..1.
    sizes
        The numbers of training images, ascending; the last is that of all.
    recipes
        Those with a finished run, in the study's order.
    differences, crossings
        Of the pairs that the study compares.
    num_seeds
        Runs per recipe and size that the study asks for.
    draws_pool
        Whether runs drew from training and validation images; otherwise parts are of the training images.
    """

    metric: str
    scale: Scale
    confidence: float
    sizes: tuple[int, ...]
    recipes: tuple[RecipeCurve, ...]
    differences: tuple[SizeDifference, ...]
    crossings: tuple[Crossing, ...]
    num_seeds: int
    draws_pool: bool

    @property
    def predicted_size(self) -> int:
        """The number of training images that predictions are for."""
        return round(MOST_TIMES * self.sizes[-1])

    @property
    def sentences(self) -> tuple[str, ...]:
        """Where one recipe overtakes another, and what more images would probably give."""
        return describe_curve(self)

    @property
    def basis(self) -> str:
        """What was done, and what the intervals hold for."""
        parts = "the images that it draws" if self.draws_pool else "the training images"
        return (
            f"Each seed trains on parts of {parts}: a part has the same share of each class, and contains "
            "the smaller parts of its seed. Intervals are over seeds, with their parts, and test images"
            f"{'' if self.draws_pool else '; for all training images, over seeds on the same images'}. "
            "They are not corrected for the number of recipes and sizes."
        )

    @property
    def rows(self) -> list[tuple[str, float, str, int | None, float, float, float]]:
        """Recipe, training images, "measured" or "predicted", seeds, score, and the ends of its interval."""
        rows: list[tuple[str, float, str, int | None, float, float, float]] = []
        for recipe in self.recipes:
            for point in recipe.points:
                low, high = point.interval
                rows.append(
                    (recipe.name, point.num_train, "measured", point.num_seeds, point.score, low, high)
                )
            if found := recipe.prediction:
                rows.append(
                    (recipe.name, found.num_train, "predicted", None, found.value, found.low, found.high)
                )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The key `learning_curve` of summary.json."""
        content: dict[str, Any] = jsonable(
            {
                "metric": self.metric,
                "confidence": self.confidence,
                "sizes": self.sizes,
                "predicted_size": self.predicted_size,
                "recipes": self.recipes,
                "differences": self.differences,
                "crossings": self.crossings,
                "sentences": self.sentences,
            }
        )
        return content


def study_learning_curve(
    stored: StoredStudy, predictions: Predictions, metric: Score | None = None
) -> LearningCurve | None:
    """The learning curve of a study with `train_sizes`.

    Parameters
    ----------
    stored
        All results.
    predictions
        From `stored.predictions()`: of the runs with all training images.
    metric
        What is scored, if not the study's metric.

    Returns
    -------
    LearningCurve or None
        None if the study has no `train_sizes`, or no run with fewer training images is finished.

    Raises
    ------
    BakeoffError
        If the metric cannot be computed.
    """
    study = stored.study
    if not study.train_sizes or not stored.sized_runs:
        return None
    score = metric or score_named(study.compare.metric)
    num_train = sum(stored.data["counts"]["train"])
    sizes = sorted({run.size for run in stored.sized_runs})
    at_size = {size: stored.predictions_at(size) for size in sizes} | {num_train: predictions}
    confidence = study_plan(study).level
    summaries: dict[int, dict[str, ScoreSummary]] = {}
    for size, of_size in at_size.items():
        if of_size.recipes:
            score, scored = score_recipes(of_size, score)
            summaries[size] = {name: scores.all for name, scores in scored.items()}
    curves = tuple(
        _curve(stored, name, summaries, score, confidence, num_train)
        for name in study.recipes
        if any(name in of_size for of_size in summaries.values())
    )
    differences = tuple(
        SizeDifference(a, b, size, found.value, (found.low, found.high))
        for a, b in pairs_to_compare(study.recipes, study.baseline)
        for size, of_size in summaries.items()
        if a in of_size and b in of_size
        for found in [_interval(of_size[b], score, confidence, of_size[a])]
    )
    return LearningCurve(
        metric=score.name,
        scale=score.scale,
        confidence=study.confidence,
        sizes=tuple(summaries),
        recipes=curves,
        differences=differences,
        crossings=find_crossings(differences, score.scale),
        num_seeds=study.seeds,
        draws_pool=any(recipe.draws_split for recipe in study.recipes.values()),
    )


def _interval(
    scores: ScoreSummary, score: Score, confidence: float, minus: ScoreSummary | None = None
) -> CrossedInterval:
    return crossed_interval(scores, minus, confidence=confidence, bounds=score.bounds)


def _curve(
    stored: StoredStudy,
    name: str,
    summaries: dict[int, dict[str, ScoreSummary]],
    score: Score,
    confidence: float,
    num_train: int,
) -> RecipeCurve:
    points, numbers, scores = [], [], []
    for size, of_size in summaries.items():
        if name not in of_size:
            continue
        runs = [run.num_train for run in stored.sized_runs if (run.size, run.recipe) == (size, name)]
        number = sum(runs) / len(runs) if size < num_train else float(num_train)
        found = _interval(of_size[name], score, confidence)
        seed_means = of_size[name].seed_means
        points.append(CurvePoint(size, number, len(seed_means), found.value, (found.low, found.high)))
        numbers.append(number)
        scores.append(seed_means)
    prediction = None
    if points[-1].size == num_train:
        prediction = predict_score(
            numbers,
            scores,
            MOST_TIMES * num_train,
            higher_is_better=score.scale.higher_is_better,
            bounds=score.bounds,
            confidence=confidence,
        )
    return RecipeCurve(name, tuple(points), prediction)


def find_crossings(differences: Sequence[SizeDifference], scale: Scale) -> tuple[Crossing, ...]:
    """Where the sign of a pair's difference changes from one number of training images to the next."""
    crossings = []
    for a, b in dict.fromkeys((one.a, one.b) for one in differences):
        of_pair = [one for one in differences if (one.a, one.b) == (a, b) and one.difference]
        for before, after in pairwise(of_pair):
            if before.difference * after.difference > 0:
                continue
            b_wins = scale.sign * after.difference > 0
            sides = (
                [one for one in of_pair if one.size <= before.size and one.is_like(before)],
                [one for one in of_pair if one.size >= after.size and one.is_like(after)],
            )
            is_clear = all(any(one.is_clear for one in side) for side in sides)
            overtaken, by = (a, b) if b_wins else (b, a)
            crossings.append(Crossing(overtaken, by, before.size, after.size, is_clear))
    return tuple(crossings)
