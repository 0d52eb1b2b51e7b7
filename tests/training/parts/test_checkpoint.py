"""How good an epoch is: the scores of a comparison, from validation logits."""

import numpy as np
import pytest

from bakeoff.analysis.scores.by_name import SCORES, score_named
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.training import EpochRecord, TrainingFailure
from bakeoff.training.evaluation import loss_and_accuracy
from bakeoff.training.parts.checkpoint import checkpoint_score


def drawn() -> tuple[np.ndarray, np.ndarray, EpochRecord]:
    """Logits of 300 images, labels of which there is none of the last of five classes, and the record."""
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 300, p=[0.7, 0.2, 0.05, 0.05])
    logits = (rng.normal(size=(300, 5)) + 1.5 * np.eye(5)[labels]).astype(np.float32)
    loss, accuracy, _ = loss_and_accuracy(logits, labels)
    return logits, labels, EpochRecord(7, 0.1, 1.0, 0.5, loss, accuracy, 1.0)


@pytest.mark.parametrize("metric", [*SCORES, "top_2"])
def test_the_best_score_is_that_of_the_metric(metric: str) -> None:
    logits, labels, record = drawn()
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    recipe = RecipePredictions("r", (0,), logits.argmax(axis=1)[None], chances[None])
    score = score_named(metric)
    expected = score.of_images(
        Predictions(labels, tuple(map(str, range(300))), tuple("abcde"), (recipe,)), "r"
    ).mean()
    found = checkpoint_score("best_val_score", metric, record, logits, labels)
    assert found == pytest.approx(score.scale.sign * expected, abs=1e-6)


def test_other_rules_do_not_depend_on_the_metric() -> None:
    logits, labels, record = drawn()
    for metric in ("accuracy", "macro_f1"):
        assert checkpoint_score("last", metric, record, logits, labels) == 7
        assert checkpoint_score("best_val_loss", metric, record, logits, labels) == -record.val_loss
        assert checkpoint_score("best_val_accuracy", metric, record, logits, labels) == record.val_accuracy


def test_a_metric_that_is_not_defined_ends_the_run() -> None:
    logits, labels, record = drawn()
    with pytest.raises(TrainingFailure, match="auroc is nan on the validation images"):
        checkpoint_score("best_val_score", "auroc", record, logits, np.zeros_like(labels))
