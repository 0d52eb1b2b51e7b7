"""Labels that the models disagree with: confident learning.

Source: Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset labels, JAIR
70; computed by cleanlab. A doubt is a reason to look at the image, not a proof. Models that are often wrong
doubt many correct labels (at 43 % accuracy on STL-10, a third of them), so only the most doubtful labels are
listed, together with `LabelDoubts.agreement`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions


@dataclass(frozen=True)
class LabelDoubt:
    """One doubtful label.

    Attributes
    ----------
    index
        Of the image.
    rank
        1 for the most doubtful label.
    label, suggested
        The given class, and the most probable other class.
    label_probability, suggested_probability
        Of these classes, 0..1.
    """

    index: int
    rank: int
    label: int
    suggested: int
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class LabelDoubts:
    """The doubtful labels of a set of images.

    Attributes
    ----------
    doubts
        The most doubtful label first, up to the requested limit.
    num_flagged
        The number of all labels that confident learning flags.
    num_images
        The number of images checked.
    agreement
        The share of images whose most probable class is their label, 0..1: how far the probabilities can be
        trusted to judge labels.
    """

    doubts: tuple[LabelDoubt, ...]
    num_flagged: int
    num_images: int
    agreement: float

    def of_image(self, index: int) -> LabelDoubt | None:
        """Return the doubt about one image's label, if there is one."""
        return next((doubt for doubt in self.doubts if doubt.index == index), None)


def label_doubts(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], limit: int = 50
) -> LabelDoubts:
    """List the labels that confident learning flags, the most doubtful first.

    A label is flagged if it is pruned both by class and by noise rate (cleanlab's `both`, the strictest
    rule), and ranked by the normalized margin: the probability of the label minus the highest of the others.

    Parameters
    ----------
    labels
        int [num_images], the given classes.
    probabilities
        float [num_images, num_classes], out of sample: from models that were not trained on the image in
        question. For test images, `mean_probabilities`; for training images, by cross-validation.
    limit
        The maximum number of labels listed.

    Raises
    ------
    BakeoffError
        If a class has no image, or the shapes do not match.
    """
    if probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise BakeoffError(
            f"label_doubts: found {len(labels)} labels and probabilities of shape {probabilities.shape}; "
            "expected one row of probabilities per label: average over seeds first"
        )
    missing = np.setdiff1d(np.arange(probabilities.shape[1]), labels)
    if len(missing):
        raise BakeoffError(
            f"label_doubts: no image is labeled with class {', '.join(map(str, missing))} (counted from 0); "
            "expected at least one image of every class: remove the class or its column"
        )
    # Imported here, because cleanlab imports pandas and sklearn, which takes three seconds.
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    pred_probs = probabilities.astype(np.float64)
    pred_probs /= pred_probs.sum(axis=1, keepdims=True)
    flagged = find_label_issues(labels, pred_probs, filter_by="both", n_jobs=1)
    score = get_label_quality_scores(labels, pred_probs, method="normalized_margin")
    order = np.flatnonzero(flagged)[np.argsort(score[flagged], kind="stable")]

    others = pred_probs.copy()
    others[np.arange(len(labels)), labels] = -1.0
    suggested = others.argmax(axis=1)
    doubts = tuple(
        LabelDoubt(
            index=int(index),
            rank=rank,
            label=int(labels[index]),
            suggested=int(suggested[index]),
            label_probability=float(pred_probs[index, labels[index]]),
            suggested_probability=float(pred_probs[index, suggested[index]]),
        )
        for rank, index in enumerate(order[:limit], start=1)
    )
    agreement = float(np.mean(pred_probs.argmax(axis=1) == labels))
    return LabelDoubts(doubts, len(order), len(labels), agreement)


def mean_probabilities(predictions: Predictions) -> NDArray[np.float64]:
    """Average the probabilities over each recipe's seeds, then over recipes.

    Returns
    -------
    float [num_images, num_classes]
        Out of sample if no run was trained on these images, as on the test split.

    Raises
    ------
    BakeoffError
        If a recipe's probabilities are not known.
    """
    means = []
    for recipe in predictions.recipes:
        if recipe.probabilities is None:
            raise BakeoffError(
                f"recipe {recipe.name} has predicted classes but no probabilities; "
                "label doubts need the probabilities of every recipe"
            )
        means.append(recipe.probabilities.mean(axis=0, dtype=np.float64))
    mean: NDArray[np.float64] = np.mean(means, axis=0)
    return mean
