"""compare: the contract of comparison.json, its invariances, verdicts and edge cases."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support
from tests.analysis.comparison.samples import draw_correct, draw_predictions

from bakeoff.analysis.comparison.compare import MOST_CLASSES, compare
from bakeoff.analysis.comparison.look_plan import plan_looks
from bakeoff.analysis.comparison.looks import take_looks
from bakeoff.analysis.scores.by_name import SCORES
from bakeoff.analysis.statistics.what_it_takes import ENOUGH_SEEDS
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions, RecipePredictions

DOCS = Path(__file__).resolve().parents[3] / "docs" / "comparison-json.md"


def from_correct(*runs: np.ndarray) -> Predictions:
    """Two classes; each argument is one recipe's bool [num_seeds, num_images]."""
    num_images = runs[0].shape[1]
    labels = np.arange(num_images) % 2
    recipes = tuple(
        RecipePredictions(name, tuple(range(len(right))), np.where(right, labels, 1 - labels))
        for name, right in zip("ABCDEFGHIJ", runs, strict=False)
    )
    return Predictions(labels, tuple(map(str, range(num_images))), ("even", "odd"), recipes)


def shares(rng: np.random.Generator, accuracy: float, num_seeds: int, num_images: int) -> np.ndarray:
    return rng.random((num_seeds, num_images)) < accuracy


def test_the_result_has_the_documented_keys_and_is_json() -> None:
    found = compare(draw_predictions(), published={"recipe_0": 0.5}).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    sections = re.split(r"^## ", DOCS.read_text("utf-8"), flags=re.MULTILINE)

    def documented(section: str) -> set[str]:
        cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        return {name.removesuffix("[]") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}

    assert documented(sections[0]) == found.keys()
    assert documented(sections[1]) == found["recipes"][0].keys()
    assert documented(sections[2]) == found["pairs"][0].keys()
    looks = take_looks(
        draw_predictions(num_seeds=10),
        [recipe["name"] for recipe in found["recipes"]],
        plan_looks(5, 10),
        baseline=None,
        margin=0.01,
    )
    assert documented(sections[3]) == dataclasses.asdict(looks).keys()
    for name in dataclasses.asdict(looks.taken[0]):
        assert f"`{name}`" in sections[3]
    for key in ("calibration", "replication"):
        line = next(line for line in sections[1].splitlines() if line.startswith(f"| `{key}`"))
        for name in found["recipes"][0][key]:
            assert f"`{name}" in line


def test_difference_is_b_minus_a_and_the_verdict_is_about_b() -> None:
    rng = np.random.default_rng(0)
    found = compare(from_correct(shares(rng, 0.6, 5, 2000), shares(rng, 0.8, 5, 2000)))
    pair = found.pairs[0]
    assert (pair.a, pair.b, pair.verdict) == ("A", "B", "better")
    assert pair.difference == pytest.approx(found.recipes[1].accuracy - found.recipes[0].accuracy)
    assert 0.15 < pair.interval[0] < pair.difference < pair.interval[1] < 0.25
    assert (pair.fixed - pair.broken) / 2000 == pytest.approx(pair.difference)
    assert pair.p_outperform == 1
    assert re.match(r"B is better than A by \d+\.\d points \(\d+\.\d to \d+\.\d\)\.", found.conclusion)


@pytest.mark.parametrize("part", ["images", "seeds"])
@given(seed=st.integers(0, 1000))
@example(seed=19)  # a difference of 8.75 points: the last digit decides what is shown
@settings(max_examples=8, deadline=None)
def test_permuting_images_or_seeds_changes_no_number(part: str, seed: int) -> None:
    predictions = draw_predictions(num_seeds=(3, 4, 2), num_images=60, seed=seed)
    rng = np.random.default_rng(seed)
    images = rng.permutation(60) if part == "images" else np.arange(60)
    recipes = []
    for recipe in predictions.recipes:
        runs = rng.permutation(recipe.num_seeds) if part == "seeds" else np.arange(recipe.num_seeds)
        assert recipe.probabilities is not None
        recipes.append(
            dataclasses.replace(
                recipe,
                predicted=recipe.predicted[runs][:, images],
                probabilities=recipe.probabilities[runs][:, images],
            )
        )
    permuted = Predictions(
        predictions.labels[images],
        tuple(predictions.image_ids[i] for i in images),
        predictions.class_names,
        tuple(recipes),
    )
    before, after = compare(predictions).to_dict(), compare(permuted).to_dict()
    if part == "seeds":  # each run's own accuracy moves to its new seed number
        for result in (before, after):
            for recipe in result["recipes"]:
                recipe["runs"] = sorted(run["accuracy"] for run in recipe["runs"])
            result["notes"] = [re.sub(r"seed \d+", "seed", note) for note in result["notes"]]
    assert before == after  # to the last digit, and in the conclusion's words


