"""A run's identity."""

from bakeoff.store import run_identity


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
    }
    assert len(identities) == 6
