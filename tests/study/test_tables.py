"""[defaults], --set and shorthand names: from the text of a study file to complete tables."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.study.writing import write

from bakeoff.errors import BakeoffError
from bakeoff.study import load_study
from bakeoff.study.tables import (
    MAX_DEPTH,
    apply_overrides,
    merge_defaults,
    parse_toml,
    refuse_deep,
    set_for_all_recipes,
)


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


@pytest.mark.parametrize("override", ["epochs", "=3", ".a=3", "seeds.x=3"])
def test_a_malformed_override_is_refused(override):
    with pytest.raises(BakeoffError, match="override"):
        load_study("quickstart", overrides=[override])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('{name = "sgd", lr = 0.1}', {"name": "sgd", "lr": 0.1}),
        ('"3"', "3"),
        ("cosine", "cosine"),
        (" with blanks ", "with blanks"),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_the_value_of_an_override_is_toml_or_else_text(text, value):
    assert apply_overrides({}, [f"a.b={text}"]) == {"a": {"b": value}}


def test_overrides_are_set_in_their_order_and_leave_the_tables_as_they_were():
    tables = {"seeds": 2, "defaults": {"optimizer": "sgd"}}
    before = copy.deepcopy(tables)
    changed = apply_overrides(tables, ["defaults.optimizer.lr=1", "defaults.optimizer.lr=2", "seeds=3"])
    assert changed == {"seeds": 3, "defaults": {"optimizer": {"name": "sgd", "lr": 2}}}
    assert tables == before


def test_a_value_for_all_recipes_reaches_those_that_set_their_own():
    tables = {"defaults": {"batch_size": 8}, "recipes": {"a": {"epochs": 3}, "b": {}}}
    assert merge_defaults(set_for_all_recipes(tables, "epochs", 7))["recipes"] == {
        "a": {"batch_size": 8, "epochs": 7},
        "b": {"batch_size": 8, "epochs": 7},
    }


def test_a_table_of_options_alone_is_about_the_usual_name():
    merged = merge_defaults(
        {"defaults": {"optimizer": {"lr": 0.1}}, "recipes": {"a": {"schedule": "cosine"}}}
    )
    assert merged == {
        "recipes": {"a": {"optimizer": {"name": "adam", "lr": 0.1}, "schedule": {"name": "cosine"}}}
    }


def test_augmentations_are_merged_key_by_key():
    defaults = {"augmentation": {"mixup": 0.2, "horizontal_flip": True}}
    merged = merge_defaults({"defaults": defaults, "recipes": {"a": {"augmentation": {"mixup": 0.0}}}})
    assert merged["recipes"]["a"]["augmentation"] == {"mixup": 0.0, "horizontal_flip": True}


options = st.dictionaries(st.sampled_from(["epochs", "batch_size", "ema_decay"]), st.integers(1, 9))


@given(defaults=options, recipes=st.dictionaries(st.sampled_from("abc"), options))
def test_merged_tables_have_nothing_left_to_merge(defaults, recipes):
    merged = merge_defaults({"name": "x", "defaults": defaults, "recipes": recipes})
    assert merged == {"name": "x", "recipes": {name: defaults | own for name, own in recipes.items()}}
    assert merge_defaults(merged | {"defaults": {}}) == merged


def test_the_deepest_tables_are_read_and_one_deeper_refused():
    deepest = "a = " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    refuse_deep(parse_toml(deepest, "text"), "text")
    with pytest.raises(BakeoffError, match=f"more than {MAX_DEPTH} deep"):
        parse_toml(deepest.replace("]", "[]]", 1), "text")
