"""compare_files(): compare recipes whose predictions are in files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.by_name import score_named
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.reading import read_predictions


def compare_files(
    paths: Sequence[Path],
    baseline: str | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
    metric: str = "accuracy",
    details: bool = True,
) -> Comparison:
    """Compare recipes whose predictions are in files: `read_predictions`, then `compare`.

    For a study folder whose seeds were added until decided, a note says that the intervals are not corrected
    for its interim looks.

    Raises
    ------
    BakeoffError
        As both.
    """
    score = score_named(metric)  # before files are read
    comparison = compare(
        read_predictions(paths),
        metric=score,
        baseline=baseline,
        margin=margin,
        confidence=confidence,
        details=details,
    )
    return dataclasses.replace(comparison, notes=(*comparison.notes, *_notes_on_looks(paths)))


def _notes_on_looks(paths: Sequence[Path]) -> list[str]:
    from bakeoff.store.layout import Layout
    from bakeoff.store.stored_study import read_study

    notes = []
    for path in paths:
        if not Layout(path).study.is_file():
            continue
        try:
            until = read_study(Layout(path)).until
        except BakeoffError:  # predictions are enough for a comparison
            continue
        if until == "decided":
            notes.append(
                f"{path}: seeds were added until decided. The intervals here are not corrected for the "
                "interim looks at the results; those of `bakeoff report` are."
            )
    return notes
