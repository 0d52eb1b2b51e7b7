import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from bakeoff.analysis.failures.evidence import study_evidence
from bakeoff.analysis.summary import summarize as summarize_with_evidence
from bakeoff.store import FailedRun, StoredRun, StoredStudy
from bakeoff.study import study_from_toml

STUDY = """
name = "small"
description = "Which of two?"
seeds = 3
baseline = "plain"
[recipes.plain]
epochs = 4
[recipes.normed]
epochs = 4
model.batch_norm = true
[published.plain]
test_accuracy = 0.5
test_images = 4999
train_loss = { "10" = 1.0, "2" = 1.5 }
class_accuracies = { dog = 0.25 }
"""
CLASSES = ("cat", "dog", "empty")
LABELS = np.repeat([0, 1], [25, 35])


def stored_run(recipe: str, seed: int) -> StoredRun:
    generator = np.random.default_rng([len(recipe), seed])
    columns = ("learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")
    return StoredRun(
        recipe=recipe,
        seed=seed,
        checkpoint_epoch=seed + 1,
        num_parameters=10,
        history={"epoch": np.arange(1.0, 5.0)} | {name: generator.random(4) for name in columns},
        test_logits=generator.normal(size=(60, 3)).astype(np.float32),
        train_true_probability=np.zeros((4, 5), np.float16),
    )


def summarize(stored: StoredStudy) -> dict:
    return summarize_with_evidence(stored, study_evidence(stored))


@pytest.fixture
def stored() -> StoredStudy:
    return StoredStudy(
        root=Path("small"),
        study=study_from_toml(STUDY, "test"),
        data={"class_names": list(CLASSES), "counts": {"test": [25, 35, 0]}},
        environment={"device": "cpu"},
        runs=(*(stored_run("plain", seed) for seed in range(3)), stored_run("normed", 2)),
        failures=(FailedRun("normed", 0, "training loss is nan"),),
        test_images=np.zeros((60, 8, 8, 3), np.uint8),
        test_labels=LABELS,
        test_ids=tuple(f"{index}.png" for index in range(60)),
    )


def test_summary_is_json_without_nan(stored: StoredStudy) -> None:
    summary = summarize(stored)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    plain = summary["recipes"][0]["results"]
    assert plain["class_accuracies"]["mean"][2] is None
    assert summary["recipes"][1]["results"]["sd"] is None


def test_results_agree_with_sklearn(stored: StoredStudy) -> None:
    results = summarize(stored)["recipes"][0]["results"]
    predicted = [run.test_logits.argmax(1) for run in stored.runs_of("plain")]
    matrices = [confusion_matrix(LABELS, guess, labels=[0, 1, 2]) for guess in predicted]
    recalls = np.array([recall_score(LABELS, guess, labels=[0, 1], average=None) for guess in predicted])
    assert results["confusion"]["per_seed"] == np.array(matrices).tolist()
    np.testing.assert_allclose(results["confusion"]["mean"], np.mean(matrices, axis=0))
    np.testing.assert_allclose(results["class_accuracies"]["mean"][:2], recalls.mean(0))
    np.testing.assert_allclose(results["class_accuracies"]["sd"][:2], recalls.std(0, ddof=1))
    np.testing.assert_allclose(results["accuracies"], [(guess == LABELS).mean() for guess in predicted])


def test_curves_and_costs_come_from_the_histories(stored: StoredStudy) -> None:
    results = summarize(stored)["recipes"][0]["results"]
    runs = stored.runs_of("plain")
    assert results["curves"]["epoch"] == [1, 2, 3, 4]
    for column in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        values = np.array([run.history[column] for run in runs])
        assert results["curves"][column]["per_seed"] == values.tolist()
        np.testing.assert_allclose(results["curves"][column]["mean"], values.mean(0))
    assert results["checkpoint_epochs"] == [1, 2, 3]
    assert results["training_seconds"] == [run.history["seconds"].sum() for run in runs]


def test_failed_and_missing_runs_are_told_apart(stored: StoredStudy) -> None:
    plain, normed = summarize(stored)["recipes"]
    assert (plain["failures"], plain["missing_seeds"]) == ([], [])
    assert normed["failures"] == [{"seed": 0, "reason": "training loss is nan"}]
    assert normed["missing_seeds"] == [1]
    assert normed["results"]["seeds"] == [2]


def test_published_numbers_stand_in_label_order_and_by_epoch(stored: StoredStudy) -> None:
    published = summarize(stored)["recipes"][0]["published"]
    assert published["class_accuracies"] == [None, 0.25, None]
    assert [point["epoch"] for point in published["train_loss"]] == [2, 10]
    assert summarize(stored)["recipes"][1]["published"] is None


def test_comparison_is_against_the_baseline_with_the_published_accuracy(stored: StoredStudy) -> None:
    comparison = summarize(stored)["comparison"]
    assert [(pair["a"], pair["b"]) for pair in comparison["pairs"]] == [("plain", "normed")]
    assert comparison["recipes"][0]["replication"]["published"] == 0.5
    assert comparison["recipes"][0]["replication"]["published_images"] == 4999


def test_a_baseline_without_a_finished_run_leaves_the_others_compared(stored: StoredStudy) -> None:
    only_normed = replace(stored, runs=stored.runs_of("normed"))
    summary = summarize(only_normed)
    assert summary["recipes"][0]["results"] is None
    assert [recipe["name"] for recipe in summary["comparison"]["recipes"]] == ["normed"]


def test_without_a_finished_run_there_are_only_failures(stored: StoredStudy) -> None:
    summary = summarize(replace(stored, runs=()))
    assert summary["comparison"] is None
    assert summary["failed_cases"] == []
    assert all(recipe["results"] is None for recipe in summary["recipes"])


def test_settings_are_flat_and_in_order(stored: StoredStudy) -> None:
    settings = summarize(stored)["recipes"][1]["settings"]
    assert settings["model.batch_norm"] is True
    assert next(iter(settings)) == "model.name"
    assert settings["optimizer.lr"] == 0.001


def test_failed_cases_name_images_that_are_wrong(stored: StoredStudy) -> None:
    summary = summarize(stored)
    assert {case["recipe"] for case in summary["failed_cases"]} == {"plain", "normed"}
    for case in summary["failed_cases"]:
        predicted = np.array([run.test_logits.argmax(1) for run in stored.runs_of(case["recipe"])])
        image = case["image_index"]
        assert case["true"] == LABELS[image]
        assert case["num_wrong"] == (predicted[:, image] != LABELS[image]).sum() > 0
        taken = (predicted[:, case["true"] == LABELS] == case["predicted"]).sum(1).mean()
        assert case["confusion_count"] == pytest.approx(taken)
