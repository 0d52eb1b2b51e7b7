"""The checkpoint rule: how good an epoch is whose weights may be kept and tested."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bakeoff.training.records import EpochRecord, TrainingFailure


def checkpoint_score(
    rule: str, metric: str, record: EpochRecord, val_logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> float:
    """How good an epoch is by a recipe's `checkpoint`, the larger the better.

    Parameters
    ----------
    rule
        `checkpoint` of the recipe.
    metric
        `compare.metric` of the study, for the rule "best_val_score".
    record
        Of the epoch.
    val_logits, labels
        [num_images, num_classes] and [num_images], of the validation images.

    Raises
    ------
    TrainingFailure
        If the metric is not defined for the validation images.
    """
    if rule == "last":
        return float(record.epoch)
    if rule == "best_val_loss" or (rule == "best_val_score" and metric == "log_loss"):
        return -record.val_loss
    if rule == "best_val_accuracy" or metric == "accuracy":
        return record.val_accuracy
    score = _validation_score(metric, val_logits, labels)
    if not math.isfinite(score):
        raise TrainingFailure(f"{metric} is {score} on the validation images, so no epoch is the best")
    return score


def _validation_score(metric: str, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The score as of a comparison (bakeoff.analysis.scores), by scikit-learn."""
    from sklearn import metrics

    predicted, classes = logits.argmax(axis=1), np.unique(labels)
    if metric == "balanced_accuracy":
        return float(metrics.recall_score(labels, predicted, labels=classes, average="macro"))
    if metric == "macro_f1":
        return float(metrics.f1_score(labels, predicted, average="macro", zero_division=0))
    if metric.startswith("top_"):
        best = np.argsort(logits, axis=1, kind="stable")[:, ::-1][:, : int(metric[4:])]
        return float((best == labels[:, None]).any(axis=1).mean())
    from scipy.special import softmax  # a tenth of a second, which most workers need not begin with

    probabilities = softmax(logits.astype(np.float64), axis=1)
    if metric == "brier":
        return -float(np.square(probabilities - np.eye(logits.shape[1])[labels]).sum(axis=1).mean())
    if len(classes) < 2:
        return math.nan
    of_class = {"auroc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}[metric]
    return float(np.mean([of_class(labels == label, probabilities[:, label]) for label in classes]))
