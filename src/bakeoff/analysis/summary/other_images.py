"""compare_others(): the recipes of a study on its other test images, and whether the differences stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bakeoff.analysis.comparison.changes import Changes, compare_changes
from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.of_study import study_plan
from bakeoff.analysis.comparison.pairs import judge_pairs, score_recipes
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.own import Metric, as_score
from bakeoff.data.image_data import IDENTICAL, LOOKS_LIKE, NEARLY, NOT_CHECKED, NOT_IDENTICAL
from bakeoff.predictions import Predictions
from bakeoff.text import counted, listed

if TYPE_CHECKING:
    from bakeoff.store import StoredStudy
    from bakeoff.store.other_images import OtherImages
    from bakeoff.study import Study


@dataclass(frozen=True)
class OtherTest:
    """The recipes on other images than the study's test images.

    Attributes
    ----------
    name, source
        Of these images; from the study, or "these images" if they are not of the study.
    comparison
        As of the study's test images; p-values are corrected for all sets of other images together.
    changes
        From the study's test images to these, for the runs that were tested on both.
    notes
        Sentences about images that the models may know from training, and recipes that were not tested.
    """

    name: str
    source: str
    comparison: Comparison
    changes: Changes
    notes: tuple[str, ...] = ()


def compare_others(
    stored: StoredStudy, before: Predictions, metric: Metric | None = None
) -> tuple[OtherTest, ...]:
    """Compare the recipes on each set of the study's other test images that they were tested on.

    Holm's correction is over the pairs of all these sets together. The study's own test images are not of
    this family: what they decide is decided before.

    Parameters
    ----------
    stored
        All results.
    before
        The predictions for the study's test images.
    metric
        What decides the verdicts, if not the study's metric.
    """
    tests = {
        test.name: (test, test.predictions(stored.study, stored.class_names, stored.overlaps))
        for test in stored.tests
        if test.logits
    }
    after = {name: predictions for name, (_, predictions) in tests.items()}
    p_values = (
        {name: _p_values(stored.study, predictions, metric) for name, predictions in after.items()}
        if len(after) > 1
        else {}
    )
    changed = {
        name: compare_with_tested(stored.study, before, predictions, metric)
        for name, predictions in after.items()
    }
    found = []
    for name, (test, predictions) in tests.items():
        others = [p for other, values in p_values.items() if other != name for p in values]
        others_changed = [
            pair.p for other, changes in changed.items() if other != name for pair in changes.pairs
        ]
        comparison = compare_on_others(stored.study, predictions, metric, others)
        changes = changed[name].within(others_changed)
        notes = (*notes_on_known(test.images), *notes_on_missing(before, predictions))
        found.append(OtherTest(name, stored.study.tests[name].source, comparison, changes, notes))
    return tuple(found)


def compare_on_others(
    study: Study, after: Predictions, metric: Metric | None = None, family: Sequence[float] = ()
) -> Comparison:
    """Compare recipes by their predictions for other images, with the study's margin and confidence."""
    return compare(
        after,
        metric=metric or study.compare.metric,
        baseline=_baseline(study, after),
        margin=study.margin,
        confidence=study.confidence,
        family=family,
    )


def compare_with_tested(
    study: Study,
    before: Predictions,
    after: Predictions,
    metric: Metric | None = None,
) -> Changes:
    """Compare the scores of the same runs on the study's test images and on others.

    Intervals have the level of one look, because the test images were looked at as often as that.
    """
    kept = _same_runs(before, after)
    return compare_changes(
        kept,
        _same_runs(after, kept),
        metric=metric or study.compare.metric,
        baseline=_baseline(study, kept),
        margin=study.margin,
        confidence=study_plan(study).level,
    )


def notes_on_known(images: OtherImages) -> tuple[str, ...]:
    """Sentences on images that are training or validation images, too."""
    if (images.known == NOT_CHECKED).any():
        return (
            "Whether the models know these images from training was not checked: the study's decoded images "
            "are no longer in the cache.",
        )
    identical, nearly, alike, only_identical = (
        int((images.known == kind).sum()) for kind in (IDENTICAL, NEARLY, LOOKS_LIKE, NOT_IDENTICAL)
    )
    known, total = "training or validation images of the study", counted(len(images.labels), "image")
    notes = []
    if identical + nearly:
        also = "" if only_identical or alike else f" and {nearly:,} nearly so"
        notes.append(
            f"Of the {total}, {identical:,} are identical to {known}{also}: the models know them, and score "
            "higher than on new images."
        )
    if alike:
        notes.append(
            f"Of the {total}, {alike:,} look like {known}; whether they are copies is not known: look at the "
            "pairs. If they are, the scores are too high."
        )
    if only_identical:
        searched = (
            "Only identical images were searched for, not near duplicates: at the size used here, images "
            "have too few pixels."
        )
        notes.append(searched if identical else f"None of the {total} is identical to {known}. {searched}")
    return tuple(notes)


def notes_on_missing(before: Predictions, after: Predictions) -> tuple[str, ...]:
    """A sentence on the recipes that have no predictions for other images."""
    tested = {recipe.name for recipe in after.recipes}
    missing = [recipe.name for recipe in before.recipes if recipe.name not in tested]
    if not missing:
        return ()
    return (f"Not tested on these images, because no trained model was kept: {listed(missing)}.",)


def _p_values(study: Study, predictions: Predictions, metric: Metric | None) -> list[float]:
    """Uncorrected, of the pairs on one set of images."""
    score, scored = score_recipes(predictions, as_score(metric or study.compare.metric))
    judged = judge_pairs(
        scored,
        baseline=_baseline(study, predictions),
        margin=study.margin,
        looks=LookPlan((1,), study.confidence),
        score=score,
    )
    return [pair.p for pair in judged]


def _baseline(study: Study, predictions: Predictions) -> str | None:
    return study.baseline if study.baseline in {recipe.name for recipe in predictions.recipes} else None


def _same_runs(predictions: Predictions, others: Predictions) -> Predictions:
    """Without the runs that the others lack."""
    seeds = {recipe.name: set(recipe.seeds) for recipe in others.recipes}
    recipes = []
    for recipe in predictions.recipes:
        rows = [row for row, seed in enumerate(recipe.seeds) if seed in seeds.get(recipe.name, ())]
        if rows:
            probabilities = None if recipe.probabilities is None else recipe.probabilities[rows]
            kept = tuple(recipe.seeds[row] for row in rows)
            recipes.append(
                replace(recipe, seeds=kept, predicted=recipe.predicted[rows], probabilities=probabilities)
            )
    return replace(predictions, recipes=tuple(recipes))
