"""evaluate(): a study's trained models on other labeled images, and whether the differences stay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.changes import Changes
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.by_name import check_num_classes, score_named
from bakeoff.analysis.summary.other_images import (
    compare_on_others,
    compare_with_tested,
    notes_on_known,
    notes_on_missing,
)
from bakeoff.analysis.summary.study import Summary
from bakeoff.data.labeled import load_labeled
from bakeoff.data.progress import ProgressCallback
from bakeoff.errors import BakeoffError
from bakeoff.predict.model import has_model, load_model, no_finished_run
from bakeoff.predict.other_images import known_images
from bakeoff.predictions import Predictions, predictions_from_logits
from bakeoff.store import Layout, load_study_folder
from bakeoff.store.other_images import OtherImages
from bakeoff.study import DataSettings, load_data_settings
from bakeoff.study.settings.data import NEAR_DUPLICATES
from bakeoff.study.settings.data import OtherImages as SettingsOfOthers
from bakeoff.text import listed

USED_SETTINGS = (*(key for key in SettingsOfOthers.model_fields if key != "source"), "stl10_val_per_class")
"""The settings of a source that say which images it lists, and their labels and groups."""


@dataclass(frozen=True)
class Evaluation:
    """A study on other images.

    Attributes
    ----------
    predictions
        Of every finished run with a model for these images.
    comparison
        As of the study's test images.
    changes
        From the test images to these.
    notes
        Sentences about images that the models may know from training, and recipes that were not tested.
    """

    predictions: Predictions
    comparison: Comparison
    changes: Changes
    notes: tuple[str, ...]


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

    Runs whose trainer left no model are left out.

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
        `data.KEY=VALUE` texts that say what the source lists; images are decoded as in training.
    trust
        Run the code that the recipes' models name, see `load_model`.
    progress
        Called while images are read.

    Raises
    ------
    BakeoffError
        If there is no finished run or none has a model, a model or the source cannot be used, or the metric
        cannot be computed.
    """
    summary = Summary(load_study_folder(study_dir, whole=False))
    stored, study = summary.stored, summary.study
    if not stored.runs:
        raise no_finished_run(study_dir)
    score = score_named(metric or study.compare.metric)
    check_num_classes(score.name, len(stored.class_names))
    settings = _settings(source, overrides or [])
    layout = Layout(study_dir)
    # If none has a model, loading the first one says so.
    with_model = [run for run in stored.runs if has_model(layout, study, run.recipe, run.seed)]
    models = [load_model(study_dir, run.recipe, run.seed, trust=trust) for run in with_model or stored.runs]
    first = models[0]
    split = load_labeled(
        settings, stored.class_names, first.preprocessing.decoding, first.image_size, progress=progress
    )
    known = known_images(summary.data.fingerprint, split)
    images = OtherImages(split.labels, split.ids, split.groups, "", known)
    logits: dict[str, dict[int, NDArray[np.float32]]] = {}
    for model in models:
        logits.setdefault(model.recipe, {})[model.seed] = model.logits(split.images)
    after = predictions_from_logits(
        split.labels, split.ids, stored.class_names, logits, split.groups, stored.overlaps
    )
    return Evaluation(
        after,
        compare_on_others(study, after, score),
        compare_with_tested(study, summary.predictions, after, score),
        (*notes_on_known(images), *notes_on_missing(summary.predictions, after)),
    )


def _settings(source: str, overrides: list[str]) -> DataSettings:
    """The settings of the source; those that change nothing here are refused."""
    for override in overrides:
        table, *path = (part.strip() for part in override.partition("=")[0].split("."))
        if table != "data" or not path or path[0] not in USED_SETTINGS:
            raise BakeoffError(
                f"{'.'.join([table, *path])} changes nothing here: images and models are treated as in "
                f"training; those that do: {listed([f'data.{key}' for key in USED_SETTINGS])}",
                "overrides",
            )
    settings = load_data_settings(source, overrides)
    if settings.groups == NEAR_DUPLICATES:
        raise BakeoffError(
            f"data.groups is {NEAR_DUPLICATES!r}, which is for training; expected a regular expression",
            "overrides",
        )
    return settings
