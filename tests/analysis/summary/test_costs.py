"""A recipe is dominated only if it is worse or equivalent, and costs more."""

from dataclasses import replace

import pytest
from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.summary.costs import MOST_NAMED, RecipeCost, _dominated, study_costs
from bakeoff.analysis.summary.study import Summary
from bakeoff.files import jsonable
from bakeoff.store import StoredCost, StoredStudy

EQUAL = RecipeCost(100, 2000, 1.0, 10.0, (9.0, 11.0), "this", frozenset({"cpu"}))

WORSE = compare(draw_predictions(num_recipes=2, spread=-1.5, num_images=1000))
EQUIVALENT = compare(draw_predictions(num_recipes=2, spread=0.0, num_images=2000), margin=0.2)
UNDECIDED = compare(draw_predictions(num_recipes=2, spread=0.0, num_seeds=2))


def dominated(comparison, second, first=EQUAL):
    return _dominated({"recipe_0": first, "recipe_1": second}, comparison)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"parameters": 101}, "1 % more parameters"),
        ({"multiply_accumulates": 2001}, "0.05 % more multiply-accumulates"),
        ({"milliseconds_per_image": 3.0}, "3.0 times the time per image"),
        ({"training_seconds": 12.0, "training_range": (11.5, 13.0)}, "20 % more time to train"),
    ],
)
def test_worse_or_equivalent_and_more_costly_is_dominated(change, named) -> None:
    for comparison, verdict in ((WORSE, "worse"), (EQUIVALENT, "equivalent")):
        (found,) = dominated(comparison, replace(EQUAL, **change))
        assert (found.recipe, found.by, found.verdict) == ("recipe_1", "recipe_0", verdict)
        assert found.costs == (named,)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"milliseconds_per_image": 1.09, "training_seconds": 10.9, "training_range": (10.8, 11.0)},
        {"training_seconds": 30.0, "training_range": (10.5, 60.0)},
        {"parameters": 200, "milliseconds_per_image": 0.5},
        {"milliseconds_per_image": 3.0, "prediction_device": "another"},
        {"training_seconds": 30.0, "training_range": (29.0, 31.0), "training_devices": frozenset({"cuda"})},
        {"parameters": None, "multiply_accumulates": None, "milliseconds_per_image": None},
    ],
    ids=[
        "equal",
        "within the tolerance",
        "not in every run",
        "cheaper too",
        "other processor",
        "other device",
        "not known",
    ],
)
def test_what_does_not_cost_more_is_not_dominated(change) -> None:
    for comparison in (WORSE, EQUIVALENT):
        assert dominated(comparison, replace(EQUAL, **change)) == []


def test_an_undecided_or_better_recipe_is_never_dominated_however_much_it_costs() -> None:
    much = replace(EQUAL, parameters=10_000, training_seconds=1000.0, training_range=(999.0, 1001.0))
    assert dominated(UNDECIDED, much) == []
    assert dominated(WORSE, EQUAL, first=much) == []


def stored_cost(milliseconds: float) -> StoredCost:
    return StoredCost(
        seed=0,
        identity="i",
        multiply_accumulates=2_000_000,
        milliseconds_per_image=milliseconds,
        batch_size=32,
        device="cpu",
        processor="some",
    )


def test_costs_of_a_study_and_their_sentence(stored: StoredStudy) -> None:
    summary = Summary(replace(stored, costs={"plain": stored_cost(0.25)}))
    found = summary.to_dict()["costs"]
    plain, normed = found["recipes"]
    assert plain["multiply_accumulates"] == 2_000_000
    assert plain["milliseconds_per_image"] == 0.25
    assert plain["training_seconds"] == summary.finished[0].results.mean_training_seconds
    assert normed["milliseconds_per_image"] is None
    assert found["conditions"] == "in batches of 32 on one thread (some, cpu)"
    assert found["sentence"].startswith("No recipe is dominated")
    assert Summary(stored).to_dict()["costs"]["conditions"] == ""


def test_many_dominated_recipes_are_counted(stored: StoredStudy) -> None:
    costs = study_costs(Summary(stored).finished, {}, Summary(stored).comparison)
    (one,) = dominated(WORSE, replace(EQUAL, parameters=101))
    some = replace(costs, dominated=(one,))
    assert jsonable(some.to_dict())["dominated"] == [
        {
            "recipe": "recipe_1",
            "by": "recipe_0",
            "verdict": "worse",
            "costs": ["1 % more parameters"],
        }
    ]
    named = some.sentence
    assert named == (
        "Dominated, which means worse or equivalent and more costly: recipe_1 by recipe_0 (worse, "
        "1 % more parameters)."
    )
    assert replace(costs, dominated=(one,) * (MOST_NAMED + 2)).sentence.endswith("; 2 more in the table.")
