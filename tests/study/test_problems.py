"""What is wrong with a study, in words that name the key and what is valid there."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.study import load_study, study_to_toml


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