@given(seed=st.integers(0, 1000))
@example(seed=19)  # a difference of 8.75 points: the last digit decides what is shown
@settings(max_examples=8, deadline=None)
def test_permuting_recipes_changes_no_number_but_the_sign(seed: int) -> None:
    predictions = draw_predictions(num_seeds=(3, 4, 2), num_images=60, seed=seed)
    turned = dataclasses.replace(predictions, recipes=predictions.recipes[::-1])
    before, after = compare(predictions).to_dict(), compare(turned).to_dict()
    assert before["recipes"] == after["recipes"][::-1]
    opposite = {"better": "worse", "worse": "better"}
    other = {(pair["b"], pair["a"]): pair for pair in after["pairs"]}
    for pair in before["pairs"]:
        twin = other[pair["a"], pair["b"]]
        assert twin["difference"] == -pair["difference"]
        assert twin["interval"] == [-end for end in pair["interval"][::-1]]
        assert twin["verdict"] == opposite.get(pair["verdict"], pair["verdict"])
        assert twin["p_outperform"] == pytest.approx(1 - pair["p_outperform"])
        assert (twin["fixed"], twin["broken"]) == (pair["broken"], pair["fixed"])
        for same in ("p", "p_holm", "degrees_of_freedom", "image_share", "seeds_needed"):
            assert twin[same] == pair[same]


def test_a_baseline_is_compared_with_each_other_recipe() -> None:
    found = compare(draw_predictions(num_recipes=4), baseline="recipe_2")
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        ("recipe_2", "recipe_0"),
        ("recipe_2", "recipe_1"),
        ("recipe_2", "recipe_3"),
    ]


def test_many_equal_recipes_have_no_winner() -> None:
    """Among 45 pairs some plain intervals are clear of zero by luck; Holm keeps them undecided."""
    lucky = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        difficulty = 1.5 * rng.normal(size=400)
        found = compare(from_correct(*(draw_correct(rng, 5, difficulty, 0.5, 0.05, 1.5) for _ in range(10))))
        lucky += sum(not pair.interval[0] <= 0 <= pair.interval[1] for pair in found.pairs)
        assert {pair.verdict for pair in found.pairs} <= {"undecided", "equivalent"}
        assert found.conclusion.startswith("Of 45 pairs of recipes: 0 decided")
        assert found.conclusion.endswith("no recipe is shown to be better than another.")
    assert lucky > 0


def test_many_recipes_get_a_short_conclusion_with_the_leading_group() -> None:
    rng = np.random.default_rng(0)
    accuracies = (0.5, 0.52, 0.8, 0.801, 0.6)
    found = compare(from_correct(*(shares(rng, accuracy, 5, 3000) for accuracy in accuracies)))
    assert len(found.conclusion) < 250
    assert re.search(r"not shown to be worse than any other: [CD] \S+ % \(.+\) and [CD] ", found.conclusion)
    winner = compare(from_correct(*(shares(rng, accuracy, 5, 3000) for accuracy in (0.5, 0.52, 0.9, 0.6))))
    assert re.search(r"; C 9\d\.\d % \(.+\) is better than each of the others\.$", winner.conclusion)
    against = compare(
        from_correct(*(shares(rng, accuracy, 5, 3000) for accuracy in (0.7, 0.9, 0.5, 0.7, 0.7))),
        baseline="A",
    )
    assert re.search(r"; better: B by 2\d\.\d points .*; worse: C by \d+\.\d points", against.conclusion)


