"""Trials scored and chosen among; edges, leads and budgets, and how they are put into words."""

import json

import numpy as np
import pytest

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.tuning import (
    Tuning,
    describe_budgets,
    describe_choices,
    describe_leads,
    study_tuning,
)
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.files import jsonable
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.store import StoredTrial
from bakeoff.study import Study, study_from_toml

LABELS = np.arange(100) % 2


def study(*, a: int = 4, b: int = 4, plain: bool = True, metric: str = "accuracy", lr: str = "") -> Study:
    lr = lr or "{ low = 0.001, high = 1.0, log = true }"
    return study_from_toml(
        f"""
        name = "tuned"
        data.source = "digits"
        tune.metric = "{metric}"
        [recipes.a]
        trials = {a}
        search.optimizer.lr = {lr}
        [recipes.b]
        trials = {b}
        search.optimizer.lr = {lr}
        {"[recipes.plain]" if plain else ""}
        """,
        "tuned.toml",
    )


def trial(recipe: str, number: int, right: int, confidence: float = 3.0) -> StoredTrial:
    """A trial with so many of 100 validation images right."""
    predicted = np.where(np.arange(100) < right, LABELS, 1 - LABELS)
    logits = np.eye(2, dtype=np.float32)[predicted] * np.float32(confidence)
    return StoredTrial(recipe, number, logits, LABELS, 1.5)


def failed(recipe: str, number: int) -> StoredTrial:
    nothing = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    return StoredTrial(recipe, number, *nothing, 0.0, "loss is nan")


def tuning_of(of: Study, **rights: list[int | None]) -> Tuning:
    trials = [
        failed(name, number) if right is None else trial(name, number, right)
        for name, values in rights.items()
        for number, right in enumerate(values)
    ]
    tuning = study_tuning(of, trials)
    assert tuning is not None
    return tuning


def test_the_first_of_the_best_trials_is_chosen_and_no_failed_one():
    tuning = tuning_of(study(), a=[50, 80, 80, 70], b=[None, None, 60, None])
    a, b = tuning.recipes
    assert (a.chosen.number, a.chosen.score) == (1, 0.8)
    assert a.chosen.values == study().trial_values("a", 1)
    assert (b.chosen.number, [entry.number for entry in b.failed]) == (2, [0, 1, 3])
    assert b.expected.mean.tolist() == [0.6] * 4  # failed ones count as the worst of the others
    assert tuning.untuned == ("plain",)


def test_no_trial_without_a_failure_gives_no_choice():
    tuning = tuning_of(study(), a=[None] * 4, b=[50])
    assert tuning.recipes[0].chosen is None
    assert tuning.recipes[0].expected is None
    assert tuning.leads == ()
    assert describe_choices(tuning)[0] == "a: none of 4 trials succeeded."
    assert len(tuning.recipes[1].trials) == 1


def test_no_tuned_recipe_no_tuning():
    assert study_tuning(study().with_trials(0), []) is None


def test_a_score_of_which_less_is_better():
    of = study(metric="val_log_loss")
    tuning = study_tuning(of, [trial("a", 0, 90, 9.0), trial("a", 1, 80, 1.0)])
    a = tuning.recipe("a")
    assert a.chosen.number == 1
    assert a.chosen.score == pytest.approx(np.log1p(np.exp(-1)) + 0.2)
    assert a.expected.mean[0] == pytest.approx(np.mean([entry.score for entry in a.trials]))
    assert a.expected.mean[1] == a.chosen.score
    assert (a.expected.low <= a.expected.high).all()


def test_where_curves_cross_the_budget_decides_who_leads():
    tuning = tuning_of(study(), a=[70, 70, 70, 70], b=[88, 10, 10, 10])
    assert [(lead.from_trials, lead.recipe) for lead in tuning.leads] == [(1, "a"), (4, "b")]
    assert describe_leads(tuning) == (
        "By the expected best accuracy of the validation images, a leads with up to 3 trials and b from 4 "
        "trials on: the curves cross, so which recipe leads depends on the budget."
    )
    tuning = tuning_of(study(), a=[70, 70], b=[90, 80])
    assert describe_leads(tuning) == (
        "By the expected best accuracy of the validation images, b leads with any number of trials up to "
        "those made."
    )


@pytest.mark.parametrize(
    ("space", "chosen", "end"),
    [
        ("{ low = 0.001, high = 1.0, log = true }", lambda lr: lr < 0.002, "lower"),
        ("{ low = 0.001, high = 1.0, log = true }", lambda lr: lr > 0.6, "upper"),
        ("{ low = 0.001, high = 1.0, log = true }", lambda lr: 0.003 < lr < 0.4, None),
        ("{ choices = [0.1, 0.01, 0.001] }", lambda lr: lr == 0.001, "lower"),
        ("{ choices = [0.1, 0.01, 0.001] }", lambda lr: lr == 0.1, "upper"),
        ("{ choices = [0.1, 0.01, 0.001] }", lambda lr: lr == 0.01, None),
        ("{ choices = [0.1, 0.01] }", lambda lr: lr == 0.1, None),
    ],
)
def test_a_chosen_value_at_an_end_of_its_space_is_reported(space, chosen, end):
    of = study(a=200, lr=space)
    number = next(n for n in range(200) if chosen(of.trial_values("a", n)["optimizer.lr"]))
    recipe = study_tuning(of, [trial("a", number, 90)]).recipe("a")
    assert [edge.end for edge in recipe.edges] == ([end] if end else [])


