"""A recipe: a changed copy, its settings by path, and the keys that may stand in its tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bakeoff
from bakeoff.study import Recipe
from bakeoff.study.recipe import flatten_settings, recipe_keys


def test_a_changed_recipe_keeps_what_is_not_named():
    recipe = Recipe(epochs=7, optimizer={"name": "sgd", "lr": 0.5, "momentum": 0.3})
    changed = recipe.changed(optimizer={"lr": 0.25}, augmentation={"mixup": 0.2})
    assert (changed.epochs, changed.optimizer.momentum, changed.optimizer.lr) == (7, 0.3, 0.25)
    assert changed.augmentation.mixup == 0.2
    assert recipe.optimizer.lr == 0.5


def test_another_optimizer_begins_with_its_own_defaults():
    changed = Recipe(optimizer={"name": "sgd", "lr": 0.5}).changed(optimizer="adamw")
    assert (changed.optimizer.lr, changed.optimizer.weight_decay) == (0.001, 0.01)


@given(st.integers(1, 500), st.integers(1, 512), st.floats(1e-6, 10), st.booleans())
def test_flat_settings_name_every_setting_once(epochs, batch_size, lr, flip):
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        optimizer={"name": "adam", "lr": lr},
        augmentation={"horizontal_flip": flip},
    )
    flat = flatten_settings(recipe)
    assert (flat["epochs"], flat["batch_size"], flat["optimizer.lr"]) == (epochs, batch_size, lr)
    assert flat["augmentation.horizontal_flip"] is flip
    tables: dict = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        table = tables
        for part in parents:
            table = table.setdefault(part, {})
        table[last] = value
    assert Recipe.model_validate(tables) == recipe


def test_the_keys_of_a_table_are_those_of_what_it_names():
    assert "momentum" in recipe_keys(["optimizer"], {"optimizer": {"name": "sgd"}})
    assert "momentum" not in recipe_keys(["optimizer"], {"optimizer": {"lr": 1}})
    assert "mixup" in recipe_keys(["augmentation"], {"augmentation": {}})
    assert recipe_keys(["epochs"], {"epochs": 3}) == []
    assert {"epochs", "model", "augmentation"} <= set(recipe_keys([], {}))


def test_a_recipe_changes_key_by_key(study):
    lenet5 = study.recipes["lenet5"]
    changed = lenet5.changed(
        optimizer={"lr": 0.5}, augmentation={"mixup": 0.2}, schedule="one_cycle", epochs=7
    )
    assert changed.optimizer.lr == 0.5
    assert changed.optimizer.name == lenet5.optimizer.name
    assert changed.augmentation.mixup == 0.2
    assert changed.schedule.name == "one_cycle"
    assert changed.epochs == 7
    assert lenet5.changed() == lenet5
    with pytest.raises(bakeoff.BakeoffError, match=r"optimizer.speed: unknown key"):
        lenet5.changed(optimizer={"speed": 1})


def test_a_warm_up_as_long_as_the_run_is_pointed_out():
    schedule = {"name": "cosine", "warmup_epochs": 5}
    assert Recipe(epochs=6, schedule=schedule).remarks == ()
    (remark,) = Recipe(epochs=5, schedule=schedule).remarks
    assert remark == "the warm-up of 5 epochs takes the whole run of 5: the learning rate only rises."


def test_a_recipe_with_a_trainer_has_nothing_else():
    recipe = Recipe(trainer={"name": "my_code:train"}, settings={"depth": 3})
    assert flatten_settings(recipe) == {"trainer.name": "my_code:train", "settings.depth": 3}
    assert recipe.own_classes == ("my_code:train",)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    with pytest.raises(ValueError, match="epochs is a setting of Bakeoff's training"):
        Recipe(trainer={"name": "my_code:train"}, epochs=3)
    with pytest.raises(ValueError, match="settings is for a trainer of your own"):
        Recipe(settings={"depth": 3})


def test_without_a_trainer_a_recipe_is_written_as_before():
    """The identity of earlier runs is a digest of this: new settings stand in it only if set."""
    assert not {"trainer", "settings", "patience", "max_minutes"} & Recipe().model_dump(mode="json").keys()
    assert Recipe(patience=3).model_dump(mode="json")["patience"] == 3


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (
            [],
            r"vary: found \[\], .* the same; expected one or more of weights, order, .* no vary",
        ),
        (
            ["ordr"],
            r"vary.0: found 'ordr'; did you mean 'order'\? \(valid: weights, order, .*, split\)",
        ),
        (["order", "weights", "order"], r"vary: found 'order' more than once; expected each once"),
        (["augmentation"], r"vary: found only augmentation, which this .*, or a recipe with augmentation"),
        (["layers", "augmentation"], r"found only augmentation and layers, .* with augmentation or dropout"),
    ],
)
def test_a_vary_with_which_runs_would_not_differ_is_one_problem(vary, message):
    with pytest.raises(bakeoff.BakeoffError, match=message) as problem:
        Recipe().changed(vary=vary)
    assert ": 1 problem\n" in str(problem.value)


def test_what_differs_is_what_the_recipe_has():
    recipe = Recipe(model={"name": "lenet5", "dropout": 0.1}, vary=["layers", "augmentation"])
    assert recipe.varied == ("layers",)
    assert recipe.changed(vary=["order"]).varied == ("order",)
    assert Recipe(model={"name": "lenet5_1998"}).varied == ("weights", "order")
    assert Recipe(model={"name": "my_code:Net"}, vary=["layers"]).varied == ("layers",)


def test_a_refusal_of_a_search_names_the_setting_and_no_study():
    search = {"vary": {"choices": [["layers"], ["order"]]}}
    with pytest.raises(bakeoff.BakeoffError, match=r"\n  search: vary: found only layers, which this recipe"):
        Recipe().changed(search=search)
