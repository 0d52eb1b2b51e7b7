"""The runs of a study as event files of TensorBoard, where a folder lacks those written during training."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard.summary import text

from bakeoff.files import cannot_write
from bakeoff.logs.content import RunLog, StudyLog
from bakeoff.store import StoredStudy
from bakeoff.training.event_file import EventFile
from bakeoff.training.records import EpochRecord
from bakeoff.training.tensorboard import TensorBoardLog


def write_event_files(study: StudyLog, stored: StoredStudy, folder: Path) -> int:
    """Write an event file for each run that has none in `folder`/RECIPE/seed-N, and the comparison as text.

    Without the values of single steps, which a study folder keeps only in the files of its training.

    Returns
    -------
    The number of runs for which a file was written.
    """
    logits = {(run.recipe, run.seed): run.test_logits for run in stored.runs}
    best = {(run.recipe, run.seed): run.checkpoint_epoch for run in stored.runs}
    written = 0
    for run in study.runs:
        directory = folder / run.recipe / f"seed-{run.seed}"
        if any(directory.glob("events.out.tfevents.*")):
            continue
        with TensorBoardLog(directory) as log:
            for record in _records(run):
                log.on_epoch(record)
            key = (run.recipe, run.seed)
            log.on_tested(run.settings, best[key], stored.test_labels, logits[key], stored.class_names)
        written += 1
    comparison = folder / "comparison" / study.content
    if not comparison.exists():
        try:
            file = EventFile(comparison)
            file.add(text("comparison", _as_markdown(study)))  # type: ignore[no-untyped-call]
            file.flush()
        except OSError as error:
            raise cannot_write(folder, error, "at") from error
    return written


def _records(run: RunLog) -> list[EpochRecord]:
    columns = {name: values.tolist() for name, values in run.epochs.items()}
    num_epochs = len(next(iter(columns.values()), []))
    return [
        EpochRecord(epoch=index + 1, **{name: values[index] for name, values in columns.items()})
        for index in range(num_epochs)
    ]


def _as_markdown(study: StudyLog) -> str:
    lines = [study.conclusion, "", "| | value | low | high |", "| --- | --- | --- | --- |"]
    for name, scores in study.scores.items():
        value = next(iter(scores.values()))
        ends = (f"{scores[end]:.4f}" if end in scores else "" for end in ("low", "high"))
        lines.append(f"| {name} | {value:.4f} | {' | '.join(ends)} |")
    return "\n".join(lines)
