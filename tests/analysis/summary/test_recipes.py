import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from bakeoff.analysis.summary.recipes import Curves, FinishedRecipe, OverSeeds
from bakeoff.analysis.summary.study import Summary
from bakeoff.store import StoredStudy


def test_accuracies_agree_with_sklearn_run_by_run(stored: StoredStudy) -> None:
    summary = Summary(stored)
    for recipe in summary.finished:
        predicted = summary.predictions.recipe(recipe.name).predicted
        expected = [accuracy_score(stored.test_labels, guess) for guess in predicted]
        assert recipe.results.seeds == tuple(run.seed for run in stored.runs_of(recipe.name))
        assert recipe.results.accuracies.tolist() == pytest.approx(expected)
        assert recipe.results.mean == pytest.approx(np.mean(expected))
        if len(expected) > 1:
            assert recipe.results.sd == pytest.approx(np.std(expected, ddof=1))
    assert [recipe.name for recipe in summary.finished] == ["plain", "normed"]


def test_one_seed_has_no_standard_deviation(stored: StoredStudy) -> None:
    normed = Summary(stored).recipes[1]
    assert isinstance(normed, FinishedRecipe)
    assert np.isnan(normed.results.sd)
    assert normed.results.mean == normed.results.accuracies[0]
    assert np.isnan(normed.results.class_accuracies.sd).all()


def test_results_agree_with_sklearn(stored: StoredStudy) -> None:
    results = Summary(stored).to_dict()["recipes"][0]["results"]
    predicted = [run.test_logits.argmax(1) for run in stored.runs_of("plain")]
    matrices = [confusion_matrix(stored.test_labels, guess, labels=[0, 1, 2]) for guess in predicted]
    recalls = np.array(
        [recall_score(stored.test_labels, guess, labels=[0, 1], average=None) for guess in predicted]
    )
    assert results["confusion"]["per_seed"] == np.array(matrices).tolist()
    np.testing.assert_allclose(results["confusion"]["mean"], np.mean(matrices, axis=0))
    np.testing.assert_allclose(results["class_accuracies"]["mean"][:2], recalls.mean(0))
    np.testing.assert_allclose(results["class_accuracies"]["sd"][:2], recalls.std(0, ddof=1))
    np.testing.assert_allclose(
        results["accuracies"], [(guess == stored.test_labels).mean() for guess in predicted]
    )


def test_curves_and_costs_come_from_the_histories(stored: StoredStudy) -> None:
    results = Summary(stored).to_dict()["recipes"][0]["results"]
    runs = stored.runs_of("plain")
    assert results["curves"]["epoch"] == [1, 2, 3, 4]
    for column in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        values = np.array([run.history[column] for run in runs])
        assert results["curves"][column]["per_seed"] == values.tolist()
        np.testing.assert_allclose(results["curves"][column]["mean"], values.mean(0))
    assert results["checkpoint_epochs"] == [1, 2, 3]
    assert results["training_seconds"] == [run.history["seconds"].sum() for run in runs]


def test_failed_and_missing_runs_are_told_apart(stored: StoredStudy) -> None:
    plain, normed = Summary(stored).to_dict()["recipes"]
    assert (plain["failures"], plain["missing_seeds"]) == ([], [])
    assert normed["failures"] == [{"seed": 0, "reason": "training loss is nan"}]
    assert normed["missing_seeds"] == [1]
    assert normed["results"]["seeds"] == [2]


def test_published_numbers_stand_in_label_order_and_by_epoch(stored: StoredStudy) -> None:
    published = Summary(stored).to_dict()["recipes"][0]["published"]
    assert published["class_accuracies"] == [None, 0.25, None]
    assert [point["epoch"] for point in published["train_loss"]] == [2, 10]
    assert Summary(stored).to_dict()["recipes"][1]["published"] is None


def test_settings_are_flat_and_in_order(stored: StoredStudy) -> None:
    settings = Summary(stored).to_dict()["recipes"][1]["settings"]
    assert settings["model.batch_norm"] is True
    assert next(iter(settings)) == "model.name"
    assert settings["optimizer.lr"] == 0.001


@pytest.mark.parametrize(
    ("train", "val", "epoch"),
    [
        ([2.0, 1.0, 0.5], [1.9, 1.5, 1.75], 3),
        ([2.0, 1.0, 0.5], [1.9, 1.5, 1.57], None),
        ([1.0, 1.0, 1.5], [1.9, 1.5, 1.75], None),
        ([2.0, 1.0, 0.5], [1.9, 1.5, 1.25], None),
        ([2.0, 1.0, 0.5], [np.nan, np.nan, 1.25], None),
    ],
    ids=["overfits", "rises by less than 5 %", "training loss rises too", "still falls", "not reported"],
)
def test_a_recipe_overfits_from_the_epoch_after_the_lowest_validation_loss(train, val, epoch) -> None:
    losses = [OverSeeds(np.array(values), np.array([values])) for values in (train, val)]
    assert Curves((1, 2, 3), losses[0], losses[0], losses[1], losses[1]).overfits_from == epoch