def test_recipes_that_do_not_differ_are_equivalent_within_a_wide_margin_and_undecided_within_a_narrow() -> (
    None
):
    rng = np.random.default_rng(0)
    predictions = from_correct(shares(rng, 0.7, 5, 2000), shares(rng, 0.7, 5, 2000))
    wide, narrow = compare(predictions, margin=0.05), compare(predictions, margin=0.001)
    assert wide.pairs[0].verdict == "equivalent"
    assert "equivalent within 5.0 points" in wide.conclusion
    assert narrow.pairs[0].verdict == "undecided"
    (pair,) = narrow.pairs
    low, high = (f"{100 * end:.1f}" for end in pair.interval)
    size, interval = f"{100 * pair.difference:.1f} points", f"{low} to {high}"
    higher = f"higher than A by {size} ({interval})"
    how = higher if pair.difference > 0 else f"lower than A (difference {size}, {interval})"
    assert narrow.conclusion.startswith(f"B {how}, undecided.")
    assert "better" not in narrow.conclusion


def test_no_recipe_is_called_higher_where_the_difference_is_written_as_zero() -> None:
    correct = shares(np.random.default_rng(0), 0.7, 5, 400)
    same = compare(from_correct(correct, correct[::-1]), margin=0.001)
    assert same.pairs[0].difference == 0
    assert re.match(r"B and A differ by 0\.0 points \(-\d\.\d to \d\.\d\), undecided\.", same.conclusion)


def test_better_by_less_than_the_margin_says_so() -> None:
    rng = np.random.default_rng(0)
    found = compare(from_correct(shares(rng, 0.7, 5, 4000), shares(rng, 0.75, 5, 4000)), margin=0.2)
    assert (found.pairs[0].verdict, found.pairs[0].smaller_than_margin) == ("better", True)
    assert "less than the margin of 20.0" in found.conclusion


def test_one_seed_names_no_better_recipe_however_clear() -> None:
    rng = np.random.default_rng(0)
    found = compare(from_correct(shares(rng, 0.5, 1, 2000), shares(rng, 0.9, 1, 2000)))
    pair = found.pairs[0]
    assert (pair.verdict, pair.model_verdict, pair.compares) == ("undecided", "better", "trained models")
    assert "compares two trained models, not two recipes" in found.conclusion
    assert "which recipe is better is undecided" in found.conclusion
    assert found.conclusion.startswith("The trained B is better than the trained A by")
    assert pair.seeds_needed is None
    assert pair.p < 1e-9
    recipe = found.recipes[0]
    assert (recipe.seed_std, recipe.floor_std, recipe.image_share) == (None, None, None)
    assert recipe.interval[0] < 0.5 < recipe.interval[1]


def test_three_seeds_are_exploratory_and_unequal_seeds_are_said() -> None:
    rng = np.random.default_rng(0)
    found = compare(from_correct(shares(rng, 0.5, 3, 200), shares(rng, 0.9, 5, 200)))
    assert "With 3 seeds per recipe, these results are exploratory." in found.conclusion
    assert any("unequal numbers of seeds: A 3, B 5" in note for note in found.notes)
    assert "exploratory" not in compare(from_correct(shares(rng, 0.5, 5, 200))).conclusion


@pytest.mark.parametrize("num_seeds", [1, 2, 5])
@pytest.mark.parametrize("kind", ["all right", "all wrong", "apart", "same"])
def test_no_variance_gives_finite_sensible_intervals(num_seeds: int, kind: str) -> None:
    ones = np.ones((num_seeds, 100), bool)
    same = np.repeat(np.arange(100)[None] % 3 > 0, num_seeds, axis=0)
    a, b = {
        "all right": (ones, ones),
        "all wrong": (~ones, ~ones),
        "apart": (~ones, ones),
        "same": (same, same),
    }[kind]
    result = compare(from_correct(a, b), published={"A": 0.5}).to_dict()
    json.dumps(result, allow_nan=False)
    for entry in [*result["recipes"], *result["pairs"], *result["recipes"][0]["classes"]]:
        low, high = entry["interval"]
        assert -1 <= low < high <= 1
    pair = result["pairs"][0]
    if kind == "apart":
        assert pair["interval"][0] > 0.5
        assert pair["verdict"] == ("better" if num_seeds > 1 else "undecided")
    else:
        assert pair["difference"] == 0
        assert pair["verdict"] == "undecided"  # 100 images cannot show equality within 1 point
    lowest = result["recipes"][0]["interval"][0]
    assert lowest < 1


