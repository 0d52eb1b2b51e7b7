"""Trials: pure functions of recipe, number and seed, with seeds of their own; searches in study files."""

import random

import pytest

from bakeoff import BakeoffError
from bakeoff.study import Study, load_study, study_from_toml, study_to_toml
from bakeoff.study.recipe import FIXED_SEED, flatten_settings
from bakeoff.study.search import as_text, trial_seed

FILE = """
name = "tuned"
[data]
source = "digits"
[tune]
trials = {trials}
[recipes.sgd]
optimizer = "sgd"
[recipes.sgd.search]
{search}
[recipes.plain]
"""

LR = '"optimizer.lr" = { low = 0.001, high = 1.0, log = true }\n'
DECAY = '"optimizer.weight_decay" = { choices = [0.0, 0.0005, 0.005] }\n'


def study(search: str = LR + DECAY, trials: int = 4) -> Study:
    return study_from_toml(FILE.format(search=search, trials=trials), "tuned.toml")


def values(of: Study, trials: int = 4) -> list:
    return [of.trial_values("sgd", number) for number in range(trials)]


def test_a_trial_has_the_drawn_values_and_all_else_from_its_recipe():
    tuned = study()
    for number in range(4):
        recipe, drawn = tuned.trial_recipe("sgd", number), tuned.trial_values("sgd", number)
        assert drawn.keys() == {"optimizer.lr", "optimizer.weight_decay"}
        assert flatten_settings(recipe) == flatten_settings(tuned.recipes["sgd"]) | drawn
        assert recipe.search is None
    assert len({repr(drawn) for drawn in values(tuned)}) == 4
    assert values(tuned)[0] == {"optimizer.lr": 0.03726, "optimizer.weight_decay": 0.0005}  # on any machine


def test_neither_more_trials_nor_more_settings_change_earlier_draws():
    before = values(study())
    assert values(study(trials=40)) == before
    batch = "batch_size = { low = 16, high = 256, log = true }\n"
    assert [{**drawn, "batch_size": 0} for drawn in values(study(batch + LR + DECAY))] == [
        {**drawn, "batch_size": 0} for drawn in before
    ]
    assert values(study(DECAY + LR)) == before
    assert values(study().changed(seeds=9, recipes={"plain": None}, tune={"trials": 5})) == before
    assert values(study().changed(tune={"seed": 1})) != before


@pytest.mark.parametrize("seed", range(20))
def test_the_seeds_of_trials_and_of_final_runs_never_coincide(seed):
    rng = random.Random(seed)
    most_seeds = 10_000  # `seeds` and `max_seeds` are at most that
    for _ in range(500):
        name = "".join(rng.choices("abcXYZ019-_", k=rng.randint(1, 64)))
        of_trial = trial_seed(name, rng.randrange(1000), rng.randrange(2**63))
        assert most_seeds < FIXED_SEED < of_trial < 2**31  # NumPy's older generator takes less than 2^32
    with pytest.raises(BakeoffError, match="seeds"):
        study().changed(seeds=most_seeds + 1)


def test_a_resolved_study_file_reads_as_the_same_study():
    tuned = study().with_values({"sgd": {"optimizer.lr": 0.5}})
    assert tuned.recipes["sgd"].optimizer.lr == 0.5
    again = study_from_toml(study_to_toml(tuned), "again.toml")
    assert again == tuned
    assert values(again) == values(study())


def test_paths_need_no_quotes():
    assert study(LR.replace('"', "") + DECAY.replace('"', "")) == study()


def test_a_whole_optimizer_can_be_searched():
    tuned = study('optimizer = { choices = ["sgd", "adam"] }\n' + LR, trials=16)
    names = {tuned.trial_recipe("sgd", number).optimizer.name for number in range(16)}
    assert names == {"sgd", "adam"}
    for number in range(16):
        assert (
            tuned.trial_recipe("sgd", number).optimizer.lr
            == tuned.trial_values("sgd", number)["optimizer.lr"]
        )


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ('"optimizer.lrr" = { low = 1, high = 2 }', "optimizer.lrr: unknown key; did you mean 'lr'?"),
        ("nope = { low = 1, high = 2 }", "search: nope: unknown key (valid: model, epochs"),
        ('"optimizer.lr" = { low = 0.0, high = 2 }', "optimizer.lr: found 0.0, expected greater than 0"),
        ('"optimizer.lr" = { low = 0.1, hihg = 2 }', "lr.hihg: unknown key; did you mean 'high'?"),
        ('"optimizer.lr" = 0.1', "recipes.sgd.search.optimizer.lr: found 0.1, expected a table"),
        ("epochs = { low = 1.0, high = 4.0 }", "search: epochs: found 1.0, expected a whole number"),
        ('"model.name" = { choices = ["lenet5", "lenet9"] }', "search: model: unknown name 'lenet9'"),
        ("trials = { low = 1, high = 2 }", "search: trials cannot be searched"),
        ("", "recipes.sgd: search is empty; expected settings such as"),
        (
            "optimizer.nesterov = { choices = [true, false] }\noptimizer.momentum = { choices = [0, 0.9] }",
            "optimizer.nesterov = true, optimizer.momentum = 0 are each possible, but not together: "
            "optimizer: nesterov is true, which needs a momentum above 0",
        ),
    ],
)
def test_a_search_that_is_not_possible_is_refused(search, message):
    with pytest.raises(BakeoffError) as caught:
        study(search)
    assert message in str(caught.value)
    assert str(caught.value).count("\n") == 1  # one problem


def test_trials_without_a_search_are_refused():
    file = FILE.format(search=LR, trials=4).replace("[recipes.plain]", "[recipes.plain]\ntrials = 2")
    with pytest.raises(
        BakeoffError, match="trials is the number of trials of a search, and the recipe has none"
    ):
        study_from_toml(file, "tuned.toml")
    with pytest.raises(
        BakeoffError, match=r"trials is 3, but no recipe of quickstart has a search space; add"
    ):
        load_study("quickstart", trials=3)


def test_numbers_of_trials():
    file = FILE.format(search=LR, trials=4).replace('optimizer = "sgd"', 'optimizer = "sgd"\ntrials = 2')
    own = study_from_toml(file, "tuned.toml")
    assert own.num_trials == {"sgd": 2}
    assert own.with_trials(7).num_trials == {"sgd": 7}
    assert own.with_trials(0).num_trials == {}
    assert own.with_trials(0).all_trials == []
    assert study().num_trials == {"sgd": 4}
    assert study_from_toml(
        FILE.format(search=LR, trials=4).replace("[tune]\ntrials = 4", ""), "a"
    ).num_trials == {"sgd": 16}
    assert load_study("quickstart").num_trials == {}


def test_settings_in_one_line():
    assert as_text({"optimizer.lr": 0.01, "optimizer.nesterov": True}) == (
        "optimizer.lr = 0.01, optimizer.nesterov = true"
    )
