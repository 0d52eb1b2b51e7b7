"""A study: what its parts must agree on, and a changed copy."""

import re

import pytest
from tests.study.writing import write

import bakeoff
from bakeoff.errors import BakeoffError
from bakeoff.study import Recipe, load_study


def test_a_study_without_recipes_is_refused(tmp_path):
    with pytest.raises(BakeoffError, match="recipes"):
        load_study(write(tmp_path, 'name = "mine"\n'))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["until=decided", "max_seeds=4"], "max_seeds is 4, less than the 5 seeds of the first interim look"),
        (["until=decided", "seeds=2"], "the first interim look needs 3 seeds"),
        (["baseline=other"], "baseline 'other' is not one of the recipes"),
    ],
)
def test_numbers_of_seeds_and_names_agree(overrides, message):
    with pytest.raises(BakeoffError, match=message):
        load_study("lenet5-stl10", overrides=overrides)


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ("[]", r"\[\]"),
        ("[0]", "0"),
        ("[500, 0.5]", "0.5"),
        ("[true]", "True"),
        ("[500, 100, 500]", "500 more than"),
    ],
)
def test_sizes_that_are_none_are_one_problem_in_plain_words(sizes, found):
    with pytest.raises(
        BakeoffError, match=rf"train_sizes: found {found}.*, expected whole numbers"
    ) as problem:
        load_study("quickstart", overrides=[f"train_sizes={sizes}"])
    assert "1 problem\n" in str(problem.value)


def test_the_most_seeds_are_those_until_decided():
    study = load_study("quickstart", seeds=3)
    assert study.most_seeds == 3
    assert study.changed(until="decided", max_seeds=9).most_seeds == 9


def test_classes_of_the_users_own_are_models_and_augmentations_of_recipes():
    study = load_study("quickstart")
    assert study.own_classes == set()
    recipes = {
        "one": Recipe(model={"name": "nets:One"}, augmentation={"custom": "crops:Crop"}),
        "two": Recipe(model={"name": "nets:Two"}, augmentation={"custom": "crops:Crop"}),
    }
    assert study.changed(recipes=recipes).own_classes == {"nets:One", "nets:Two", "crops:Crop"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, r"changed study.*\n.*seeds"),
        ({"recipes": {"batch_norm": None, "lenet5": None}}, "at least one"),
        ({"baseline": "nobody"}, "not one of the recipes"),
        ({"colour": 1}, "colour: unknown key"),
    ],
)
def test_a_wrong_change_is_explained(study, change, message):
    with pytest.raises(bakeoff.BakeoffError, match=message):
        study.changed(**change)


def test_names_are_escaped_where_a_notebook_shows_them(study):
    marked = study.changed(description="<script>alert(1)</script>")
    assert "<script>" not in marked._repr_html_()
    assert re.search("&lt;script&gt;", marked._repr_html_())


def test_a_study_with_another_name_does_not_keep_the_description():
    study = load_study("quickstart")
    assert study.description
    assert study.changed(name="mine").description == ""
    assert study.changed(name="mine", description="My own.").description == "My own."
    assert study.changed(name=study.name, seeds=2).description == study.description


def test_an_error_of_a_changed_study_shows_no_traceback_of_the_validation():
    with pytest.raises(BakeoffError, match="seeds") as caught:
        load_study("quickstart").changed(seeds=-1)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
