"""What differs between runs, in words."""

import pytest

from bakeoff.analysis.comparison.luck import describe_luck, describe_scope
from bakeoff.study import load_study

SAME = "The training and validation images are the same for all."


def test_what_has_no_effect_is_not_named():
    study = load_study("quickstart", recipes=["lenet5"])
    lenet5 = study.recipes["lenet5"]
    text = describe_luck(study)
    assert text.startswith(
        f"What differs between the runs of a recipe: initial weights and order of the training images. {SAME}"
    )
    more = lenet5.changed(augmentation={"horizontal_flip": True}, model={"dropout": 0.1})
    assert "initial weights, order of the training images, augmentation and random layers. " in describe_luck(
        study.changed(recipes={"lenet5": more})
    )


def test_what_the_recipe_lacks_is_not_named_although_it_may_vary():
    study = load_study("quickstart", recipes=["lenet5"])
    varied = study.recipes["lenet5"].changed(vary=["order", "augmentation", "layers"])
    assert "of a recipe: order of the training images. " in describe_luck(
        study.changed(recipes={"lenet5": varied})
    )


def test_recipes_of_which_other_things_differ_are_named():
    study = load_study("quickstart", recipes=["lenet5"])
    lenet5 = study.recipes["lenet5"]
    linear = type(lenet5).model_validate(
        {"trainer": {"name": "sklearn", "estimator": "sklearn.linear_model:RidgeClassifier"}}
    )
    text = describe_luck(
        study.changed(recipes={"order": lenet5.changed(vary=["order"]), "again": lenet5, "linear": linear})
    )
    assert (
        "initial weights and order of the training images (lenet5 and again); "
        "order of the training images (order); what the trainer draws from its seed (linear). "
    ) in text


def test_runs_that_draw_their_images_are_named_with_what_the_intervals_hold_for():
    study = load_study("quickstart", recipes=["lenet5"])
    lenet5 = study.recipes["lenet5"]
    drawn = lenet5.changed(vary=["weights", "split"])
    linear = type(lenet5).model_validate(
        {
            "trainer": {"name": "sklearn", "estimator": "sklearn.linear_model:RidgeClassifier"},
            "vary": ["split"],
        }
    )
    mixed = study.changed(recipes={"drawn": drawn})
    text = describe_luck(mixed, {"train": [30, 20], "val": [6, 4], "test": [5, 5]})
    assert "initial weights and training and validation images (drawn)" in text
    assert (
        "Each run of drawn draws its own training and validation images, 50 and 10, from the pool of both; "
        "how the source divides them does not count. The test images are the same for all."
    ) in text
    assert text.endswith("The training and validation images of the others are the same for all runs.")
    assert describe_scope(mixed) == (
        "The intervals hold for training sets like this one as far as drawn is concerned, and for these "
        "training images as far as lenet5 is."
    )
    assert describe_scope(study) == "The intervals hold for these training images."
    alone = study.changed(recipes={"lenet5": None, "drawn": drawn, "linear": linear})
    assert describe_scope(alone) == "The intervals hold for training sets like this one."
    assert "; training and validation images (linear). Each run draws its own" in describe_luck(alone)


def test_what_a_trainer_draws_cannot_be_told_apart():
    study = load_study("quickstart", recipes=["lenet5"])
    trainer = {"trainer": {"name": "sklearn", "estimator": "sklearn.linear_model:RidgeClassifier"}}
    everything = ["weights", "order", "augmentation", "layers", "split"]
    assert type(study.recipes["lenet5"]).model_validate({**trainer, "vary": everything}).draws_split
    with pytest.raises(ValueError, match=r"vary: found weights, split, but what a trainer .* told apart"):
        type(study.recipes["lenet5"]).model_validate({**trainer, "vary": ["weights", "split"]})


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (["layers", "weights"], ("weights", "layers")),
        (["layers", "augmentation", "order", "weights"], None),
        (["split", "order"], ("order", "split")),
    ],
)
def test_one_spelling_of_what_is_the_same(written, kept):
    recipe = load_study("quickstart").recipes["lenet5"]
    assert recipe.changed(vary=written).vary == kept
