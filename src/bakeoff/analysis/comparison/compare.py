"""compare(): every statistic of the comparison of recipes, from their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.conclusion import conclude, describe_what_it_takes
from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.notes import notes
from bakeoff.analysis.comparison.outlying import judge_without, outlying_runs
from bakeoff.analysis.comparison.pairs import JudgedPair, RecipeScores, judge_pairs, score_recipes
from bakeoff.analysis.comparison.result import (
    ClassAccuracy,
    ClassDifference,
    Comparison,
    PairResult,
    RecipeResult,
    RunAccuracy,
    SecondaryScore,
)
from bakeoff.analysis.scores.by_name import SCORES, Score, ranking_scores
from bakeoff.analysis.scores.own import Metric, as_score
from bakeoff.analysis.scores.predicted_classes import f1, precision
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.calibration import calibration
from bakeoff.analysis.statistics.crossed import ScoreSummary, crossed_interval, summarize_scores
from bakeoff.analysis.statistics.exact_sums import exact_mean
from bakeoff.analysis.statistics.fixed_and_broken import fixed_and_broken
from bakeoff.analysis.statistics.multiple_testing import benjamini_hochberg
from bakeoff.analysis.statistics.noise_budget import NoiseBudget, noise_budget, score_noise
from bakeoff.analysis.statistics.outperformance import probability_of_outperforming
from bakeoff.analysis.statistics.replication import replication
from bakeoff.analysis.statistics.what_it_takes import Chances, WhatItTakes, what_it_takes
from bakeoff.analysis.statistics.wilson import wilson_interval
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.text import did_you_mean

MOST_CLASSES = 100
"""With more, scores that take time for each class (precision and F1 of classes, AUROC and average precision)
are computed only if they are the metric."""


def compare(
    predictions: Predictions,
    *,
    metric: Metric = "accuracy",
    baseline: str | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
    published: Mapping[str, float] | None = None,
    published_images: Mapping[str, int] | None = None,
    looks: LookPlan | None = None,
    budgets: str = "",
    family: Sequence[float] = (),
    details: bool = True,
) -> Comparison:
    """Compare recipes over seeds and images.

    Parameters
    ----------
    predictions
        Of all recipes for the same images.
    metric
        What decides the verdicts: the name of a score (accuracy, balanced_accuracy, macro_f1, auroc,
        average_precision, log_loss, brier or top_K, such as top_3), or a function, see `own_metric`.
    baseline
        Compare every other recipe with this one; None compares all pairs.
    margin
        The smallest difference that matters, in the unit of the metric: of a share, 0.01 is one percentage
        point; of the log-loss, 0.01 nats are a change of the label's probability by one percent.
    confidence
        Of the intervals, 0..1.
    published
        Accuracies published elsewhere, 0..1, by the recipe's name.
    published_images
        The number of test images these were measured on, by the recipe's name; if unknown, as many as here.
    looks
        If seeds are added between interim looks: the plan, with the same confidence. Every interval over
        seeds then has the level of one look, so that the confidence holds over all looks. By default there is
        one look.
    budgets
        How the recipes were tuned, for the conclusion, from `describe_budgets`.
    family
        The p-values of comparisons on other images, corrected by Holm's method together with these.
    details
        Whether to compute what no verdict, note or conclusion needs, most of the work: calibration, precision
        and F1 of classes, and the scores that are not the metric, except for balanced accuracy.

    Raises
    ------
    BakeoffError
        If a recipe is unknown, there is no image, a margin, confidence or published accuracy is out of range,
        or the metric is unknown or cannot be computed.
    """
    score = as_score(metric)
    _check(predictions, score, baseline, margin, confidence, published or {})
    looks = looks or LookPlan((1,), confidence)
    level = looks.level
    score, scored = score_recipes(predictions, score)
    samples = {
        recipe.name: _Sample(predictions, recipe.name, score, scored[recipe.name])
        for recipe in predictions.recipes
    }
    recipes: list[RecipeResult] = []
    for recipe in predictions.recipes:
        sample = samples[recipe.name]
        runs = tuple(_run_accuracy(seed, row, sample, confidence) for row, seed in enumerate(recipe.seeds))
        budget = sample.noise_budget()
        whole = crossed_interval(sample.scored.all, confidence=level, bounds=score.bounds)
        recipes.append(
            RecipeResult(
                name=recipe.name,
                num_seeds=recipe.num_seeds,
                accuracy=exact_mean(sample.accuracy.all.image_means),
                score=whole.value,
                interval=(whole.low, whole.high),
                runs=runs,
                seed_std=budget.seed_std,
                floor_std=budget.floor_std,
                binomial_se=budget.binomial_se,
                overlap=recipe.overlap,
                image_share=budget.image_share,
                seed_share=budget.seed_share,
                classes=_class_accuracies(predictions, recipe.name, sample, level, details),
                secondary=_secondary_scores(predictions, recipe.name, score, level, details),
                calibration=None
                if recipe.probabilities is None or not details
                else calibration(
                    recipe.probabilities,
                    recipe.predicted,
                    predictions.labels,
                    level,
                    predictions.groups,
                    recipe.overlap,
                ),
                replication=replication(
                    sample.accuracy.all,
                    published[recipe.name],
                    published_images=(published_images or {}).get(recipe.name),
                    confidence=level,
                )
                if published and recipe.name in published
                else None,
                outlying=outlying_runs(runs, predictions.num_images, confidence),
            )
        )
    judged = judge_pairs(scored, baseline=baseline, margin=margin, looks=looks, score=score, family=family)
    without = judge_without(
        predictions,
        {recipe.name: recipe.outlying.seeds for recipe in recipes if recipe.outlying},
        baseline=baseline,
        margin=margin,
        looks=looks,
        score=score,
        family=family,
    )
    num_tests = len(judged) + len(family)
    pairs = tuple(
        replace(
            _pair_result(predictions, pair, samples[pair.a], samples[pair.b], margin, looks, num_tests),
            without_outlying=without.get((pair.a, pair.b)),
        )
        for pair in judged
    )
    return Comparison(
        metric=score.name,
        scale=score.scale,
        confidence=confidence,
        margin=margin,
        baseline=baseline,
        num_images=predictions.num_images,
        num_groups=predictions.num_groups,
        recipes=tuple(recipes),
        pairs=pairs,
        notes=notes(predictions, recipes),
        conclusion=conclude(
            recipes, pairs, scale=score.scale, margin=margin, baseline=baseline, budgets=budgets
        ),
    )


class _Sample:
    """The scores of one recipe by the metric and by accuracy, which are the same ones if it is the metric."""

    def __init__(self, predictions: Predictions, name: str, score: Score, scored: RecipeScores) -> None:
        self.correct = predictions.correct(name)
        self.score, self.scored = score, scored
        overlap = scored.overlap
        self.accuracy = (
            scored if score.scale.is_accuracy else RecipeScores(self.correct, predictions.groups, overlap)
        )
        self.by_class: dict[int, ScoreSummary] = {}
        for label in np.unique(predictions.labels):
            images = predictions.labels == label
            self.by_class[int(label)] = summarize_scores(
                self.correct[:, images], predictions.groups_of(images), overlap
            )

    @property
    def shares(self) -> NDArray[np.float64]:
        """float [num_images], the share of correct seeds on each image."""
        shares: NDArray[np.float64] = self.correct.mean(axis=0)
        return shares

    def noise_budget(self) -> NoiseBudget:
        """Of the metric."""
        if self.score.scale.is_accuracy:
            return noise_budget(self.accuracy.all, self.shares)
        return score_noise(np.asarray(self.scored.scores, np.float64), self.scored.all)


def _run_accuracy(seed: int, row: int, sample: _Sample, confidence: float) -> RunAccuracy:
    correct, scored, is_accuracy = sample.correct[row], sample.scored, sample.score.scale.is_accuracy
    accuracy = int(correct.sum()) / len(correct)
    if is_accuracy and scored.groups is None:
        interval = wilson_interval(int(correct.sum()), len(correct), confidence)
        return RunAccuracy(int(seed), accuracy, accuracy, interval)
    of_run = crossed_interval(
        summarize_scores(scored.scores[row : row + 1], scored.groups),
        confidence=confidence,
        bounds=sample.score.bounds,
    )
    score = accuracy if is_accuracy else of_run.value
    return RunAccuracy(int(seed), accuracy, score, (of_run.low, of_run.high))


def _secondary_scores(
    predictions: Predictions, recipe: str, metric: Score, confidence: float, details: bool
) -> tuple[SecondaryScore, ...]:
    """Every other score that has a name and is defined for these predictions.

    Without details, that which a conclusion may name.
    """
    others = [
        score
        for score in SCORES.values()
        if score.name != metric.name
        and (details or score.name == "balanced_accuracy")
        and score.is_defined_for(predictions, recipe)
        and not (score.is_ranking and len(predictions.class_names) > MOST_CLASSES)
    ]
    ranked = ranking_scores(predictions, recipe) if any(score.is_ranking for score in others) else {}
    scores = []
    for score in others:
        of_images = ranked[score.name] if score.is_ranking else score.of_images(predictions, recipe)
        summary = summarize_scores(of_images, predictions.groups, predictions.recipe(recipe).overlap)
        interval = crossed_interval(summary, confidence=confidence, bounds=score.bounds)
        scores.append(SecondaryScore(score.name, score.scale, interval.value, (interval.low, interval.high)))
    return tuple(scores)


def _class_accuracies(
    predictions: Predictions, name: str, sample: _Sample, confidence: float, details: bool
) -> tuple[ClassAccuracy, ...]:
    accuracies = []
    predicted = predictions.recipe(name).predicted
    for label, accuracy in sample.by_class.items():
        interval = crossed_interval(accuracy, confidence=confidence)
        further: dict[str, Any] = {}
        for key, of_class in (("precision", precision), ("f1", f1)):
            if not details or len(predictions.class_names) > MOST_CLASSES:
                break
            scores = np.stack([of_class(predictions.labels, run, label).of_images for run in predicted])
            summary = summarize_scores(scores, predictions.groups, sample.scored.overlap)
            found = crossed_interval(summary, confidence=confidence)
            ends = (found.low, found.high)
            if key == "precision" and not (predicted == label).any():
                ends = (0.0, 1.0)  # nothing is known of a class that is never predicted
            further |= {key: found.value, f"{key}_interval": ends}
        accuracies.append(
            ClassAccuracy(
                name=predictions.class_names[label],
                num_images=int((predictions.labels == label).sum()),
                accuracy=interval.value,
                interval=(interval.low, interval.high),
                **further,
            )
        )
    return tuple(accuracies)


def _pair_result(
    predictions: Predictions,
    pair: JudgedPair,
    a: _Sample,
    b: _Sample,
    margin: float,
    looks: LookPlan,
    num_pairs: int,
) -> PairResult:
    difference, verdict = pair.difference, pair.verdict
    parts = difference.parts
    scale = a.score.scale
    fixed, broken = fixed_and_broken(a.shares, b.shares) if scale.is_accuracy else (None, None)
    needs = (
        WhatItTakes()
        if pair.decided
        else _in_images(
            what_it_takes(difference, margin=margin, confidence=looks.level, num_pairs=num_pairs),
            scale,
            (predictions.num_groups or predictions.num_images) / parts.num_images,
        )
    )
    return PairResult(
        a=pair.a,
        b=pair.b,
        compares="recipes" if parts.seeds_known else "trained models",
        difference=difference.value,
        interval=(difference.low, difference.high),
        p=pair.p,
        p_holm=pair.p_adjusted,
        verdict=verdict.name if parts.seeds_known else "undecided",
        model_verdict=None if parts.seeds_known else verdict.name,
        smaller_than_margin=verdict.smaller_than_margin,
        p_outperform=probability_of_outperforming(_for_ranks(a), _for_ranks(b)),
        fixed=fixed,
        broken=broken,
        image_share=parts.image_share,
        seed_share=None if parts.image_share is None else 1 - parts.image_share,
        degrees_of_freedom=parts.seed_degrees_of_freedom,
        seeds_needed=needs.seeds_needed,
        image_half_width=needs.image_half_width,
        images_needed=needs.images_needed,
        images_needed_seeds=needs.images_needed_seeds,
        chances=needs.chances,
        what_it_takes=""
        if pair.decided
        else describe_what_it_takes(
            needs, num_seeds=min(parts.num_seeds), grouped=predictions.num_groups is not None
        ),
        classes=_class_differences(predictions, a, b, looks.level),
    )


def _for_ranks(sample: _Sample) -> NDArray[np.float64] | NDArray[np.int64]:
    """One number per run, the larger the better; whole numbers for accuracy, so that ties are ties."""
    if sample.score.scale.is_accuracy:
        counts: NDArray[np.int64] = sample.correct.sum(axis=1)
        return counts
    means: NDArray[np.float64] = sample.score.scale.sign * sample.scored.all.seed_means.round(12)
    return means


def _in_images(needs: WhatItTakes, scale: Scale, images_per_part: float) -> WhatItTakes:
    """What it takes, in images or groups even if a user's metric has parts of them as its units."""
    chances, images = needs.chances, needs.images_needed
    if chances is not None and not scale.higher_is_better:
        chances = Chances(chances.worse, chances.better, chances.equivalent)
    if images is not None:
        images = round(images * images_per_part)
    return replace(needs, chances=chances, images_needed=images)


