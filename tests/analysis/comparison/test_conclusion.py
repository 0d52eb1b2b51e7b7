"""The recipe that prediction and export take by default, and the words of a conclusion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_image
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from tests.analysis.comparison.samples import draw_predictions

import bakeoff
from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.conclusion import describe_what_it_takes, supported_recipe
from bakeoff.analysis.statistics.what_it_takes import Chances, WhatItTakes

VAL = {f"recipe_{number}": 0.5 for number in range(4)}


def verdicts(comparison):
    return {(pair.a, pair.b): pair.verdict for pair in comparison.pairs}


def test_the_recipe_that_is_better_than_each_other_one():
    comparison = compare(draw_predictions(spread=1.5, num_images=1000))
    assert verdicts(comparison)["recipe_0", "recipe_2"] == "better"
    assert verdicts(comparison)["recipe_1", "recipe_2"] == "better"
    chosen = supported_recipe(comparison, VAL)
    assert (chosen.name, chosen.reason) == ("recipe_2", "better than recipe_0 and recipe_1")
    assert chosen.by_verdict


def test_the_baseline_where_nothing_is_decided():
    undecided = compare(draw_predictions(spread=0.0, num_seeds=2), baseline="recipe_1")
    assert set(verdicts(undecided).values()) == {"undecided"}
    best = max(undecided.recipes, key=lambda recipe: recipe.accuracy).name
    assert best != "recipe_1"
    chosen = supported_recipe(undecided, VAL)
    assert (chosen.name, chosen.by_verdict) == ("recipe_1", False)
    assert chosen.reason == "the baseline, until another is shown to be better"


def test_the_first_recipe_where_nothing_is_decided_and_there_is_no_baseline():
    undecided = compare(draw_predictions(spread=0.0, num_seeds=2))
    assert supported_recipe(undecided, VAL).name == "recipe_0"


def test_the_baseline_where_the_others_are_worse():
    worse = compare(draw_predictions(spread=-1.5, num_images=1000), baseline="recipe_0")
    assert set(verdicts(worse).values()) == {"worse"}
    assert supported_recipe(worse, VAL).name == "recipe_0"


def test_validation_accuracy_chooses_among_recipes_that_the_verdicts_support_alike():
    comparison = compare(draw_predictions(spread=1.5, num_images=1000), baseline="recipe_0")
    assert set(verdicts(comparison).values()) == {"better"}
    for best in ("recipe_1", "recipe_2"):
        chosen = supported_recipe(comparison, VAL | {best: 0.6, "recipe_0": 0.9})
        assert chosen.name == best
        other = "recipe_2" if best == "recipe_1" else "recipe_1"
        assert chosen.reason == (
            f"better than recipe_0, not compared with {other}; "
            "of 2 such recipes, the one with the highest validation accuracy"
        )


def test_a_recipe_that_beats_one_and_loses_to_another_is_not_chosen():
    comparison = compare(draw_predictions(num_recipes=3, spread=1.5, num_images=1000))
    pairs = tuple(pair for pair in comparison.pairs if {pair.a, pair.b} != {"recipe_0", "recipe_2"})
    chosen = supported_recipe(replace(comparison, pairs=pairs), VAL | {"recipe_1": 0.9})
    assert chosen.name == "recipe_2"


def test_trained_models_are_judged_where_there_is_one_seed():
    comparison = compare(draw_predictions(num_seeds=1, num_recipes=2, spread=2.0, num_images=1000))
    assert verdicts(comparison) == {("recipe_0", "recipe_1"): "undecided"}
    assert supported_recipe(comparison, VAL).name == "recipe_1"


def test_an_only_recipe():
    chosen = supported_recipe(compare(draw_predictions(num_recipes=1)), VAL)
    assert (chosen.name, chosen.reason) == ("recipe_0", "the only recipe with a finished run")


def crops(rng: np.random.Generator, counts: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean colors of windows of 12 x 12 pixels of scikit-learn's photographs, with noise, and their names."""
    features, labels = [], []
    for name, count in counts.items():
        photograph = load_sample_image(name) / 255.0
        for y, x in zip(rng.integers(0, 410, count), rng.integers(0, 620, count), strict=True):
            features.append(
                photograph[y : y + 12, x : x + 12].reshape(-1, 3).mean(0) + rng.normal(0, 0.05, 3)
            )
            labels.append(name)
    return np.array(features), np.array(labels)


