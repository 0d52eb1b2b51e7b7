"""Study files: what is read, what is refused, and in which words."""

import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.study import builtin_studies, load_study, study_from_toml, study_to_toml

MINIMAL = """
name = "mine"
[recipes.a]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


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


def test_a_recipe_overrides_the_defaults_key_by_key(tmp_path):
    path = write(
        tmp_path,
        """
        name = "mine"
        [defaults]
        epochs = 7
        optimizer = { name = "adam", lr = 0.5 }
        [recipes.a]
        [recipes.b]
        optimizer.weight_decay = 0.25
        """,
    )
    study = load_study(path)
    assert (study.recipes["a"].epochs, study.recipes["b"].epochs) == (7, 7)
    assert (study.recipes["b"].optimizer.lr, study.recipes["b"].optimizer.weight_decay) == (0.5, 0.25)
    assert study.recipes["a"].optimizer.weight_decay == 0


def test_naming_another_optimizer_drops_the_options_of_the_first(tmp_path):
    path = write(
        tmp_path,
        """
        name = "mine"
        [defaults]
        optimizer = { name = "sgd", lr = 0.5, momentum = 0.3 }
        [recipes.a]
        optimizer = "adam"
        """,
    )
    optimizer = load_study(path).recipes["a"].optimizer
    assert (optimizer.name, optimizer.lr) == ("adam", 0.001)


def test_a_custom_model_keeps_its_options(tmp_path):
    study = load_study(write(tmp_path, MINIMAL + 'model = { name = "nets.small:Net", width = 8 }\n'))
    assert study.recipes["a"].model.options == {"width": 8}
    assert study_from_toml(study_to_toml(study), "text") == study


def test_published_study_as_published_differs_only_in_the_documented_faults():
    right, wrong = load_study("lenet5-stl10"), load_study("lenet5-as-published")
    assert wrong.data.first_line_is_header
    assert not right.data.first_line_is_header
    assert wrong.published == right.published
    for name, recipe in right.recipes.items():
        faults = {"train_mode": "first_epoch_only", "checkpoint": "last"}
        assert wrong.recipes[name] == recipe.model_copy(update=faults)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("defaults.epoch=3", ["defaults.epoch", "unknown key", "'epochs'"]),
        ("sedes=3", ["sedes", "unknown key", "'seeds'"]),
        ("data.sourc=3", ["data.sourc", "'source'"]),
        ("recipes.lenet5.model.batchnorm=true", ["recipes.lenet5.model.batchnorm", "'batch_norm'"]),
        ("recipes.lenet5.optimizer.momentum=0.5", ["recipes.lenet5.optimizer.momentum", "betas"]),
        ("defaults.optimizer.lr=-1", ["defaults.optimizer.lr", "-1", "greater than 0"]),
        ("defaults.optimizer.lr=nan", ["defaults.optimizer.lr", "finite"]),
        ("defaults.optimizer.lr=fast", ["defaults.optimizer.lr", "'fast'", "number"]),
        ("defaults.optimizer=sdg", ["defaults.optimizer", "'sdg'", "'sgd'"]),
        ("defaults.schedule.name=cosin", ["defaults.schedule", "'cosine'"]),
        ("recipes.lenet5.model=lenet", ["recipes.lenet5.model", "'lenet5'", "package.module:Class"]),
        ("recipes.lenet5.epochs=0", ["recipes.lenet5.epochs", "found 0"]),
        ("defaults.checkpoint=best", ["defaults.checkpoint", "best_val_loss"]),
        ("seeds=2.5", ["seeds", "2.5", "whole number"]),
        ("seeds=true", ["seeds", "True", "whole number"]),
        ("baseline=x", ["baseline 'x'", "lenet5_batch_norm"]),
        ("published.z.test_accuracy=0.5", ["published.z", "no such recipe"]),
        ("defaults=3", ["defaults", "found 3", "table"]),
        ("recipes=3", ["recipes", "found 3", "table"]),
        ("recipes.lenet5=3", ["recipes.lenet5", "found 3", "table"]),
        ("recipes.a b.epochs=3", ["'a b'", "letters, digits"]),
        ("recipes.lenet5.optimizer=3", ["recipes.lenet5.optimizer", "found 3"]),
        ("published.lenet5.train_loss.first=0.5", ["'first'", "not an epoch"]),
        ("name=../outside", ["name", "'../outside'"]),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_valid(override, words):
    with pytest.raises(BakeoffError) as refused:
        load_study("quickstart", overrides=[override])
    for word in words:
        assert word in str(refused.value)


def test_an_inherited_mistake_is_told_once_under_defaults():
    with pytest.raises(BakeoffError) as refused:
        load_study("quickstart", overrides=["defaults.batch_size=0"])
    assert str(refused.value).count("batch_size") == 1


def test_all_mistakes_are_told_together():
    with pytest.raises(BakeoffError, match="2 problems") as refused:
        load_study("quickstart", overrides=["defaults.batch_size=0", "margin=5"])
    assert "margin" in str(refused.value)


@pytest.mark.parametrize("override", ["epochs", "=3", ".a=3", "seeds.x=3"])
def test_a_malformed_override_is_refused(override):
    with pytest.raises(BakeoffError, match="override"):
        load_study("quickstart", overrides=[override])


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


def test_a_file_that_is_not_toml_names_the_line(tmp_path):
    with pytest.raises(BakeoffError, match=r"my\.toml.*line 1"):
        load_study(write(tmp_path, "name = \n"))


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "my.toml"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(BakeoffError, match="UTF-8"):
        load_study(path)


def test_a_study_without_recipes_is_refused(tmp_path):
    with pytest.raises(BakeoffError, match="recipes"):
        load_study(write(tmp_path, 'name = "mine"\n'))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    key=st.sampled_from(
        ["name", "seeds", "data", "data.image_size", "defaults", "defaults.model", "defaults.model.name",
         "defaults.optimizer", "defaults.optimizer.betas", "defaults.schedule", "recipes", "recipes.lenet5",
         "published", "published.lenet5", "published.lenet5.train_loss", "baseline"]
    ),
    value=json_values,
)  # fmt: skip
def test_any_value_anywhere_is_taken_or_refused_in_words(key, value):
    from bakeoff.study.study import study_from_tables

    tables = tomllib.loads(study_to_toml(load_study("quickstart")))
    tables["defaults"] = {"model": {"name": "lenet5"}, "optimizer": {"name": "adam"}}
    *parents, last = key.split(".")
    table = tables
    for part in parents:
        table = table.setdefault(part, {})
    table[last] = value
    with suppress(BakeoffError):  # anything else is a bug
        study_from_tables(tables, "text")
