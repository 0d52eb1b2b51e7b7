"""Predicted images on the screen: the first ones, counts of all, and what could not be read."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bakeoff.predict.files import ImagePrediction, UnreadableImage
from bakeoff.terminal.predictions import MOST_PROBLEMS, MOST_ROWS, PredictionSummary, print_predictions


def prediction(number: int, class_name: str = "cat", num_models: int = 1) -> ImagePrediction:
    return ImagePrediction(
        Path(f"{number}.png"), class_name, 0.8125, 1, num_models, np.array([0.8125, 0.1875])
    )


def printed(summary: PredictionSummary, *, written: bool = False) -> tuple[str, str]:
    screen, errors = (Console(file=io.StringIO(), width=80) for _ in range(2))
    print_predictions(summary, screen, errors, written=written)
    return screen.file.getvalue(), errors.file.getvalue()


def test_few_images_are_all_shown() -> None:
    summary = PredictionSummary()
    summary.add(prediction(0))
    summary.add(prediction(1, "dog"))
    text, errors = printed(summary)
    assert [line.split() for line in text.splitlines()] == [
        ["image", "class", "probability"],
        ["0.png", "cat", "81.2", "%"],
        ["1.png", "dog", "81.2", "%"],
    ]
    assert errors == ""


def test_several_models_say_how_many_agree() -> None:
    summary = PredictionSummary()
    summary.add(prediction(0, num_models=5))
    assert printed(summary)[0].splitlines()[1].split()[-1] == "1/5"


@pytest.mark.parametrize("written", [True, False])
def test_of_many_images_the_first_are_shown_and_all_counted(written: bool) -> None:
    summary = PredictionSummary()
    for number in range(300):
        summary.add(prediction(number, f"class {number % 30}" if number % 3 else "class 0"))
    text, _ = printed(summary, written=written)
    assert f"The first {MOST_ROWS} of 300 images are shown" in text
    assert ("--csv FILE" in text) == (not written)
    images, counts = text.split("The first")
    assert images.count(".png") == MOST_ROWS
    rows = [line.split() for line in counts.strip().splitlines()[3:]]
    assert rows[0] == ["class", "0", "100", "33.3", "%"]
    # Twenty classes by name and the one class beyond them.
    assert rows[-1][:3] == ["1", "other", "class"]
    assert sum(int(row[2]) for row in rows[:-1]) + int(rows[-1][3]) == 300


def test_images_that_cannot_be_read_are_named_up_to_a_number_and_counted() -> None:
    summary = PredictionSummary()
    for number in range(MOST_PROBLEMS + 5):
        summary.add(UnreadableImage(Path(f"bad\n{number}\x1b.png"), "no image"))
    summary.add(prediction(0))
    assert (summary.num_images, summary.num_unreadable) == (MOST_PROBLEMS + 6, MOST_PROBLEMS + 5)
    _, errors = printed(summary)
    lines = errors.splitlines()
    assert lines[0] == f"{MOST_PROBLEMS + 5} images could not be read:"
    assert len(lines) == MOST_PROBLEMS + 2
    assert lines[1].strip() == "bad\\n0\\x1b.png: no image"
    assert lines[-1].strip() == "... and 5 more"
