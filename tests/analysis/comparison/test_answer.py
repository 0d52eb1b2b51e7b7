"""The answer on the first screen: who won, what to use, what intervals cover, what would settle the rest."""

from dataclasses import replace

from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.answer import MOST_SHOWN, answer
from bakeoff.analysis.comparison.compare import compare


def test_a_winner_is_named_with_its_verdicts() -> None:
    comparison = compare(draw_predictions(spread=1.5, num_images=1000))
    found = answer(comparison, {})
    assert found.headline == "recipe_2 is better than each of the 2 others."
    assert found.choice.name == "recipe_2"
    assert found.standings == {
        "recipe_0": "worse than 2",
        "recipe_1": "better than 1, worse than 1",
        "recipe_2": "better than 2",
    }
    assert (found.to_be_sure, found.num_unsettled) == (("Nothing more is needed for this question.",), 0)
    assert found.recipes == comparison.recipes


def test_no_winner_is_said_as_such_with_what_would_settle_its_pairs() -> None:
    comparison = compare(draw_predictions(spread=0.0, num_seeds=2), baseline="recipe_1")
    found = answer(comparison, {})
    assert found.headline == "No winner: no recipe is shown to be better than recipe_1, the baseline."
    assert found.standings["recipe_1"] == "baseline"
    assert found.standings["recipe_0"] == "undecided"
    assert found.to_be_sure == tuple(
        f"{pair.b} against {pair.a}: {pair.what_it_takes}" for pair in comparison.pairs
    )
    assert found.num_unsettled == 0
    assert answer(compare(draw_predictions(spread=0.0, num_seeds=2)), {}).headline == (
        "No winner: no recipe is shown to be better than another."
    )


def test_equal_recipes_and_a_baseline_that_wins() -> None:
    equal = compare(draw_predictions(spread=0.0, num_images=2000), margin=0.2)
    assert answer(equal, {}).headline == "No winner: the recipes are equivalent within 20.0 points."
    worse = compare(draw_predictions(spread=-1.5, num_images=1000), baseline="recipe_0")
    assert answer(worse, {}).headline == "recipe_0 is better than each of the 2 others."


def test_one_seed_judges_models_and_the_intervals_cover_no_seeds() -> None:
    found = answer(compare(draw_predictions(num_seeds=1, num_recipes=2, spread=2.0, num_images=1000)), {})
    assert found.headline == "Of these trained models, recipe_1 is better than the other recipe."
    assert "not other seeds: each recipe has one" in found.covers
    assert found.certainty.startswith("In part: better than recipe_0 (p < 0.001); with one seed, ")
    assert found.to_be_sure == ("5 or more seeds per recipe.",)
    several = compare(draw_predictions(num_seeds=(1, 1, 5), num_recipes=3, spread=0.0))
    assert (several.to_settle, answer(several, {}).num_unsettled) == (
        (),
        0,
    )  # seeds settle all, and it says so
    assert "Train 5 or more seeds per recipe." in several.conclusion


def test_two_seeds_do_not_make_a_winner_sure() -> None:
    found = answer(compare(draw_predictions(num_seeds=2, num_recipes=2, spread=2.5, num_images=1000)), {})
    assert found.headline == "recipe_1 is better than the other recipe, with 2 seeds per recipe."
    assert found.certainty.startswith("In part: better than recipe_0 (p ")
    assert found.certainty.endswith("; 2 seeds hardly show how much runs of a recipe vary.")
    assert found.to_be_sure == ("5 or more seeds per recipe.",)


def test_a_single_recipe_has_nothing_to_be_compared_with() -> None:
    found = answer(compare(draw_predictions(num_recipes=1)), {})
    assert found.headline.startswith("recipe_0 is the only recipe with results")
    assert found.standings == {"recipe_0": ""}


def test_what_the_intervals_cover() -> None:
    comparison = compare(draw_predictions(num_seeds=(5, 4, 1)))
    assert answer(comparison, {}).covers == (
        "The 95 % intervals cover new seeds (not for recipe_2, with one seed) and new test images like these "
        "300; they do not cover other training images."
    )
    grouped = replace(compare(draw_predictions()), num_groups=40)
    assert (
        "new seeds (5 per recipe here) and new groups of test images like these 40;"
        in answer(grouped, {}).covers
    )


def test_of_many_recipes_the_leading_ones_and_their_pairs_with_the_chosen_one() -> None:
    comparison = compare(draw_predictions(num_recipes=9, spread=0.2, num_seeds=3))
    found = answer(comparison, {})
    best = sorted(comparison.recipes, key=lambda recipe: -recipe.score)
    assert list(found.recipes) == best[:MOST_SHOWN]
    assert len(found.pairs) == MOST_SHOWN < len(comparison.pairs)
    assert all(found.choice.name in (pair.a, pair.b) for pair in found.pairs)
    with_baseline = compare(draw_predictions(num_recipes=9, spread=0.2, num_seeds=3), baseline="recipe_0")
    found = answer(with_baseline, {})
    assert found.recipes[-1].name == "recipe_0"
    assert {pair.a for pair in found.pairs} == {"recipe_0"}


def test_how_sure_it_is_names_what_is_decided_and_what_is_open() -> None:
    won = compare(draw_predictions(spread=1.5, num_images=1000))
    highest = max(pair.p_holm for pair in won.pairs if "recipe_2" in (pair.a, pair.b))
    assert highest < 0.001
    assert answer(won, {}).certainty == (
        "Yes: better than recipe_0 and recipe_1 (p < 0.001, corrected for 3 pairs)."
    )
    open_ = compare(draw_predictions(spread=0.0, num_seeds=2), baseline="recipe_1")
    assert answer(open_, {}).certainty == "No: undecided against recipe_0 and recipe_2."
    equal = compare(draw_predictions(spread=0.0, num_images=2000), margin=0.2)
    assert answer(equal, {}).certainty == "Yes: equivalent to recipe_1 and recipe_2 within 20.0 points."
    against_one = compare(draw_predictions(spread=1.5, num_images=1000), baseline="recipe_0")
    chosen = answer(against_one, {})
    scores = {recipe.name: recipe.score for recipe in against_one.recipes}
    (other,) = {"recipe_1", "recipe_2"} - {chosen.choice.name}
    apart = scores[other] - scores[chosen.choice.name]
    alone = (
        f"{other} is {100 * abs(apart):.1f} points {'lower' if apart < 0 else 'higher'} "
        "and was compared with recipe_0, the baseline, alone."
    )
    assert chosen.headline == f"{chosen.choice.name} is better than recipe_0."
    assert chosen.to_be_sure == (
        f"{chosen.choice.name} against the other recipe: compare them without a baseline, which needs no new "
        "training.",
    )
    assert chosen.certainty == (f"In part: better than recipe_0 (p < 0.001, corrected for 2 pairs); {alone}")
    many = answer(compare(draw_predictions(num_recipes=7, spread=1.5, num_images=1000)), {})
    assert many.certainty.startswith("Yes: better than 4 others (p ")
    assert answer(compare(draw_predictions(num_recipes=1)), {}).certainty == ""
