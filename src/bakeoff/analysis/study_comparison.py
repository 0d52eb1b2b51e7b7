"""compare_study(): the comparison that a study asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.analysis.comparison import compare
from bakeoff.analysis.comparison_result import Comparison
from bakeoff.analysis.predictions import Predictions

if TYPE_CHECKING:
    from bakeoff.study import Study


def compare_study(study: Study, predictions: Predictions) -> Comparison | None:
    """Compare the finished recipes as the study asks: its baseline, margin and published accuracies.

    Returns
    -------
    Comparison or None
        None where no recipe has a finished run. A baseline without one is dropped: all pairs are compared.
    """
    if not predictions.recipes:
        return None
    finished = {recipe.name for recipe in predictions.recipes}
    published = {name: entry for name, entry in study.published.items() if name in finished}
    return compare(
        predictions,
        baseline=study.baseline if study.baseline in finished else None,
        margin=study.margin,
        confidence=study.confidence,
        published={
            name: entry.test_accuracy for name, entry in published.items() if entry.test_accuracy is not None
        },
        published_images={
            name: entry.test_images for name, entry in published.items() if entry.test_images is not None
        },
    )
