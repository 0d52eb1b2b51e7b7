"""What differs between runs, in words."""

import pytest

from bakeoff.analysis.comparison.luck import describe_luck
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


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (["layers", "weights"], ("weights", "layers")),
        (["weights", "weights"], ("weights",)),
        (["layers", "augmentation", "order", "weights"], None),
    ],
)
def test_one_spelling_of_what_is_the_same(written, kept):
    recipe = load_study("quickstart").recipes["lenet5"]
    assert recipe.changed(vary=written).vary == kept
