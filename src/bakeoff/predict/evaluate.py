"""evaluate(): a study's trained models on other labeled images, and whether the differences stay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakeoff.analysis.comparison.changes import Changes, compare_changes
from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.of_study import study_plan
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.by_name import score_named
from bakeoff.analysis.summary.study import Summary
from bakeoff.data.image_data import Split
from bakeoff.data.labeled import load_labeled
from bakeoff.data.progress import ProgressCallback
from bakeoff.errors import BakeoffError
from bakeoff.predict.model import TrainedModel, load_model
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.store import load_study_folder
from bakeoff.study import load_study


@dataclass(frozen=True)
class Evaluation:
    """A study on other images.

    Attributes
    ----------
    predictions
        Of every finished run for these images.
    comparison
        As of the study's test images.
    changes
        From the test images to these.
    """

    predictions: Predictions
    comparison: Comparison
    changes: Changes


def evaluate(
    study_dir: Path,
    source: str,
    *,
    metric: str | None = None,
    overrides: list[str] | None = None,
    trust: bool = False,
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Score every finished run of a study on the labeled images of another source.

    Parameters
    ----------
    study_dir
        A folder that `bakeoff run` wrote.
    source
        Such as `folder:new-images`: its test split, or all images if it has none. Its classes are those of
        the study, or some of them.
    metric
        By default that of the study.
    overrides
        `data.KEY=VALUE` texts for the source.
    trust
        Run the code that the recipes' models name, see `load_model`.
    progress
        Called while images are read.

    Raises
    ------
    BakeoffError
        If there is no finished run, a model or the source cannot be used, or the metric cannot be computed.
    """
    summary = Summary(load_study_folder(study_dir, whole=False))
    stored, study = summary.stored, summary.study
    if not stored.runs:
        raise BakeoffError(f"{study_dir} has no finished run: all failed; see `bakeoff status`")
    score = score_named(metric or study.compare.metric)
    settings = load_study("quickstart", source=source, overrides=overrides or []).data
    models = [load_model(study_dir, run.recipe, run.seed, trust=trust) for run in stored.runs]
    first = models[0]
    split = load_labeled(
        settings, stored.class_names, first.preprocessing.decoding, first.image_size, progress=progress
    )
    before = summary.predictions
    after = _predict(models, split, stored.class_names)
    finished = {recipe.name for recipe in after.recipes}
    baseline = study.baseline if study.baseline in finished else None
    level = study_plan(study).level
    return Evaluation(
        after,
        compare(after, metric=score, baseline=baseline, margin=study.margin, confidence=study.confidence),
        compare_changes(
            before, after, metric=score, baseline=baseline, margin=study.margin, confidence=level
        ),
    )


def _predict(models: list[TrainedModel], split: Split, class_names: tuple[str, ...]) -> Predictions:
    recipes = []
    for name in dict.fromkeys(model.recipe for model in models):
        of_recipe = [model for model in models if model.recipe == name]
        probabilities = np.stack([model.probabilities(split.images) for model in of_recipe])
        recipes.append(
            RecipePredictions(
                name,
                tuple(model.seed for model in of_recipe),
                probabilities.argmax(axis=2),
                probabilities.astype(np.float32),
            )
        )
    groups = None
    if split.groups is not None:
        groups = np.unique(split.groups, return_inverse=True)[1]
    return Predictions(split.labels, split.ids, class_names, tuple(recipes), groups)
