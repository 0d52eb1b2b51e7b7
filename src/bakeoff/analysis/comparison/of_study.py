"""compare_study(): the comparison that a study defines, and its interim looks while seeds are added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.look_plan import LookPlan, plan_looks
from bakeoff.analysis.comparison.looks import Looks, describe_looks, take_looks
from bakeoff.analysis.comparison.luck import describe_scope
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.comparison.tuning import describe_budgets
from bakeoff.analysis.scores.by_name import Score, score_named
from bakeoff.predictions import Predictions
from bakeoff.text import listed

if TYPE_CHECKING:
    from bakeoff.store import StoredStudy
    from bakeoff.study import Published, Study


def study_plan(study: Study) -> LookPlan:
    """The plan of a study's looks: one, or several up to `max_seeds` seeds."""
    return plan_looks(study.seeds, study.most_seeds, study.confidence)


def study_looks(stored: StoredStudy, predictions: Predictions) -> Looks | None:
    """The looks that a study's runs allow, and which seeds it needs next; None if seeds are not added."""
    study = stored.study
    if study.until != "decided":
        return None
    failed: dict[str, set[int]] = {}
    for failure in stored.failures:
        failed.setdefault(failure.recipe, set()).add(failure.seed)
    return take_looks(
        predictions,
        tuple(study.recipes),
        study_plan(study),
        baseline=study.baseline,
        margin=study.margin,
        failed=failed,
        score=score_named(study.compare.metric),
    )


def published_results(stored: StoredStudy) -> dict[str, Published]:
    """The study's published results by recipe, without those that were measured on other data."""
    return {name: entry for name, entry in stored.study.published.items() if not _other_data(stored, entry)}


def _other_data(stored: StoredStudy, published: Published) -> str | None:
    train_images = sum(stored.data["counts"]["train"]) if published.train_images else 0
    return published.other_data(stored.class_names, train_images)


def _notes_on_published(stored: StoredStudy) -> tuple[str, ...]:
    others = {name: _other_data(stored, entry) for name, entry in stored.study.published.items()}
    names_of = {data: [name for name in others if others[name] == data] for data in others.values() if data}
    return tuple(
        f"The published results of {listed(names)} are not compared: they were measured on other data, "
        f"{data}."
        for data, names in names_of.items()
    )


def compare_study(
    stored: StoredStudy, predictions: Predictions, looks: Looks | None, metric: Score | None = None
) -> Comparison | None:
    """Compare the finished recipes with the study's metric, baseline, margin, published accuracies and looks.

    Parameters
    ----------
    stored
        All results.
    predictions
        From `stored.predictions()`.
    looks
        From `study_looks`.
    metric
        What decides the verdicts, if not the study's metric. The looks remain those of the study; the
        intervals hold over all of them whatever decided when to stop.

    Returns
    -------
    Comparison or None
        None if no recipe has a finished run. If the baseline has none, all pairs are compared.
    """
    if not predictions.recipes:
        return None
    study = stored.study
    finished = {recipe.name for recipe in predictions.recipes}
    published = {name: entry for name, entry in published_results(stored).items() if name in finished}
    comparison = compare(
        predictions,
        metric=metric or study.compare.metric,
        baseline=study.baseline if study.baseline in finished else None,
        margin=study.margin,
        confidence=study.confidence,
        published={
            name: entry.test_accuracy for name, entry in published.items() if entry.test_accuracy is not None
        },
        published_images={
            name: entry.test_images for name, entry in published.items() if entry.test_images is not None
        },
        looks=study_plan(study),
        budgets=describe_budgets(study),
    )
    if max(recipe.num_seeds for recipe in comparison.recipes) > 1:
        comparison = replace(comparison, conclusion=f"{comparison.conclusion} {describe_scope(study)}")
    comparison = replace(comparison, notes=(*comparison.notes, *_notes_on_published(stored)))
    if looks is None:
        return comparison
    note = describe_looks(
        looks,
        confidence=study.confidence,
        num_images=predictions.num_images,
        num_groups=predictions.num_groups,
    )
    if comparison.metric != study.compare.metric:
        note += f" The interim looks were by {score_named(study.compare.metric).scale.name}."
    return replace(comparison, looks=looks, notes=(note, *comparison.notes))