def test_an_end_that_is_the_settings_own_is_none():
    file = """
        name = "tuned"
        data.source = "digits"
        [recipes.a]
        search.optimizer.weight_decay = { choices = [0, 0.1, 0.2] }
        search.model.dropout = { low = 0.0, high = 0.5 }
        search.augmentation.horizontal_flip = { choices = [true, false] }
    """
    of = study_from_toml(file, "tuned.toml")
    number = next(n for n in range(16) if of.trial_values("a", n)["optimizer.weight_decay"] == 0)
    edges = study_tuning(of, [trial("a", number, 90)]).recipe("a").edges
    assert "optimizer.weight_decay" not in [edge.setting for edge in edges]  # there is none below 0


def test_choices_in_words():
    of = study(a=200)
    number = next(n for n in range(200) if of.trial_values("a", n)["optimizer.lr"] > 0.6)
    value = of.trial_values("a", number)["optimizer.lr"]
    tuning = study_tuning(of, [trial("a", number, 90), failed("a", 199)])
    assert describe_choices(tuning)[0] == (
        f"a: of 200 trials (1 failed), trial {number} has the best validation accuracy, 90.0 %: "
        f"optimizer.lr = {value}. optimizer.lr is at the upper end of its space: widen it."
    )


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (study(plain=False), "a and b are tuned with 4 trials each"),
        (study(), "the budgets of tuning differ: a and b are tuned with 4 trials each, and plain is untuned"),
        (
            study(a=1, b=16, plain=False),
            "the budgets of tuning differ: a is tuned with 1 trial, and b is tuned with 16 trials",
        ),
        (study().with_trials(0), ""),
    ],
)
def test_budgets_in_words(of, words):
    assert describe_budgets(of) == words


def test_the_conclusion_states_the_budgets_in_its_sentence():
    predicted = (np.random.default_rng(1).random((2, 5, 400)) < 0.3).astype(np.int64)
    recipes = tuple(
        RecipePredictions(name, (0, 1, 2, 3, 4), runs) for name, runs in zip("ab", predicted, strict=True)
    )
    predictions = Predictions(np.zeros(400, np.int64), tuple(map(str, range(400))), ("x", "y"), recipes)
    comparison = compare(predictions, budgets=describe_budgets(study(a=1, b=16, plain=False)))
    first, *_ = comparison.conclusion.split(". ")
    assert "the budgets of tuning differ: a is tuned with 1 trial" in first
    alone = Predictions(predictions.labels, predictions.image_ids, ("x", "y"), recipes[:1])
    conclusion = compare(alone, budgets="a is tuned with 1 trial").conclusion
    assert "no other recipe with results to compare it with; a is tuned with 1 trial." in conclusion


def test_it_becomes_json():
    tuning = tuning_of(study(), a=[50, 80, None], b=[60])
    content = json.loads(json.dumps(jsonable(tuning.to_dict())))
    assert content["recipes"][0]["chosen"] == 1
    assert content["recipes"][0]["trials"][2] == {
        "number": 2,
        "values": study().trial_values("a", 2),
        "score": None,
        "seconds": 0.0,
        "reason": "loss is nan",
    }
    assert content["recipes"][0]["spaces"] == {
        "optimizer.lr": {"low": 0.001, "high": 1.0, "log": True, "choices": None}
    }


def false_verdict(rng: np.random.Generator, trials: int, *, reuse: bool) -> bool:
    """Whether a recipe is called better or worse than itself, one of both tuned with so many trials.

    All settings are equally good. What a trial scores on validation images is its seed's effect and noise;
    the same effect acts on test images. `reuse` compares the best five trials themselves, where there are as
    many, and not new runs.
    """
    num_seeds, num_images, seed_std = 5, 400, 0.2
    difficulty = rng.normal(size=num_images)
    runs = []
    for budget in (1, trials):
        effects = rng.normal(scale=seed_std, size=num_seeds)
        of_trials = rng.normal(scale=seed_std, size=budget)
        validation = 1 / (1 + np.exp(-(of_trials[:, None] + rng.normal(size=400))))
        scores = (rng.random(validation.shape) < validation).mean(axis=1)
        if reuse and budget >= num_seeds:
            effects = of_trials[np.argsort(scores)[-num_seeds:]]
        runs.append(rng.random((num_seeds, num_images)) < 1 / (1 + np.exp(-(effects[:, None] + difficulty))))
    interval = crossed_interval(summarize_scores(runs[1]), summarize_scores(runs[0]))
    return not interval.low <= 0 <= interval.high


@pytest.mark.slow
def test_the_same_recipe_tuned_with_1_and_with_16_trials_is_rarely_called_different() -> None:
    rng = np.random.default_rng(25)
    count = 4_000
    fresh = sum(false_verdict(rng, 16, reuse=False) for _ in range(count)) / count
    reused = sum(false_verdict(rng, 16, reuse=True) for _ in range(count)) / count
    assert fresh <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / count)
    assert reused > 2 * 0.05  # runs that were chosen for their scores are no new ones
