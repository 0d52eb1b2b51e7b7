"""compare(): every statistic of the comparison of recipes, from their predictions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.conclusion import conclude, describe_what_it_takes
from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.notes import notes
from bakeoff.analysis.comparison.pairs import CorrectPredictions, JudgedPair, judge_pairs
from bakeoff.analysis.comparison.result import (
    ClassAccuracy,
    ClassDifference,
    Comparison,
    PairResult,
    RecipeResult,
    RunAccuracy,
)
from bakeoff.analysis.statistics.calibration import calibration
from bakeoff.analysis.statistics.crossed import ScoreSummary, crossed_interval, summarize_scores
from bakeoff.analysis.statistics.fixed_and_broken import fixed_and_broken
from bakeoff.analysis.statistics.multiple_testing import benjamini_hochberg
from bakeoff.analysis.statistics.noise_budget import noise_budget
from bakeoff.analysis.statistics.outperformance import probability_of_outperforming
from bakeoff.analysis.statistics.replication import replication
from bakeoff.analysis.statistics.what_it_takes import WhatItTakes, what_it_takes
from bakeoff.analysis.statistics.wilson import wilson_interval
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.text import did_you_mean


def compare(
    predictions: Predictions,
    *,
    baseline: str | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
    published: Mapping[str, float] | None = None,
    published_images: Mapping[str, int] | None = None,
    looks: LookPlan | None = None,
) -> Comparison:
    """Compare recipes over seeds and images.

    Parameters
    ----------
    predictions
        Of all recipes for the same images.
    baseline
        Compare every other recipe with this one; None compares all pairs.
    margin
        The smallest difference in accuracy that matters, as a share (0.01 is one percentage point).
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

    Raises
    ------
    BakeoffError
        If a recipe is unknown, there is no image, or a margin, confidence or published accuracy is out of
        range.
    """
    _check(predictions, baseline, margin, confidence, published or {})
    looks = looks or LookPlan((1,), confidence)
    level = looks.level
    samples = {recipe.name: _Sample(predictions, recipe.name) for recipe in predictions.recipes}
    recipes = []
    for recipe in predictions.recipes:
        sample = samples[recipe.name]
        budget = noise_budget(sample.all, sample.shares)
        whole = crossed_interval(sample.all, confidence=level)
        recipes.append(
            RecipeResult(
                name=recipe.name,
                num_seeds=recipe.num_seeds,
                accuracy=whole.value,
                interval=(whole.low, whole.high),
                runs=tuple(
                    _run_accuracy(seed, correct, predictions.groups, confidence)
                    for seed, correct in zip(recipe.seeds, sample.correct, strict=True)
                ),
                seed_std=budget.seed_std,
                floor_std=budget.floor_std,
                binomial_se=budget.binomial_se,
                image_share=budget.image_share,
                seed_share=budget.seed_share,
                classes=_class_accuracies(predictions, sample, level),
                calibration=None
                if recipe.probabilities is None
                else calibration(
                    recipe.probabilities, recipe.predicted, predictions.labels, level, predictions.groups
                ),
                replication=replication(
                    sample.all,
                    published[recipe.name],
                    published_images=(published_images or {}).get(recipe.name),
                    confidence=level,
                )
                if published and recipe.name in published
                else None,
            )
        )
    judged = judge_pairs(samples, baseline=baseline, margin=margin, looks=looks)
    pairs = tuple(
        _pair_result(predictions, pair, samples[pair.a], samples[pair.b], margin, looks, len(judged))
        for pair in judged
    )
    return Comparison(
        confidence=confidence,
        margin=margin,
        baseline=baseline,
        num_images=predictions.num_images,
        num_groups=predictions.num_groups,
        recipes=tuple(recipes),
        pairs=pairs,
        notes=notes(predictions, recipes),
        conclusion=conclude(recipes, pairs, margin=margin, baseline=baseline),
    )


class _Sample(CorrectPredictions):
    """The correct predictions of one recipe, also by class."""

    def __init__(self, predictions: Predictions, name: str) -> None:
        super().__init__(predictions.correct(name), predictions.groups)
        self.by_class: dict[int, ScoreSummary] = {}
        for label in np.unique(predictions.labels):
            images = predictions.labels == label
            self.by_class[int(label)] = summarize_scores(
                self.correct[:, images], predictions.groups_of(images)
            )


def _run_accuracy(
    seed: int, correct: NDArray[np.bool_], groups: NDArray[np.int64] | None, confidence: float
) -> RunAccuracy:
    right, num_images = int(correct.sum()), len(correct)
    interval = wilson_interval(right, num_images, confidence)
    if groups is not None:
        over_groups = crossed_interval(summarize_scores(correct[None], groups), confidence=confidence)
        interval = over_groups.low, over_groups.high
    return RunAccuracy(int(seed), right / num_images, interval)


def _class_accuracies(
    predictions: Predictions, sample: _Sample, confidence: float
) -> tuple[ClassAccuracy, ...]:
    accuracies = []
    for label, summary in sample.by_class.items():
        interval = crossed_interval(summary, confidence=confidence)
        accuracies.append(
            ClassAccuracy(
                name=predictions.class_names[label],
                num_images=int((predictions.labels == label).sum()),
                accuracy=interval.value,
                interval=(interval.low, interval.high),
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
    fixed, broken = fixed_and_broken(a.shares, b.shares)
    needs = (
        WhatItTakes()
        if pair.decided
        else what_it_takes(difference, margin=margin, confidence=looks.level, num_pairs=num_pairs)
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
        p_outperform=probability_of_outperforming(a.correct.sum(axis=1), b.correct.sum(axis=1)),
        fixed=fixed,
        broken=broken,
        image_share=parts.image_share,
        seed_share=None if parts.image_share is None else 1 - parts.image_share,
        degrees_of_freedom=parts.degrees_of_freedom,
        seeds_needed=needs.seeds_needed,
        image_half_width=needs.image_half_width,
        images_needed=needs.images_needed,
        images_needed_seeds=needs.images_needed_seeds,
        chances=needs.chances,
        what_it_takes=""
        if pair.decided
        else describe_what_it_takes(needs, grouped=predictions.num_groups is not None),
        classes=_class_differences(predictions, a, b, looks.level),
    )


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
    if not 0 < margin < 1:
        raise BakeoffError(
            f"margin {margin} is out of range: expected a share between 0 and 1, "
            "such as 0.01 for one percentage point"
        )
    if not 0.5 <= confidence < 1:
        raise BakeoffError(
            f"confidence {confidence} is out of range: expected 0.5 or more and below 1, such as 0.95"
        )
    for name, accuracy in published.items():
        if not 0 <= accuracy <= 1:
            raise BakeoffError(
                f"published accuracy {accuracy} of {name!r} is out of range: expected a share in 0..1"
            )
