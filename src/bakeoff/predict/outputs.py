"""Writing predictions of image files as CSV and JSON, image by image."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from bakeoff.errors import BakeoffError
from bakeoff.files import check_replaceable, open_atomically, write_rows
from bakeoff.predict.ensemble import Ensemble
from bakeoff.predict.files import Outcome, UnreadableImage, image_name

COLUMNS = ("image", "class", "probability", "agreement", "seeds")
"""Those that are there whatever the classes are."""

Sink = Callable[[Outcome], None]


@contextmanager
def prediction_files(ensemble: Ensemble, csv: Path | None, json_: Path | None) -> Iterator[Sink]:
    """Open files to which outcomes are written one by one; the files are complete at the end, or absent.

    Raises
    ------
    BakeoffError
        If one cannot be written, or is another file that exists.
    """
    if csv is not None and csv == json_:
        raise BakeoffError(f"the CSV file and the JSON file both name {csv}; choose two files", "csv")
    if csv is not None:
        check_replaceable(csv, ",".join(COLUMNS), "csv")
    if json_ is not None:
        check_replaceable(json_, '{"study": ', "json")
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
    with open_atomically(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()  # flushes the text, and leaves the file open, which is then flushed to disk


def _csv_sink(file: TextIO, ensemble: Ensemble) -> Sink:
    columns = [f"p_{name}" for name in ensemble.class_names]
    write_rows(file, [[*COLUMNS, *columns, "problem"]])
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
        "study": ensemble.summary.study.name,
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
    """Round to six significant digits, about the precision of float32."""
    return float(f"{probability:.6g}")
