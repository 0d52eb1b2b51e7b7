"""log_study(): the runs of a study, by the name of the tracker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.errors import BakeoffError
from bakeoff.logs.content import study_log
from bakeoff.text import shorten

if TYPE_CHECKING:
    from bakeoff.analysis.summary.study import Summary

TRACKERS = ("mlflow", "wandb", "tensorboard", "csv")


class Logged(NamedTuple):
    """What was logged.

    Attributes
    ----------
    place
        Where it is.
    num_runs
        The number of finished runs of the study.
    num_new
        The number of these that were not there before.
    """

    place: str
    num_runs: int
    num_new: int


def log_study(summary: Summary, tracker: str, at: str | None = None) -> Logged:
    """Log the finished runs of a study: settings, values of each epoch, scores; and the comparison.

    What is there already is not logged again.

    Parameters
    ----------
    summary
        Of the study.
    tracker
        "mlflow" (a run each, below one for the study), "wandb" (an offline run each), "tensorboard" (an event
        file each), or "csv" (one table).
    at
        The tracking URI of MLflow, by default its own; the folder for offline runs, by default the current
        one; that for TensorBoard, by default that of the study; the file for CSV, by default NAME.csv.

    Raises
    ------
    BakeoffError
        If there is no such tracker, it is not installed or cannot be written, or no run is finished.
    """
    if tracker not in TRACKERS:
        raise BakeoffError(f"tracker {shorten(tracker)} is unknown; expected {', '.join(TRACKERS)}", "to")
    study, num_runs = study_log(summary), len(summary.stored.runs)
    if tracker == "mlflow":
        from bakeoff.logs.mlflow_store import log_to_mlflow

        num_new = log_to_mlflow(study, at)
        return Logged(f"experiment {study.name} of MLflow", num_runs, num_new)
    if tracker == "wandb":
        from bakeoff.logs.wandb_files import write_offline_runs

        folder = Path(at or ".")
        return Logged(str(folder / "wandb"), num_runs, write_offline_runs(study, folder))
    if tracker == "tensorboard":
        from bakeoff.logs.event_files import write_event_files
        from bakeoff.store import Layout

        folder = Path(at) if at is not None else Layout(summary.stored.root).tensorboard
        return Logged(str(folder), num_runs, write_event_files(study, summary.stored, folder))
    from bakeoff.logs.table import write_table

    file = Path(at) if at is not None else Path(f"{study.name}.csv")
    write_table(study, file)
    return Logged(str(file), num_runs, num_runs)
