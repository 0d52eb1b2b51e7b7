"""Study files: what is read, what is refused, and in which words."""

import tomllib

import pytest
from tests.study.writing import write

from bakeoff.errors import BakeoffError
from bakeoff.study import builtin_studies, load_study, study_from_toml, study_to_toml


@pytest.mark.parametrize("name", sorted(builtin_studies()))
def test_a_study_written_out_reads_back_equal(name):
    study = load_study(name)
    assert study_from_toml(study_to_toml(study), "text") == study


def test_every_default_is_written_out():
    written = tomllib.loads(study_to_toml(load_study("quickstart")))
    recipe = written["recipes"]["lenet5"]
    assert recipe["optimizer"] == {"name": "adam", "lr": 0.001, "weight_decay": 0.0, "betas": [0.9, 0.999]}
    assert recipe["checkpoint"] == "best_val_accuracy"
    assert written["data"]["image_size"] == 32


def test_published_study_as_published_differs_only_in_the_documented_faults():
    right, wrong = load_study("lenet5-stl10"), load_study("lenet5-as-published")
    assert wrong.data.first_line_is_header
    assert not right.data.first_line_is_header
    assert wrong.published == right.published
    for name, recipe in right.recipes.items():
        faults = {"train_mode": "first_epoch_only", "checkpoint": "last"}
        assert wrong.recipes[name] == recipe.model_copy(update=faults)


def test_epochs_and_seeds_and_recipes_and_source_are_replaced():
    study = load_study(
        "lenet5-stl10",
        overrides=["recipes.lenet5.epochs=9"],
        epochs=2,
        seeds=1,
        recipes=["lenet5_batch_norm", "lenet5"],
        source="""folder:it's "here" """,
    )
    assert list(study.recipes) == ["lenet5_batch_norm", "lenet5"]
    assert {recipe.epochs for recipe in study.recipes.values()} == {2}
    assert (study.seeds, study.data.source) == (1, """folder:it's "here" """)
    assert set(study.published) == set(study.recipes)


def test_leaving_out_the_baseline_recipe_drops_the_baseline():
    assert load_study("quickstart", recipes=["lenet5_batch_norm"]).baseline is None


def test_an_unknown_recipe_name_is_refused():
    with pytest.raises(BakeoffError, match="no recipe 'lenet6'"):
        load_study("quickstart", recipes=["lenet6"])


def test_a_study_that_is_not_there_names_the_nearest():
    with pytest.raises(BakeoffError, match="did you mean 'quickstart'"):
        load_study("quikstart")


@pytest.mark.parametrize("end", ["", "\n", " # narrow\n[recipes.b]\n"])
def test_a_setting_beside_a_name_gets_the_way_to_write_both(end):
    text = '[recipes.a]\nmodel = "resnet"\nmodel.widths = [8]' + end
    with pytest.raises(BakeoffError, match=r'; write model = \{ name = "resnet", widths = \[8\] \}$'):
        study_from_toml(text, "mine.toml")


def test_a_file_that_is_not_toml_names_the_line(tmp_path):
    with pytest.raises(BakeoffError, match=r"my\.toml.*line 1"):
        load_study(write(tmp_path, "name = \n"))


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "my.toml"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(BakeoffError, match="UTF-8"):
        load_study(path)


def test_published_accuracies_of_classes_have_the_names_that_the_study_gives_them():
    """The published split files have numbers as labels and no names."""
    compared = [study for study in builtin_studies().values() if study.published]
    assert compared
    for study in compared:
        for published in study.published.values():
            assert set(published.class_accuracies or {}) <= set(study.data.class_names)


def test_a_study_without_published_results_is_written_without_an_empty_table():
    assert "published" not in tomllib.loads(study_to_toml(load_study("quickstart")))
    assert "published" in tomllib.loads(study_to_toml(load_study("lenet5-as-published")))