def test_a_recipe_alone_is_described_and_a_class_without_images_left_out() -> None:
    predictions = dataclasses.replace(
        draw_predictions(num_recipes=1), class_names=("a", "b", "c", "d", "never")
    )
    found = compare(predictions)
    assert found.pairs == ()
    assert "no other recipe" in found.conclusion
    assert [entry.name for entry in found.recipes[0].classes] == ["a", "b", "c", "d"]


def test_class_differences_find_the_class_that_differs() -> None:
    rng = np.random.default_rng(0)
    a, b = shares(rng, 0.6, 5, 2000), shares(rng, 0.6, 5, 2000)
    b[:, 1::2] |= shares(rng, 0.5, 5, 1000)
    classes = {entry.name: entry for entry in compare(from_correct(a, b)).pairs[0].classes}
    assert classes["odd"].beyond_luck
    assert not classes["even"].beyond_luck
    assert classes["odd"].num_images == 1000


def test_among_many_classes_of_equal_recipes_lucky_ones_are_not_called_beyond_luck() -> None:
    lucky = studies_with_a_call = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.arange(2000) % 40
        difficulty = 1.5 * rng.normal(size=2000)
        recipes = tuple(
            RecipePredictions(
                name,
                tuple(range(5)),
                np.where(draw_correct(rng, 5, difficulty, 0.5, 0.02, 1.5), labels, (labels + 1) % 40),
            )
            for name in "AB"
        )
        given = Predictions(
            labels, tuple(map(str, range(2000))), tuple(f"class {i}" for i in range(40)), recipes
        )
        classes = compare(given).pairs[0].classes
        lucky += sum(not entry.interval[0] <= 0 <= entry.interval[1] for entry in classes)
        studies_with_a_call += any(entry.beyond_luck for entry in classes)
    assert lucky >= 20  # 800 intervals at 95 %: about 40 miss
    assert studies_with_a_call <= 5  # one of 20 expected; a binomial count beyond 5 has a chance below 0.0004


def test_published_accuracies_near_and_far_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    predictions = from_correct(*(shares(rng, 0.6, 5, 2000) for _ in range(3)))
    found = compare(predictions, published={"A": 0.6, "B": 0.9}, published_images={"A": 100})
    first, second, third = (recipe.replication for recipe in found.recipes)
    assert first is not None
    assert second is not None
    assert (first.inside, second.inside, third) == (True, False, None)
    assert first.published_images == 100
    assert first.interval is not None
    assert second.interval is not None
    assert first.interval[1] - first.interval[0] > 2 * (second.interval[1] - second.interval[0])


def test_an_undecided_pair_is_told_with_how_many_seeds_there_is_probably_a_verdict() -> None:
    rng = np.random.default_rng(3)
    wobble = rng.normal(0, 0.05, (2, 5, 1))
    a, b = (rng.random((5, 4000)) < 0.6 + of_recipe for of_recipe in wobble)
    pair = compare(from_correct(a, b), margin=0.05).pairs[0]
    assert pair.verdict == "undecided"
    assert pair.seeds_needed is not None
    assert pair.chances is not None
    assert pair.what_it_takes.startswith(
        f"With {pair.seeds_needed} seeds per recipe in all, the chance of a verdict is about "
        f"{100 * pair.chances.any:.0f} %: "
    )


