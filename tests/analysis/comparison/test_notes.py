"""What a comparison says of its limits: outlying runs, constant answers, unbalanced classes."""

import numpy as np

from bakeoff.analysis.comparison.compare import compare
from bakeoff.predictions import Predictions, RecipePredictions


def predictions(*answers: list[list[int]], labels: list[int]) -> Predictions:
    recipes = tuple(
        RecipePredictions(name, tuple(range(len(runs))), np.array(runs))
        for name, runs in zip("ab", answers, strict=False)
    )
    return Predictions(np.array(labels), tuple(map(str, range(len(labels)))), ("owl", "crow"), recipes)


def test_a_run_that_diverged_is_named_first() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    runs = [np.where(rng.random(400) < share, labels, 1 - labels).tolist() for share in (0.9, 0.88, 0.45)]
    found = compare(predictions(runs, labels=labels.tolist()))
    last = 100 * found.recipes[0].runs[2].accuracy
    assert found.notes[0].startswith(f"Outlying runs of a: seed 2 {last:.1f} %, the others ")
    assert found.notes[1].startswith("How often runs fail: a 1 of 3 runs (6.1 to 79.2 %). ")


def test_constant_answers_and_a_class_with_most_images_are_said() -> None:
    labels = [0] * 90 + [1] * 10
    useful = [0] * 85 + [1] * 15
    found = compare(predictions([[0] * 100] * 3, [useful] * 3, labels=labels))
    assert found.notes[0] == (
        "owl holds 90.0 % of the test images: always answering it has that accuracy. "
        "Compare the accuracies of the classes."
    )
    assert found.notes[1] == "3 runs of a answer the same class for every test image."
    balanced = compare(predictions([[0, 1] * 50] * 3, labels=[0, 1] * 50))
    assert not any("accuracy" in note for note in balanced.notes)


def test_runs_that_do_not_depend_on_the_seed_are_said() -> None:
    labels = [0, 1] * 50
    rng = np.random.default_rng(0)
    differing = [rng.integers(0, 2, 100).tolist() for _ in range(3)]
    found = compare(predictions([[0, 1, 1, 1] * 25] * 3, differing, labels=labels))
    same = [note for note in found.notes if "gave the same predictions" in note]
    assert same == [
        "The 3 runs of a gave the same predictions: its seed changes nothing, so that its runs count as one."
    ]


def test_recipes_with_the_same_predictions_are_said_in_any_order_of_their_seeds() -> None:
    labels = [0, 1] * 50
    rng = np.random.default_rng(0)
    runs = [rng.integers(0, 2, 100).tolist() for _ in range(3)]
    found = compare(predictions(runs, runs[::-1], labels=labels))
    assert [note for note in found.notes if "the same results may be there twice" in note]
    found = compare(predictions(runs, [*runs[:2], labels], labels=labels))
    assert not [note for note in found.notes if "the same results" in note]


def test_constant_answers_of_several_recipes_are_one_note() -> None:
    labels = [0, 1] * 50
    found = compare(predictions([[0] * 100] * 3, [[1] * 100, labels, [0, 1, 1, 1] * 25], labels=labels))
    constant = [note for note in found.notes if "the same class for every" in note]
    assert constant == ["3 runs of a and 1 run of b answer the same class for every test image."]
