"""The recipe that prediction and export take by default, from comparisons of drawn predictions."""

from dataclasses import replace

from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.conclusion import supported_recipe

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
    assert chosen.reason == "the baseline; no recipe is shown to be better than another"


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
            f"better than recipe_0, not shown to be worse than {other}; "
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