def test_where_the_images_are_the_limit_more_of_them_are_asked_for() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.repeat(shares(rng, 0.6, 1, 500), 5, axis=0) for _ in range(2))
    a[0, :5] ^= True
    pair = compare(from_correct(a, b)).pairs[0]
    assert pair.seeds_needed is None
    assert pair.image_half_width is not None
    assert pair.image_half_width > 0.04
    assert pair.images_needed is not None
    assert pair.images_needed > 500
    assert "More seeds alone would probably not settle it" in pair.what_it_takes


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_only_undecided_pairs_are_told_what_it_takes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_seeds, num_images = int(rng.integers(2, 8)), int(rng.integers(20, 2000))
    chance = rng.random() + rng.normal(0, [[[0.0]], [[0.03]], [[0.2]]])
    runs = [rng.random((num_seeds, num_images)) < of_recipe for of_recipe in chance]
    for pair in compare(from_correct(*runs), margin=float(rng.choice([0.01, 0.05]))).pairs:
        assert (pair.verdict == "undecided") == bool(pair.what_it_takes)
        varies = pair.image_share is not None
        assert (pair.chances is not None) == (pair.verdict == "undecided" and varies)
        if pair.seeds_needed is not None:
            assert pair.seeds_needed > num_seeds
            assert pair.seeds_needed >= ENOUGH_SEEDS
        if pair.images_needed is not None:
            assert pair.images_needed > num_images
            assert (pair.images_needed_seeds or ENOUGH_SEEDS) >= ENOUGH_SEEDS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline": "recipe_O"}, r"baseline 'recipe_O' is not one .*; did you mean 'recipe_2'\?"),
        ({"published": {"other": 0.5}}, "published 'other' is not one of the recipes"),
        ({"published": {"recipe_0": 48.3}}, "out of range: expected a share in 0..1"),
        ({"margin": 1}, "margin 1 is out of range"),
        ({"margin": 0}, "margin 0 is out of range"),
        ({"margin": math.nan}, "margin nan is out of range"),
        ({"confidence": 95}, "confidence 95 is out of range"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BakeoffError, match=message):
        compare(draw_predictions(num_images=20), **settings)


