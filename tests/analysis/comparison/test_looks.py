"""Which looks a study takes, who gets more seeds, and why it stops; and how often its stops mislead."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from tests.analysis.comparison.samples import DIFFICULTY, draw_correct, draw_predictions, expected_accuracy

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.look_plan import LookPlan, plan_looks
from bakeoff.analysis.comparison.looks import (
    Looks,
    chance_of_decision,
    describe_last_look,
    describe_looks,
    take_looks,
)
from bakeoff.analysis.comparison.pairs import RecipeScores, judge_pairs
from bakeoff.analysis.scores.by_name import score_named
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.predictions import Predictions, RecipePredictions


def predictions_of(runs: dict[str, np.ndarray], seeds: dict[str, int] | None = None) -> Predictions:
    """Of the first seeds of each recipe, from bool [num_seeds, num_images] right or wrong."""
    kept = {name: right[: seeds[name]] if seeds else right for name, right in runs.items()}
    num_images = len(next(iter(runs.values()))[0])
    return Predictions(
        np.ones(num_images, np.int64),
        tuple(map(str, range(num_images))),
        ("no", "yes"),
        tuple(
            RecipePredictions(name, tuple(range(len(right))), right.astype(np.int64))
            for name, right in kept.items()
            if len(right)
        ),
    )


def draw(levels: dict[str, float], seed: int = 0, num_images: int = 1_000, most: int = 20) -> dict:
    rng = np.random.default_rng(seed)
    difficulty = DIFFICULTY * rng.normal(size=num_images)
    return {name: draw_correct(rng, most, difficulty, level, 0.12, 0.3) for name, level in levels.items()}


PLAN = LookPlan((5, 10, 20))


def looks_of(runs: dict, seeds: dict | None = None, margin: float = 0.02, **options) -> Looks:
    return take_looks(predictions_of(runs, seeds), tuple(runs), PLAN, baseline=None, margin=margin, **options)


def test_clear_differences_are_decided_at_the_first_look() -> None:
    runs = draw({"a": 0.0, "b": 1.0, "c": 2.0})
    looks = looks_of(runs)
    assert looks.stopped == "decided"
    assert len(looks.taken) == 1
    assert looks.wanted == {"a": 5, "b": 5, "c": 5}
    assert looks == looks_of(runs, looks.wanted)  # later seeds were not looked at
    said = describe_looks(looks, confidence=0.95, num_images=1_000)
    assert "1 interim look, at 5 seeds per recipe, of 3 planned (at 5, 10 and 20)" in said
    assert "have a confidence of 97.92 %, so that 95 % holds" in said
    assert said.endswith("The study stopped with every pair decided.")


def test_recipes_settled_in_all_their_pairs_get_no_more_seeds() -> None:
    runs = draw({"a": 0.0, "b": 0.06, "far": 2.0})
    looks = looks_of(runs, dict.fromkeys(runs, 5))
    assert looks.taken[0].open == (("a", "b"),)
    assert looks.stopped is None
    assert looks.wanted == {"a": 10, "b": 10, "far": 5}
    assert describe_last_look(looks) == "interim look 1: 2 of 3 pairs decided; next, 10 seeds for a and b"
    later = looks_of(runs, {"a": 20, "b": 20, "far": 5})
    assert len(later.taken) > 1
    assert later.taken[0] == looks.taken[0]
    assert later.wanted["far"] == 5
    assert later.stopped is not None


def test_a_look_waits_for_all_its_runs_but_not_for_failed_ones() -> None:
    runs = draw({"a": 0.0, "b": 2.0})
    waiting = looks_of(runs, {"a": 5, "b": 4})
    assert (waiting.taken, waiting.stopped, waiting.wanted) == ((), None, {"a": 5, "b": 5})
    assert "not finished" in describe_looks(waiting, confidence=0.95, num_images=1_000)
    assert looks_of(runs, {"a": 5, "b": 4}, failed={"b": {4}}).stopped == "decided"
    # A recipe without any run is waited for too, and left out once it failed.
    assert looks_of(runs, {"a": 5, "b": 0}).wanted == {"a": 5, "b": 5}
    alone = looks_of(runs, {"a": 5, "b": 0}, failed={"b": set(range(5))})
    assert alone.stopped == "decided"
    assert "no pair to decide" in describe_looks(alone, confidence=0.95, num_images=1_000)


def test_it_stops_where_the_images_are_the_limit() -> None:
    rng = np.random.default_rng(4)
    chance = rng.random((2, 300)) < 0.5  # each recipe has images of its own; seeds hardly matter
    runs = {name: right ^ (rng.random((20, 300)) < 0.01) for name, right in zip("ab", chance, strict=True)}
    looks = looks_of(runs)
    assert looks.stopped == "images"
    assert looks.taken[-1].limited == (("a", "b"),)
    assert len(looks.taken) == 1
    said = describe_looks(looks, confidence=0.95, num_images=300)
    assert said.endswith(
        "are unlikely to decide b against a, because the number of test images (300) is the limit."
    )


def test_it_stops_at_the_maximum() -> None:
    runs = draw({"a": 0.0, "b": 0.05}, num_images=20_000, most=20)
    looks = looks_of(runs, margin=0.002)
    assert looks.stopped == "max_seeds"
    assert [look.seeds["a"] for look in looks.taken] == [5, 10, 20]
    said = describe_looks(looks, confidence=0.95, num_images=20_000)
    assert said.endswith("The study stopped at the maximum of 20 seeds, with b against a undecided.")


def test_the_chance_of_a_decision_is_what_seeds_without_end_would_show() -> None:
    """Against the same comparison after 300 seeds on the same images, any difference being as likely."""
    rng = np.random.default_rng(3)
    predicted, decided = [], []
    for _ in range(120):
        difficulty = DIFFICULTY * rng.normal(size=400)
        a, b = (
            draw_correct(rng, 300, difficulty, level, 0.2, 2.0) for level in (0.0, rng.uniform(-0.5, 0.5))
        )
        early, late = (
            crossed_interval(summarize_scores(b[:count]), summarize_scores(a[:count])) for count in (5, 300)
        )
        predicted.append(chance_of_decision(early, margin=0.01, confidence=0.95))
        decided.append(late.low > 0 or late.high < 0)
    chance, truth = np.array(predicted), np.array(decided)
    assert chance.mean() == pytest.approx(truth.mean(), abs=0.1)
    likely = chance > np.median(chance)
    assert truth[likely].mean() > truth[~likely].mean() + 0.2
    assert truth[chance < 0.05].mean() < 0.15
    assert (chance < 0.05).sum() > 5


def test_the_intervals_of_a_comparison_are_those_of_a_look() -> None:
    runs = draw({"a": 0.0, "b": 0.4}, most=6)
    runs["b"] = runs["b"][:5]  # unequal seeds
    plan = plan_looks(5, 10)
    fixed, looked = (compare(predictions_of(runs), looks=looks) for looks in (None, plan))
    assert looked.confidence == fixed.confidence == 0.95
    strict = compare(predictions_of(runs), confidence=plan.level)
    for one, other in ((looked.pairs[0], strict.pairs[0]), (looked.recipes[0], strict.recipes[0])):
        assert one.interval == other.interval
    assert looked.pairs[0].classes[0].interval == strict.pairs[0].classes[0].interval
    assert looked.pairs[0].p == fixed.pairs[0].p
    assert looked.pairs[0].p_holm == plan.adjust(fixed.pairs[0].p) > fixed.pairs[0].p_holm


# How often it misleads, with seeds, images and recipe x image interaction all random.

SCENARIOS = {
    "equal, seeds matter": ((0.0, 0.0), 0.4, 0.5, 0.02),
    "equal, images matter": ((0.0, 0.0), 0.12, 1.5, 0.02),
    "three, two equal": ((0.0, 0.0, 0.5), 0.25, 0.8, 0.02),
    "a small difference": ((0.0, 0.25), 0.25, 0.8, 0.03),
    "a clear difference": ((0.0, 1.2), 0.25, 0.8, 0.02),
    "equivalent": ((0.0, 0.0), 0.15, 0.2, 0.06),
}


def misled(name: str, plan: LookPlan, num_draws: int, num_images: int = 500) -> dict[str, float]:
    """Shares of studies that ever declared a difference that is none, and of intervals that hold."""
    levels, seed_std, interaction, margin = SCENARIOS[name]
    names = [f"r{number}" for number in range(len(levels))]
    truth = {
        (a, b): expected_accuracy(levels[names.index(b)], seed_std, interaction)
        - expected_accuracy(levels[names.index(a)], seed_std, interaction)
        for a, b in combinations(names, 2)
    }
    rng = np.random.default_rng(2_026)
    counts: Counter[str] = Counter()
    for _ in range(num_draws):
        difficulty = DIFFICULTY * rng.normal(size=num_images)
        runs = {
            name: draw_correct(rng, plan.seeds[-1], difficulty, level, seed_std, interaction)
            for name, level in zip(names, levels, strict=True)
        }
        found = take_looks(predictions_of(runs), tuple(names), plan, baseline=None, margin=margin)
        ever = False
        for look in found.taken:
            outcomes = {name: RecipeScores(runs[name][: look.seeds[name]]) for name in names}
            pairs = judge_pairs(outcomes, baseline=None, margin=margin, looks=plan)
            ever |= any(
                pair.verdict.name in ("better", "worse") and abs(truth[pair.a, pair.b]) < 1e-12
                for pair in pairs
            )
        counts["declared"] += ever
        counts["seeds"] += sum(found.wanted.values())
        for pair in pairs:  # of the last look: what is reported
            counts["intervals"] += 1
            counts["decided"] += pair.decided
            counts["hold"] += pair.difference.low <= truth[pair.a, pair.b] <= pair.difference.high
    return {
        "declared": counts["declared"] / num_draws,
        "cover": counts["hold"] / counts["intervals"],
        "decided": counts["decided"] / counts["intervals"],
        "seeds": counts["seeds"] / num_draws / len(names),
    }


def check(found: dict[str, float], num_draws: int, name: str) -> None:
    assert found["declared"] <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / num_draws), (name, found)
    slack = 2.5 * np.sqrt(0.03 * 0.97 / num_draws)
    assert found["cover"] >= 0.93 - slack, (name, found)


@pytest.mark.parametrize("name", ["equal, seeds matter", "three, two equal", "a clear difference"])
def test_looks_seldom_mislead(name: str) -> None:
    check(misled(name, plan_looks(3, 10), 300), 300, name)


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(("first", "most"), [(3, 10), (5, 10), (5, 20)])
def test_looks_seldom_mislead_in_many_draws(name: str, first: int, most: int) -> None:
    found = misled(name, plan_looks(first, most), 4_000)
    print(f"\n{name} | {first} to {most} | {found}")
    check(found, 4_000, name)


def test_looks_are_by_the_metric() -> None:
    """Two recipes whose accuracy is nearly the same: by log-loss the first look decides."""
    predictions = draw_predictions(num_recipes=2, num_seeds=20, num_images=1000, spread=0.0)
    sharper = predictions.recipes[1].probabilities ** 3
    sharper /= sharper.sum(axis=2, keepdims=True)
    recipes = (predictions.recipes[0], dataclasses.replace(predictions.recipes[1], probabilities=sharper))
    predictions = dataclasses.replace(predictions, recipes=recipes)
    names = tuple(recipe.name for recipe in recipes)
    by_accuracy, by_loss = (
        take_looks(predictions, names, PLAN, baseline=None, margin=0.01, score=score_named(name))
        for name in ("accuracy", "log_loss")
    )
    assert len(by_accuracy.taken) > len(by_loss.taken) == 1
    assert by_loss.stopped == "decided"
