"""Whether differences stay on other images: a difference of differences over seeds and both sets."""

import dataclasses

import numpy as np
import pytest
from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.changes import compare_changes
from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.statistics.crossed import summarize_scores, variance_parts
from bakeoff.predictions import Predictions, RecipePredictions


def of_images(predictions: Predictions, images: slice) -> Predictions:
    recipes = tuple(
        RecipePredictions(
            recipe.name, recipe.seeds, recipe.predicted[:, images], recipe.probabilities[:, images]
        )
        for recipe in predictions.recipes
    )
    return Predictions(
        predictions.labels[images], predictions.image_ids[images], predictions.class_names, recipes
    )


def halves(**options: float) -> tuple[Predictions, Predictions]:
    """The same runs on 200 images and on 300 others."""
    drawn = draw_predictions(num_images=500, **options)
    return of_images(drawn, slice(200)), of_images(drawn, slice(200, None))


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss"])
def test_a_change_is_the_difference_of_what_each_set_shows(metric: str) -> None:
    before, after = halves()
    found = compare_changes(before, after, metric=metric)
    there, here = (compare(each, metric=metric) for each in (before, after))
    for change, old, new in zip(found.recipes, there.recipes, here.recipes, strict=True):
        assert (change.before, change.after) == pytest.approx((old.score, new.score))
        assert change.change == pytest.approx(new.score - old.score)
        assert change.interval[0] < change.change < change.interval[1]
    for change, old, new in zip(found.pairs, there.pairs, here.pairs, strict=True):
        assert (change.a, change.b) == (old.a, old.b)
        assert change.change == pytest.approx(new.difference - old.difference)


def test_the_variance_over_images_is_that_of_both_sets_and_that_over_seeds_of_the_runs_changes() -> None:
    before, after = halves(num_recipes=1)
    old, new = (each.correct("recipe_0") for each in (before, after))
    own = [variance_parts(summarize_scores(right)) for right in (old, new)]
    changes = new.mean(axis=1) - old.mean(axis=1)
    (recipe,) = compare_changes(before, after).recipes
    width = recipe.interval[1] - recipe.interval[0]
    expected = sum(part.image for part in own) + changes.var(ddof=1) / 5
    residual = sum(sum(part.residual) for part in own)
    assert (width / 2) ** 2 == pytest.approx(1.96**2 * (expected - residual), rel=0.5)


def test_intervals_of_changes_cover_nothing_changed() -> None:
    covered = 0
    for seed in range(200):
        before, after = halves(num_recipes=2, seed=seed)
        (pair,) = compare_changes(before, after).pairs
        covered += pair.interval[0] <= 0 <= pair.interval[1]
    assert 0.91 <= covered / 200 <= 0.995


def test_what_changes_is_said_and_what_does_not() -> None:
    before, after = halves(num_recipes=2, spread=0.0)
    same = compare_changes(before, after, margin=0.5)
    assert [pair.outcome for pair in same.pairs] == ["same"]
    assert "the difference stays the same, within the margin" in same.pairs[0].describe(same.scale)
    # On the other images the second recipe guesses.
    guesses = np.random.default_rng(0).integers(0, 4, after.recipes[1].predicted.shape)
    worse = dataclasses.replace(after.recipes[1], predicted=guesses)
    changed = compare_changes(before, dataclasses.replace(after, recipes=(after.recipes[0], worse)))
    assert [pair.outcome for pair in changed.pairs] == ["changed"]
    assert "the difference does not stay the same" in changed.pairs[0].describe(changed.scale)
    (one,) = compare_changes(*halves(num_recipes=2, num_seeds=1), margin=0.5).pairs
    assert one.outcome == "undecided"


def test_groups_of_either_set_are_units() -> None:
    before, after = halves(num_recipes=2)
    grouped = dataclasses.replace(after, groups=np.arange(300) // 10)
    (plain,), (wider,) = (compare_changes(before, each).pairs for each in (after, grouped))
    assert wider.change == pytest.approx(plain.change)
    assert wider.interval != plain.interval
    alone = dataclasses.replace(after, groups=np.arange(300))
    assert compare_changes(before, alone).pairs == (plain,)