def test_comparing_imports_neither_torch_nor_scikit_learn() -> None:
    heavy = "{'torch', 'sklearn', 'pandas', 'matplotlib'}"
    code = f"import sys, bakeoff.prediction_files.compare; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def grouped(predictions: Predictions, per_group: int) -> Predictions:
    return dataclasses.replace(predictions, groups=np.arange(predictions.num_images) // per_group)


def test_groups_are_said_and_make_intervals_of_near_copies_wider() -> None:
    drawn = draw_predictions(num_images=300)
    copies = dataclasses.replace(
        drawn,
        labels=drawn.labels.repeat(4),
        image_ids=tuple(f"{name} {copy}" for name in drawn.image_ids for copy in range(4)),
        recipes=tuple(
            dataclasses.replace(recipe, predicted=recipe.predicted.repeat(4, axis=1), probabilities=None)
            for recipe in drawn.recipes
        ),
    )
    found, alone = (
        compare(grouped(copies, 4)),
        compare(
            dataclasses.replace(
                drawn,
                recipes=tuple(dataclasses.replace(recipe, probabilities=None) for recipe in drawn.recipes),
            )
        ),
    )
    assert found.notes[0].startswith("The 1,200 test images belong to 300 groups")
    assert (found.num_images, found.num_groups) == (1200, 300)
    for pair, once in zip(found.pairs, alone.pairs, strict=True):
        # Four copies of each image tell what one tells.
        assert pair.interval == pytest.approx(once.interval)
        assert (pair.verdict, pair.seeds_needed) == (once.verdict, once.seeds_needed)
        assert pair.p_holm == pytest.approx(once.p_holm)
        for of_class, class_once in zip(pair.classes, once.classes, strict=True):
            assert of_class.num_images == 4 * class_once.num_images
            assert of_class.interval == pytest.approx(class_once.interval)
    for recipe, once_ in zip(found.recipes, alone.recipes, strict=True):
        assert recipe.interval == pytest.approx(once_.interval)
        assert recipe.binomial_se == pytest.approx(once_.binomial_se, rel=0.02)


def test_groups_of_one_image_each_give_the_same_comparison() -> None:
    drawn = draw_predictions()
    assert compare(grouped(drawn, 1)) == compare(drawn)


def test_fewer_than_twenty_groups_are_said_first() -> None:
    drawn = draw_predictions(num_images=190)
    assert compare(grouped(drawn, 10)).notes[0].startswith("Only 19 groups of test images")


def test_equal_recipes_can_be_equivalent_on_359_images() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(359) < 0.97
    seen = [right ^ (rng.random((20, 359)) < 0.01) for _ in range(2)]
    labels = np.ones(359, np.int64)
    recipes = tuple(
        RecipePredictions(name, tuple(range(20)), runs.astype(np.int64))
        for name, runs in zip("ab", seen, strict=True)
    )
    found = compare(Predictions(labels, tuple(map(str, range(359))), ("no", "yes"), recipes), margin=0.01)
    assert found.pairs[0].verdict == "equivalent"


def decided(comparison: Any) -> dict[tuple[str, str], str]:
    return {(pair.a, pair.b): pair.verdict for pair in comparison.pairs}


def test_lower_is_better_for_a_loss_and_the_words_say_so() -> None:
    predictions = draw_predictions(spread=1.5, num_images=1000)
    for metric in ("log_loss", "brier"):
        found = compare(predictions, metric=metric)
        assert set(decided(found).values()) == {"better"}
        assert all(pair.difference < 0 and pair.interval[1] < 0 for pair in found.pairs)
        assert all(pair.p_outperform > 0.9 and pair.fixed is pair.broken is None for pair in found.pairs)
        (recipe_2,) = [recipe for recipe in found.recipes if recipe.name == "recipe_2"]
        assert recipe_2.score == min(recipe.score for recipe in found.recipes)
    reversed_ = dataclasses.replace(predictions, recipes=predictions.recipes[::-1])
    assert set(decided(compare(reversed_, metric="log_loss")).values()) == {"worse"}
    text = compare(predictions, metric="log_loss", baseline="recipe_0").conclusion
    assert re.match(
        r"By log-loss \(lower is better\): recipe_1 is better than recipe_0 by \d\.\d{3} nats \(", text
    )


def test_chances_of_a_loss_are_those_of_its_negative() -> None:
    predictions = draw_predictions(num_recipes=2, spread=0.03, num_seeds=3)
    (loss,) = compare(predictions, metric="log_loss", margin=0.05).pairs

    def log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        return np.log(probabilities[np.arange(len(labels)), labels])

    (likelihood,) = compare(predictions, metric=log_likelihood, margin=0.05).pairs
    assert loss.verdict == likelihood.verdict == "undecided"
    assert loss.difference == pytest.approx(-likelihood.difference)
    assert vars(loss.chances) == pytest.approx(vars(likelihood.chances))
    assert loss.p_outperform == likelihood.p_outperform


@pytest.mark.parametrize(
    ("metric", "low", "high"), [("macro_f1", 0, 1), ("brier", 0, 2), ("log_loss", 0, None)]
)
def test_intervals_stay_within_the_bounds_of_the_score(metric: str, low: float, high: float | None) -> None:
    found = compare(draw_predictions(num_seeds=2, num_images=12, spread=3.0), metric=metric)
    for recipe in found.recipes:
        assert low <= recipe.interval[0] <= recipe.score <= recipe.interval[1]
        assert high is None or recipe.interval[1] <= high


def test_the_other_scores_stand_beside_the_metric() -> None:
    predictions = draw_predictions(num_recipes=2)
    for metric in ("accuracy", "auroc"):
        for recipe in compare(predictions, metric=metric).recipes:
            assert {other.name for other in recipe.secondary} == set(SCORES) - {metric}
            assert recipe.other(metric) is None
    for other in compare(predictions).recipes[1].secondary:
        itself = compare(predictions, metric=other.name).recipes[1]
        assert (other.score, other.interval) == (itself.score, itself.interval)
    without = compare(draw_predictions(probabilities=False)).recipes[0].secondary
    assert [other.name for other in without] == ["balanced_accuracy", "macro_f1"]


def test_with_one_seed_each_only_accuracy_has_mcnemars_test() -> None:
    (pair,) = compare(draw_predictions(num_recipes=2, num_seeds=1), metric="macro_f1").pairs
    assert pair.verdict == "undecided"
    assert pair.model_verdict is not None
    assert pair.degrees_of_freedom > 1


def test_a_margin_is_in_the_unit_of_the_metric() -> None:
    predictions = draw_predictions(num_recipes=2, spread=0.0)
    (pair,) = compare(predictions, metric="log_loss", margin=1.5).pairs
    assert pair.verdict == "equivalent"
    with pytest.raises(BakeoffError, match=r"margin 1\.5 is out of range: expected a share between 0 and 1"):
        compare(predictions, metric="auroc", margin=1.5)
    with pytest.raises(BakeoffError, match=r"expected a difference in log-loss, nats above 0"):
        compare(predictions, metric="log_loss", margin=0.0)


def test_precision_recall_and_f1_of_each_class_are_scikit_learns() -> None:
    predictions = draw_predictions(num_recipes=1, num_images=200)
    recipe = predictions.recipes[0]
    runs = np.array(
        [precision_recall_fscore_support(predictions.labels, run)[:3] for run in recipe.predicted]
    ).mean(axis=0)
    for place, of_class in enumerate(compare(predictions).recipes[0].classes):
        found = (of_class.precision, of_class.accuracy, of_class.f1)
        assert found == pytest.approx(tuple(runs[:, place]), abs=1e-12)
        for value, ends in (
            (of_class.precision, of_class.precision_interval),
            (of_class.f1, of_class.f1_interval),
        ):
            assert ends is not None
            assert 0 <= ends[0] < value < ends[1] <= 1


def test_of_a_class_that_is_never_predicted_precision_is_not_known() -> None:
    right = np.array([[True, False] * 30] * 3)  # always "even"
    even, odd = compare(from_correct(right)).recipes[0].classes
    assert (even.precision, odd.precision, odd.f1) == (0.5, 0.0, 0.0)
    assert odd.precision_interval == (0.0, 1.0)


def test_without_details_nothing_else_changes() -> None:
    predictions = draw_predictions(num_images=400, num_classes=4)
    unbalanced = np.where(np.arange(400) % 7 == 0, predictions.labels, 0)
    predictions = dataclasses.replace(predictions, labels=unbalanced)
    whole, found = compare(predictions), compare(predictions, details=False)
    assert "balanced accuracy" in found.conclusion
    without: dict[str, Any] = dict.fromkeys(["precision", "precision_interval", "f1", "f1_interval"])
    recipes = tuple(
        dataclasses.replace(
            recipe,
            calibration=None,
            secondary=tuple(other for other in recipe.secondary if other.name == "balanced_accuracy"),
            classes=tuple(dataclasses.replace(entry, **without) for entry in recipe.classes),
        )
        for recipe in whole.recipes
    )
    assert found == dataclasses.replace(whole, recipes=recipes)


def test_with_many_classes_only_the_metric_takes_time_for_each() -> None:
    predictions = draw_predictions(num_recipes=2, num_seeds=2, num_classes=MOST_CLASSES + 1)
    found = compare(predictions)
    assert found.recipes[0].classes[0].precision is None
    assert set(found.secondary) == {"balanced_accuracy", "macro_f1", "log_loss", "brier"}
    assert compare(predictions, metric="auroc").metric == "auroc"


@given(st.integers(2, 6), st.integers(20, 300), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_equal_predictions_without_any_variance_are_promised_no_winner(
    num_seeds: int, num_images: int, accuracy: float, seed: int
) -> None:
    right = np.repeat(np.random.default_rng(seed).random((1, num_images)) < accuracy, num_seeds, axis=0)
    pair = compare(from_correct(right, right)).pairs[0]
    assert pair.verdict == "undecided"
    assert (pair.chances, pair.seeds_needed) == (None, None)
    assert "better" not in pair.what_it_takes
    assert "more test images are needed" in pair.what_it_takes
    assert pair.images_needed is not None
    for number, verdict in ((pair.images_needed, "equivalent"), (pair.images_needed - 2, "undecided")):
        more = np.resize(right, (num_seeds, number))
        more[:] = more[0]
        assert compare(from_correct(more, more)).pairs[0].verdict == verdict
