"""The runs of a study as one tidy table: a row per value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.files import check_replaceable, to_csv, write_text
from bakeoff.logs.content import StudyLog

COLUMNS = ("study", "recipe", "seed", "epoch", "metric", "value")


def write_table(study: StudyLog, file: Path) -> None:
    """Write the values of all runs and of the comparison; replaces a file that this wrote before.

    Rows without an epoch are of a finished run; those without a seed are of the comparison.

    Raises
    ------
    BakeoffError
        If the file exists and has other columns.
    """
    check_replaceable(file, to_csv(COLUMNS, []), "at")
    write_text(file, to_csv(COLUMNS, _rows(study)))


def _rows(study: StudyLog) -> Iterator[tuple[Any, ...]]:
    for run in study.runs:
        for metric, values in run.epochs.items():
            for epoch, value in enumerate(values.tolist(), start=1):
                yield study.name, run.recipe, run.seed, epoch, metric, value
        for metric, value in run.scores.items():
            yield study.name, run.recipe, run.seed, None, metric, value
    for what, scores in study.scores.items():
        for metric, value in scores.items():
            yield study.name, what, None, None, metric, value
