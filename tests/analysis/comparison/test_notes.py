"""What a comparison says of its limits: outlying runs, constant answers, unbalanced classes."""

import numpy as np

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.notes import outlying_runs
from bakeoff.analysis.comparison.result import RunAccuracy
from bakeoff.predictions import Predictions, RecipePredictions


def outlying(*accuracies: float, standard_error: float = 0.01) -> list[int]:
    runs = [RunAccuracy(seed, accuracy, accuracy, (0.0, 1.0)) for seed, accuracy in enumerate(accuracies)]
    return [run.seed for run in outlying_runs(runs, standard_error)]


def test_runs_that_diverged_are_outlying_and_worse_ones_are_not() -> None:
    assert outlying(0.58, 0.6, 0.094, 0.59) == [2]
    assert outlying(0.54, 0.1, 0.53, 0.1, 0.52) == [1, 3]
    assert outlying(0.58, 0.6, 0.49) == []
    assert outlying(0.4, 0.55, 0.7) == []
    assert outlying(0.9, 0.9, 0.9) == []
    assert outlying(0.65, 0.52, 0.63, standard_error=0.06) == []  # as sixty images may have it
    assert outlying(0.1, 0.6) == []  # nothing tells which of two


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