def _class_differences(
    predictions: Predictions, a: _Sample, b: _Sample, confidence: float
) -> tuple[ClassDifference, ...]:
    intervals = {
        label: crossed_interval(b.by_class[label], a.by_class[label], confidence=confidence)
        for label in a.by_class
    }
    adjusted = benjamini_hochberg([interval.p for interval in intervals.values()])
    return tuple(
        ClassDifference(
            name=predictions.class_names[label],
            num_images=int((predictions.labels == label).sum()),
            difference=interval.value,
            interval=(interval.low, interval.high),
            p=interval.p,
            p_fdr=p_fdr,
            beyond_luck=p_fdr < 1 - confidence and (interval.low > 0 or interval.high < 0),
        )
        for (label, interval), p_fdr in zip(intervals.items(), adjusted, strict=True)
    )


def _check(
    predictions: Predictions,
    score: Score,
    baseline: str | None,
    margin: float,
    confidence: float,
    published: Mapping[str, float],
) -> None:
    names = [recipe.name for recipe in predictions.recipes]
    if not names or predictions.num_images == 0:
        raise BakeoffError("there is nothing to compare: no recipe, or no test image")
    for role, name in [("baseline", baseline), *(("published", name) for name in published)]:
        if name is not None and name not in names:
            hint = did_you_mean(name, names)
            raise BakeoffError(f"{role} {name!r} is not one of the recipes: {', '.join(names)}{hint}")
    if not 0 < margin < score.bounds[1] - score.bounds[0]:
        expected = "a share between 0 and 1, such as 0.01 for one percentage point"
        if score.scale.unit != "%":
            expected = f"a difference in {score.scale.heading} above 0, such as 0.01"
        raise BakeoffError(f"margin {margin} is out of range: expected {expected}")
    if not 0.5 <= confidence < 1:
        raise BakeoffError(
            f"confidence {confidence} is out of range: expected 0.5 or more and below 1, such as 0.95"
        )
    for name, accuracy in published.items():
        if not 0 <= accuracy <= 1:
            raise BakeoffError(
                f"published accuracy {accuracy} of {name!r} is out of range: expected a share in 0..1"
            )
