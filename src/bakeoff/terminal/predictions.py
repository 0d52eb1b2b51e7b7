"""Predictions for image files on the terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bakeoff.predict.files import ImagePrediction, Outcome, UnreadableImage, image_name
from bakeoff.terminal.lines import legible
from bakeoff.text import counted, list_some

MOST_ROWS = 20
"""The number of predictions printed."""

ENOUGH_FOR_AGREEMENT = 60
"""On a narrower terminal, names get the room of this column."""

MOST_PROBLEMS = 10
"""The number of unreadable images printed."""


@dataclass
class PredictionSummary:
    """The first predictions, and counts of all: its size does not depend on the number of images."""

    first: list[ImagePrediction] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    num_unreadable: int = 0

    @property
    def num_images(self) -> int:
        """All images, readable or not."""
        return self.counts.total() + self.num_unreadable

    def add(self, outcome: Outcome) -> None:
        """Add the prediction for one image."""
        if isinstance(outcome, UnreadableImage):
            self.num_unreadable += 1
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(f"{image_name(outcome.image)}: {outcome.reason}")
            return
        self.counts[outcome.class_name] += 1
        if len(self.first) < MOST_ROWS:
            self.first.append(outcome)


def print_predictions(
    summary: PredictionSummary, console: Console, errors: Console, *, written: bool
) -> None:
    """Print the first predictions, the number of images per class, and the unreadable images.

    Parameters
    ----------
    summary
        Of all images.
    console, errors
        For the predictions, and for the unreadable images.
    written
        Whether all predictions are in a file.
    """
    num_classified = summary.counts.total()
    if summary.first:
        console.print(_table(summary.first, console.width))
    if num_classified > len(summary.first):
        hint = "" if written else "; --csv FILE or --json FILE writes all"
        console.print(f"\nThe first {len(summary.first)} of {num_classified:,} images are shown{hint}.\n")
        console.print(_counts(summary.counts, num_classified))
    if summary.num_unreadable:
        text = f"{counted(summary.num_unreadable, 'image')} could not be read:\n"
        more = summary.num_unreadable - len(summary.problems)
        text += list_some([legible(problem) for problem in summary.problems], MOST_PROBLEMS)
        text += f"\n  ... and {more:,} more" if more else ""
        errors.print(Text(text, style="red"), soft_wrap=True)


def _table(predictions: list[ImagePrediction], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("image", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    if predictions[0].num_models > 1 and width >= ENOUGH_FOR_AGREEMENT:
        table.add_column("agreement", justify="right", no_wrap=True)
    for prediction in predictions:
        row: list[Text | str] = [
            Text(legible(image_name(prediction.image))),
            Text(legible(prediction.class_name)),
            f"{100 * prediction.probability:.1f} %",
            f"{prediction.agreement}/{prediction.num_models}",
        ]
        table.add_row(*row[: len(table.columns)])
    return table


def _counts(counts: Counter[str], num_images: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("class", overflow="fold")
    table.add_column("images", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    most_frequent = counts.most_common(MOST_ROWS)
    for name, count in most_frequent:
        table.add_row(Text(legible(name)), f"{count:,}", f"{100 * count / num_images:.1f} %")
    if len(most_frequent) < len(counts):
        rest = num_images - sum(count for _, count in most_frequent)
        num_other = len(counts) - len(most_frequent)
        table.add_row(f"{num_other} other {'class' if num_other == 1 else 'classes'}", f"{rest:,}", "")
    return table
