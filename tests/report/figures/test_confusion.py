"""A confusion matrix and the sentence under it."""

import html
import re
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix
from tests.report.pages import section, texts_of

from bakeoff.analysis.failures.confusion import row_shares
from bakeoff.report import build_report
from bakeoff.report.figures.confusion import _describe_errors
from bakeoff.store import load_study_folder


def test_errors_name_the_most_frequent_pair_and_leave_out_empty_classes() -> None:
    counts = np.array([[6.0, 4.0, 0.0], [1.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    said = _describe_errors(counts, row_shares(counts), ("cat", "dog", "none"), 5)
    assert said.replace("\N{NO-BREAK SPACE}", " ") == (
        "Most frequent error: true cat, predicted dog, 4.0 of 10 images per run (40.0 %). "
        "Highest accuracy: dog (90.0 %); lowest: cat (60.0 %)."
    )


def test_no_error_is_said() -> None:
    counts = np.diag([3.0, 5.0])
    said = _describe_errors(counts, row_shares(counts), ("cat", "dog"), 1)
    assert said.startswith("Every test image is classified correctly.")


def test_confusion_figure_shows_the_mean_counts(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    matrices = [
        confusion_matrix(stored.test_labels, run.test_logits.argmax(1), labels=range(10))
        for run in stored.runs_of("plain")
    ]
    mean = np.mean(matrices, axis=0)
    shown = texts_of(page.parent / "figures" / "confusion-plain.svg")
    numbers = [text for text in shown if re.fullmatch(r"\d+\.\d", text)]
    assert numbers == [f"{value:.1f}" for value in mean.ravel() if value > 0]
    assert {"true class", "predicted class", "seven", "шесть"} <= set(shown)

    errors = mean - np.diag(np.diag(mean))
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    names = stored.class_names
    sentence = (
        f"true {names[true]}, predicted {names[predicted]}, "
        f"{errors.max():.1f} of {mean[true].sum():.0f} images"
    )
    assert sentence in html.unescape(section(page, "classes"))


def test_a_hundred_classes(tmp_path: Path, study_maker) -> None:
    names = [f"class {index}" for index in range(100)]
    page = build_report(
        study_maker(tmp_path / "many", class_names=names, recipes=("plain",), seeds=1, epochs=1)
    )
    shown = texts_of(page.parent / "figures" / "confusion-plain.svg")
    assert len([text for text in shown if text.startswith("class ")]) == 2 * 34
    shown = texts_of(page.parent / "figures" / "class-accuracies.svg")
    assert len([text for text in shown if text.startswith("class ")]) == 15
    assert "The 15 of 100 classes with the lowest accuracy; the table has all." in page.read_text("utf-8")
    assert page.stat().st_size < 3_000_000
