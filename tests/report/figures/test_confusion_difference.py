"""The difference of two recipes' confusion matrices."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from tests.report.pages import section, texts_of

from bakeoff.analysis.summary.study import Summary
from bakeoff.report.figures.confusion_difference import _describe, confusion_difference_figures
from bakeoff.store import load_study_folder


@pytest.fixture(scope="module")
def summary(study_dir: Path) -> Summary:
    return Summary(load_study_folder(study_dir))


def test_cells_have_the_difference_of_the_mean_counts(page: Path, summary: Summary) -> None:
    stored = summary.stored
    plain, normed = (
        np.mean(
            [
                confusion_matrix(stored.test_labels, run.test_logits.argmax(1), labels=range(10))
                for run in stored.runs_of(name)
            ],
            axis=0,
        )
        for name in ("plain", "normed")
    )
    shown = texts_of(page.parent / "figures/confusion-difference-normed-plain.svg")
    numbers = [text for text in shown if text[0] in "+-"]
    expected = [f"{value:+.1f}" for value in (normed - plain).ravel() if abs(value) >= 0.05]
    assert numbers == expected
    assert "normed minus plain" in section(page, "classes")


def test_a_single_difference_stands_beside_the_matrices(page: Path) -> None:
    text = section(page, "classes")
    matrices = text[text.index('aria-label="Confusion matrices of the recipes"') :]
    assert matrices.index("normed minus plain") < matrices.index("<details>")
    assert "Differences between two recipes' matrices" not in text


def test_significant_cells_are_framed(summary: Summary) -> None:
    recipes = {recipe.name: recipe for recipe in summary.finished}
    pair = recipes["plain"], recipes["normed"]
    names = summary.stored.class_names
    none = confusion_difference_figures([pair], names, {})["plain", "normed"]
    two = confusion_difference_figures([pair], names, {("plain", "normed"): [(0, 0), (2, 3)]})
    assert "Every difference may be chance." in none.caption
    assert "Framed: unlikely to be chance (2)." in two["plain", "normed"].caption
    assert two["plain", "normed"].svg.count("<path") == none.svg.count("<path") + 2


def test_the_largest_difference_is_named_by_what_it_means() -> None:
    counts = np.array([[-4.0, 4.0], [1.0, -1.0]])
    gain = np.array([[-0.4, -0.3], [-0.1, -0.1]])
    assert _describe(counts, gain, ("cat", "dog"), ()) == (
        "Largest difference: cat, classified correctly (-4.0 images per run). Every difference may be chance."
    )
    assert _describe(counts, np.flip(gain, axis=1), ("cat", "dog"), [(0, 1)]).startswith(
        "Largest difference: true cat, predicted dog (+4.0 images per run). Framed"
    )
    assert _describe(0 * counts, 0 * gain, ("cat", "dog"), ()) == "The two matrices are equal."