@pytest.fixture(scope="module")
def photographs() -> tuple[np.ndarray, dict[str, list[np.ndarray]]]:
    """Ten photographs of a temple to one of a flower; a model that always says temple, and one that looks."""
    counts = {"china.jpg": 1000, "flower.jpg": 100}
    images, labels = crops(np.random.default_rng(0), counts)
    answers: dict[str, list[np.ndarray]] = {"constant": [], "looks": []}
    for seed in range(5):
        train = crops(np.random.default_rng([1, seed]), counts)
        answers["constant"].append(DummyClassifier().fit(*train).predict(images))
        answers["looks"].append(LogisticRegression(class_weight="balanced").fit(*train).predict(images))
    return labels, answers


def test_the_first_lines_say_what_accuracy_hides_and_balanced_accuracy_gives_the_right_verdict(
    photographs: tuple[np.ndarray, dict[str, list[np.ndarray]]], tmp_path: Path
) -> None:
    by_accuracy = bakeoff.compare(*photographs)
    (pair,) = by_accuracy.comparison.pairs
    assert pair.verdict == "worse"  # the useful model: by accuracy, the constant answer wins
    hint = (
        "Accuracy hides the small classes here (1,000 test images of china.jpg, 100 of flower.jpg): with "
        "each class counted the same, the balanced accuracy is constant 50.0 % and looks "
    )
    assert hint in by_accuracy.comparison.conclusion
    page = by_accuracy.report(tmp_path / "report").read_text("utf-8")
    assert hint in page[: page.index("</header>")]
    assert "Precision, recall and F1 of each class" in page
    assert (tmp_path / "report/tables/class_scores.csv").read_text("utf-8").count("\n") == 5
    by_balanced = bakeoff.compare(*photographs, metric="balanced_accuracy").comparison
    assert by_balanced.pairs[0].verdict == "better"
    assert by_balanced.conclusion.startswith("By balanced accuracy: looks is better than constant by ")
    assert "hides" not in by_balanced.conclusion


def test_recipes_that_are_equivalent_but_differ_on_a_class_are_not_alike(
    photographs: tuple[np.ndarray, dict[str, list[np.ndarray]]],
) -> None:
    conclusion = bakeoff.compare(*photographs, margin=0.6).comparison.conclusion
    assert "not alike" not in conclusion  # worse, though by less than the margin
    labels, answers = photographs
    flower = labels == "flower.jpg"
    rng = np.random.default_rng(2)
    # As many temples wrong as flowers right: the accuracy stays.
    some = np.zeros(len(labels), bool)
    some[rng.choice(np.flatnonzero(flower), 50, replace=False)] = True
    some[rng.choice(np.flatnonzero(~flower), 50, replace=False)] = True
    guesses = [np.where(some, "flower.jpg", "china.jpg")] * 5
    found = bakeoff.compare(labels, {"constant": answers["constant"], "guesses": guesses}, margin=0.03)
    assert found.comparison.pairs[0].verdict == "equivalent"
    assert (
        "equivalent within 3.0 points, but not alike: by accuracy on single classes, flower.jpg 50.0 points ("
        in found.comparison.conclusion
    )
    assert " and china.jpg -5.0 points (" in found.comparison.conclusion


def test_balanced_classes_hide_nothing() -> None:
    assert "hides" not in compare(draw_predictions()).conclusion


def test_of_many_recipes_those_that_differ_most_from_the_baseline_are_named() -> None:
    predictions = draw_predictions(num_recipes=8, spread=1.0, num_images=1000)
    conclusion = compare(predictions, baseline="recipe_0").conclusion
    named = [f"recipe_{number} by" in conclusion for number in range(8)]
    assert named == [False] * 5 + [True] * 3
    assert "; 4 more." in conclusion or "; 4 more" in conclusion


@pytest.mark.parametrize(
    ("num_seeds", "advice"), [(2, "Train 5 or more seeds per recipe"), (5, "choose by cost")]
)
def test_few_seeds_are_not_the_end_of_the_matter(num_seeds: int, advice: str) -> None:
    found = describe_what_it_takes(WhatItTakes(None, 0.01, chances=Chances(0.6, 0, 0)), num_seeds=num_seeds)
    assert advice in found
