"""Comparisons on several sets of other images: one family of tests."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bakeoff.analysis.comparison.changes import compare_changes
from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.summary.other_images import compare_with_tested, notes_on_known
from bakeoff.data.image_data import IDENTICAL, LOOKS_LIKE, NEARLY, NEW, NOT_CHECKED, NOT_IDENTICAL
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.store.other_images import OtherImages
from bakeoff.study import load_study


def predictions(seed: int, seeds: int = 4, shares=(0.6, 0.7)) -> Predictions:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 200)
    recipes = tuple(
        RecipePredictions(
            name,
            tuple(range(seeds)),
            np.where(generator.random((seeds, 200)) < share, labels, (labels + 1) % 3),
        )
        for name, share in zip(("lenet5", "lenet5_batch_norm"), shares, strict=True)
    )
    return Predictions(labels, tuple(map(str, range(200))), ("a", "b", "c"), recipes)


def test_the_p_values_of_other_sets_count_in_holms_correction():
    alone = compare(predictions(0)).pairs[0]
    assert alone.verdict == "better"
    together = compare(predictions(0), family=[0.9, 0.8]).pairs[0]
    assert together.p_holm == pytest.approx(min(1.0, 3 * alone.p))
    many = compare(predictions(0), family=[0.9] * int(0.06 / alone.p)).pairs[0]
    assert many.verdict == "undecided"
    changes = compare_changes(predictions(0), predictions(1)).within([0.9, 0.8]).pairs[0]
    assert changes.p_holm == pytest.approx(max(min(1.0, 3 * changes.p), changes.p))


def test_only_runs_that_were_tested_on_both_are_compared():
    study = load_study("quickstart", recipes=["lenet5", "lenet5_batch_norm"])
    before, after = predictions(0), predictions(1)
    kept = tuple(
        replace(recipe, seeds=recipe.seeds[1:], predicted=recipe.predicted[1:]) for recipe in after.recipes
    )
    found = compare_with_tested(study, before, replace(after, recipes=kept[:1]))
    (change,) = found.recipes
    assert change.before == pytest.approx(before.correct("lenet5")[1:].mean())
    assert change.after == pytest.approx(after.correct("lenet5")[1:].mean())
    assert found.pairs == ()


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ([NEW, NEW], None),
        ([IDENTICAL, NEARLY, NEARLY, NEW], "Of the 4 images, 1 are identical .* and 2 nearly so"),
        ([NOT_CHECKED], "was not checked"),
        (
            [LOOKS_LIKE, LOOKS_LIKE, NEW],
            "^Of the 3 images, 2 look like .* whether they are copies is not known",
        ),
        ([NOT_IDENTICAL], "^None of the 1 image is identical to .* Only identical images were searched"),
        ([IDENTICAL, NOT_IDENTICAL], "1 are identical to [a-z ]+: the models .* not near duplicates"),
        ([IDENTICAL, LOOKS_LIKE], "1 are identical to [a-z ]+: the models .* 1 look like "),
    ],
)
def test_images_that_the_models_know_are_counted(known, text):
    labels = np.zeros(len(known), np.int64)
    notes = notes_on_known(OtherImages(labels, ("x",) * len(known), None, "", np.array(known)))
    assert bool(notes) == (text is not None)
    assert text is None or re.search(text, " ".join(notes))
