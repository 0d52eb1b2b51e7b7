"""Predictions that do not fit the labels or their own probabilities: refused, or reported."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.text import counted, percent

_MAX_LISTED = 10

_MANY_TIES = 0.01
"""A share of wrong predictions with the probability 1 that moves AUROC by a tenth of a point or more."""


def check_predictions(predictions: Predictions, *, classes_declared: bool, sources: str) -> list[str]:
    """Refuse predictions that can only be a mistake, and describe those that may be one.

    Parameters
    ----------
    predictions
        Of all recipes.
    classes_declared
        Whether the classes were declared. If so, every prediction is known to be one of them.
    sources
        Where the predictions were read from, for messages.

    Raises
    ------
    BakeoffError
        If no prediction of a run is the label of any image, or those of a recipe are its most probable
        classes less often than a guess would be.
    """
    notes = [] if classes_declared else _compare_with_labels(predictions, sources)
    for recipe in predictions.recipes:
        if recipe.probabilities is None:
            continue
        chosen = np.take_along_axis(recipe.probabilities, recipe.predicted[..., None], axis=2)[..., 0]
        highest = recipe.probabilities.max(axis=2)
        agree = chosen >= highest
        share = float(agree.mean())
        if share < 1 / len(predictions.class_names):
            most_probable = recipe.probabilities[0].argmax(axis=1)
            first = np.flatnonzero(~agree[0] if not agree[0].all() else ~agree.any(axis=0))[:_MAX_LISTED]
            raise BakeoffError(
                f"the predictions of recipe {recipe.name!r} disagree with its probabilities in "
                f"{percent(1 - share)} % of the rows; first images of seed {recipe.seeds[0]}:\n"
                f"  predictions: {_listed(predictions, recipe.predicted[0, first])}\n"
                f"  most probable: {_listed(predictions, most_probable[first])}\n"
                f"name each column of probabilities after its class\nread from {sources}"
            )
        if share < 1:
            differ = percent(1 - share, 2 if share > 0.999 else 1)
            notes.append(
                f"The predictions of {recipe.name} are not its most probable classes in {differ} % of "
                "the rows."
            )
        certain_and_wrong = float(((highest == 1) & (recipe.predicted != predictions.labels)).mean())
        if certain_and_wrong >= _MANY_TIES:
            notes.append(
                f"In {percent(certain_and_wrong)} % of the rows of {recipe.name} a wrong class has the "
                "probability 1 in single precision, in which rows are ranked: AUROC and average precision "
                "count them as ties."
            )
    return notes


def _compare_with_labels(predictions: Predictions, sources: str) -> list[str]:
    num_classes = len(predictions.class_names)
    is_label = np.bincount(predictions.labels, minlength=num_classes) > 0
    never_labels = np.zeros(num_classes, np.int64)
    for recipe in predictions.recipes:
        for seed, run in zip(recipe.seeds, recipe.predicted, strict=True):
            counts = np.bincount(run, minlength=num_classes)
            if not counts[is_label].any():
                raise BakeoffError(
                    f"no prediction of recipe {recipe.name!r} seed {seed} is the label of an image:\n"
                    f"  predictions: {_listed(predictions, np.flatnonzero(counts))}\n"
                    f"  labels: {_listed(predictions, np.flatnonzero(is_label))}\n"
                    f"write the same class with the same name in both\nread from {sources}"
                )
            never_labels += np.where(is_label, 0, counts)
    return [
        f"{predictions.class_names[code]!r} is predicted {counted(int(never_labels[code]), 'time')} and is "
        "the label of no image."
        for code in np.argsort(-never_labels, kind="stable")[:_MAX_LISTED]
        if never_labels[code]
    ]


def _listed(predictions: Predictions, codes: NDArray[np.int64]) -> str:
    names = [repr(predictions.class_names[code]) for code in codes[:_MAX_LISTED]]
    return ", ".join(names) + (", ..." if len(codes) > _MAX_LISTED else "")
