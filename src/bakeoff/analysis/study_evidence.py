"""Evidence about the failures of a stored study: its arrays handed to `gather_evidence`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bakeoff.analysis.failure_evidence import FailureEvidence, gather_evidence
from bakeoff.analysis.learning_history import LearningHistory, learning_history
from bakeoff.analysis.neighbours import Neighbours, nearest_training_images
from bakeoff.predictions import RunMaps

if TYPE_CHECKING:
    from bakeoff.store import StoredStudy

NUM_NEIGHBOURS = 10


def study_evidence(stored: StoredStudy) -> FailureEvidence | None:
    """Measure all that is said about failed cases, from a study folder's results alone.

    Parameters
    ----------
    stored
        All results. What needs training images, features or attributions is left out where none were kept.

    Returns
    -------
    FailureEvidence or None
        None without a finished run.
    """
    predictions = stored.predictions()
    if not predictions.recipes:
        return None
    neighbours: dict[str, Neighbours] = {}
    histories: dict[str, LearningHistory] = {}
    attributions: dict[str, list[RunMaps]] = {}
    for recipe in predictions.recipes:
        maps = stored.attributions_of(recipe.name)
        if maps is not None:
            attributions[recipe.name] = maps
        features = stored.features_of(recipe.name)
        if features is None or stored.train_labels is None:
            continue
        failed = np.flatnonzero((recipe.predicted != predictions.labels).any(axis=0))
        k = min(NUM_NEIGHBOURS, len(stored.train_labels))
        neighbours[recipe.name] = nearest_training_images(*features, stored.train_labels, k, failed)
        histories[recipe.name] = learning_history(
            np.stack([run.train_true_probability for run in stored.runs_of(recipe.name)])
        )
    return gather_evidence(
        predictions,
        stored.test_images,
        stored.train_images,
        stored.train_labels,
        neighbours,
        histories,
        attributions,
    )
