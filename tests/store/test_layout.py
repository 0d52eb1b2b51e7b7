"""A run's identity."""

from bakeoff.store import run_identity
from bakeoff.study import load_study


def test_identity_changes_with_all_that_decides_a_run(study):
    base = {"data_fingerprint": "d", "training_version": 1, "model_source": ""}
    recipe = study.recipes["lenet5"]
    identities = {
        run_identity(recipe, 0, **base),
        run_identity(recipe, 1, **base),
        run_identity(study.recipes["lenet5_batch_norm"], 0, **base),
        run_identity(recipe, 0, **base | {"data_fingerprint": "e"}),
        run_identity(recipe, 0, **base | {"training_version": 2}),
        run_identity(recipe, 0, **base | {"model_source": "f"}),
        run_identity(recipe.changed(loss={"class_weights": "balanced"}), 0, **base),
        run_identity(recipe.changed(sampling="balanced"), 0, **base),
        run_identity(recipe.changed(checkpoint="best_val_score"), 0, **base),
        run_identity(recipe.changed(checkpoint="best_val_score"), 0, **base, metric="macro_f1"),
        run_identity(recipe.changed(vary=["order"]), 0, **base),
        run_identity(recipe.changed(vary=["order", "split"]), 0, **base),
        run_identity(recipe.changed(vary=["order", "split"]), 0, **base, groups="g"),
    }
    assert len(identities) == 13
    assert run_identity(recipe, 0, **base, groups="g") in identities  # all train on the same images
    assert run_identity(recipe, 0, **base, metric="macro_f1") in identities  # it selects nothing


def test_identity_of_runs_of_earlier_versions_stays():
    recipe = load_study("quickstart").recipes["lenet5"]
    assert run_identity(recipe, 0, data_fingerprint="d", training_version=1, model_source="") == (
        "1cc6b00145dffa440c6192b78c039e93650352b54b36b6e909fa70e02a8f886a"
    )
