"""Predictions shown and written: a table on the screen, CSV and JSON written image by image."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bakeoff.ensemble import Ensemble
from bakeoff.errors import BakeoffError
from bakeoff.files import open_atomically, write_rows
from bakeoff.predict import ImagePrediction, Outcome, UnreadableImage, image_name
from bakeoff.text import counted, list_some, printable

MOST_ROWS = 20
"""Images shown on the screen."""

MOST_PROBLEMS = 10
"""Unreadable images named on the screen."""

REMEDY = "free some space or write to another folder"

Sink = Callable[[Outcome], None]


@dataclass
class PredictionSummary:
    """What the screen shows: the first images, and counts of all; of the same size for any number."""

    first: list[ImagePrediction] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    num_unreadable: int = 0

    @property
    def num_images(self) -> int:
        """Readable or not."""
        return self.counts.total() + self.num_unreadable

    def add(self, outcome: Outcome) -> None:
        """Take in one image."""
        if isinstance(outcome, UnreadableImage):
            self.num_unreadable += 1
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(f"{image_name(outcome.image)}: {outcome.reason}")
            return
        self.counts[outcome.class_name] += 1
        if len(self.first) < MOST_ROWS:
            self.first.append(outcome)


@contextmanager
def prediction_files(ensemble: Ensemble, csv: Path | None, json_: Path | None) -> Iterator[Sink]:
    """Files that outcomes are written to as they come; complete at the end, or absent.

    Raises
    ------
    BakeoffError
        If one cannot be written.
    """
    if csv is not None and csv == json_:
        raise BakeoffError(f"--csv and --json both name {csv}; give two names")
    with ExitStack() as stack:
        sinks: list[Sink] = []
        if csv is not None:
            sinks.append(_csv_sink(stack.enter_context(_open_text(csv)), ensemble))
        if json_ is not None:
            file = stack.enter_context(_open_text(json_))
            sinks.append(stack.enter_context(_json_sink(file, ensemble)))

        def write(outcome: Outcome) -> None:
            for sink in sinks:
                sink(outcome)

        yield write


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    with open_atomically(path, REMEDY) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()  # flushes it, and leaves the file open: it is still to be flushed to the disk


def _csv_sink(file: TextIO, ensemble: Ensemble) -> Sink:
    columns = [f"p_{name}" for name in ensemble.class_names]
    write_rows(file, [["image", "class", "probability", "agreement", "seeds", *columns, "problem"]])
    empty: list[object] = [None] * len(columns)

    def write(outcome: Outcome) -> None:
        row: list[object]
        if isinstance(outcome, UnreadableImage):
            row = [image_name(outcome.image), None, None, None, None, *empty, outcome.reason]
        else:
            row = [
                image_name(outcome.image),
                outcome.class_name,
                _rounded(outcome.probability),
                outcome.agreement,
                outcome.num_models,
                *map(_rounded, outcome.probabilities),
                None,
            ]
        write_rows(file, [row])

    return write


@contextmanager
def _json_sink(file: TextIO, ensemble: Ensemble) -> Iterator[Sink]:
    head = {
        "study": ensemble.study.study.name,
        "recipe": ensemble.recipe,
        "reason": ensemble.choice.reason,
        "seeds": list(ensemble.seeds),
        "class_names": list(ensemble.class_names),
    }
    file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "images": [')
    separator = "\n"

    def write(outcome: Outcome) -> None:
        nonlocal separator
        entry: dict[str, object] = {"image": image_name(outcome.image)}
        if isinstance(outcome, UnreadableImage):
            entry["problem"] = outcome.reason
        else:
            entry |= {
                "class": outcome.class_name,
                "probability": _rounded(outcome.probability),
                "agreement": outcome.agreement,
                "probabilities": [_rounded(value) for value in outcome.probabilities],
            }
        file.write(separator + json.dumps(entry, ensure_ascii=False))
        separator = ",\n"

    yield write
    file.write("\n]}\n")


def _rounded(probability: float) -> float:
    """Six digits: what the models' arithmetic bears."""
    return float(f"{probability:.6g}")


def print_predictions(
    summary: PredictionSummary, console: Console, errors: Console, *, written: bool
) -> None:
    """Print the first predictions, how many images each class got, and what could not be read.

    Parameters
    ----------
    summary
        Of all images.
    console, errors
        For the results, and for what could not be read.
    written
        Whether all predictions are in a file.
    """
    num_classified = summary.counts.total()
    if summary.first:
        console.print(_table(summary.first))
    if num_classified > len(summary.first):
        hint = "" if written else "; --csv FILE or --json FILE writes all"
        console.print(f"\nThe first {len(summary.first)} of {num_classified:,} images are shown{hint}.\n")
        console.print(_counts(summary.counts, num_classified))
    if summary.num_unreadable:
        text = f"{counted(summary.num_unreadable, 'image')} could not be read:\n"
        more = summary.num_unreadable - len(summary.problems)
        text += list_some([_one_line(problem) for problem in summary.problems], MOST_PROBLEMS)
        text += f"\n  ... and {more:,} more" if more else ""
        errors.print(Text(text, style="red"), soft_wrap=True)


def _table(predictions: list[ImagePrediction]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("image", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    if predictions[0].num_models > 1:
        table.add_column("agreement", justify="right", no_wrap=True)
    for found in predictions:
        row: list[Text | str] = [
            Text(_one_line(image_name(found.image))),
            Text(_one_line(found.class_name)),
            f"{100 * found.probability:.1f} %",
            f"{found.agreement}/{found.num_models}",
        ]
        table.add_row(*row[: len(table.columns)])
    return table


def _counts(counts: Counter[str], num_images: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("class", overflow="fold")
    table.add_column("images", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    shown = counts.most_common(MOST_ROWS)
    for name, count in shown:
        table.add_row(Text(_one_line(name)), f"{count:,}", f"{100 * count / num_images:.1f} %")
    if len(shown) < len(counts):
        rest = num_images - sum(count for _, count in shown)
        table.add_row(f"{len(counts) - len(shown)} other classes", f"{rest:,}", "")
    return table


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n")
