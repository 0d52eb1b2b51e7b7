"""The progress of the runs in a study folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import Literal

from bakeoff.store.folder import is_running
from bakeoff.store.layout import Layout
from bakeoff.store.run_files import damaged_run, failure_reason, load_history, stored_identity
from bakeoff.store.stored_study import read_data, read_study
from bakeoff.store.unfinished import unfinished_progress
from bakeoff.store.verify import check_runs, check_study_files
from bakeoff.study import Study


@dataclass(frozen=True)
class RunStatus:
    """One run of a study.

    Attributes
    ----------
    state
        finished, failed, unfinished (a saved state to resume from exists), running (the same, while a process
        runs the study) or waiting.
    seed
        Of a trial, its number.
    epochs, num_epochs
        Epochs done, and in total.
    val_accuracy
        After the last epoch done, 0..1; None before the first.
    reason
        Why it failed.
    trial
        Whether it is a trial, which tunes the recipe.
    size
        The number of training images, if fewer than all.
    """

    recipe: str
    seed: int
    state: Literal["finished", "failed", "running", "unfinished", "waiting"]
    epochs: int
    num_epochs: int
    val_accuracy: float | None = None
    reason: str = ""
    trial: bool = False
    size: int | None = None


def study_status(root: Path) -> tuple[Study, list[RunStatus]]:
    """Read the study in a folder and the state of each of its trials and runs.

    Raises
    ------
    BakeoffError
        If it is no study folder, or a file is damaged or is not as it was written.
    """
    layout = Layout(root)
    check_study_files(layout)
    study = read_study(layout)
    check_runs(starmap(layout.run, study.all_runs))
    check_runs(starmap(layout.trials.run, study.all_trials))
    sized = study.sized_runs(sum(read_data(layout).counts["train"])) if study.train_sizes else []
    check_runs(layout.at_size(size).run(name, seed) for size, name, seed in sized)
    statuses = [
        _run_status(layout.trials, name, number, study.trial_recipe(name, number).epochs)
        for name, num_trials in study.num_trials.items()
        for number in range(num_trials)
    ]
    statuses += [
        _run_status(layout, name, seed, study.recipes[name].epochs)
        for name, seed in study.all_runs
        if seed < study.seeds or layout.run(name, seed).exists()  # seeds added until decided
    ]
    statuses += [
        _run_status(layout.at_size(size), name, seed, study.recipes[name].epochs)
        for size, name, seed in sorted(sized, key=lambda run: run[0])
    ]
    if any(status.state == "unfinished" for status in statuses) and is_running(root):
        statuses = [
            replace(status, state="running") if status.state == "unfinished" else status
            for status in statuses
        ]
    return study, statuses


def _run_status(layout: Layout, recipe: str, seed: int, num_epochs: int) -> RunStatus:
    status = _status(layout, recipe, seed, num_epochs)
    return replace(status, trial=layout.of_trials, size=layout.size)


def _status(layout: Layout, recipe: str, seed: int, num_epochs: int) -> RunStatus:
    stored = stored_identity(layout, recipe, seed)
    if stored and stored[0] == "finished":
        try:
            accuracy = float(load_history(layout.history(recipe, seed))["val_accuracy"][-1])
        except (OSError, ValueError) as error:
            raise damaged_run(layout, recipe, seed, error) from error
        return RunStatus(recipe, seed, "finished", num_epochs, num_epochs, accuracy)
    progress = unfinished_progress(layout.unfinished(recipe, seed))
    epochs, accuracy_so_far = progress or (0, None)
    if stored:
        reason = failure_reason(layout, recipe, seed)
        return RunStatus(recipe, seed, "failed", epochs, num_epochs, accuracy_so_far, reason)
    state: Literal["unfinished", "waiting"] = "unfinished" if progress else "waiting"
    return RunStatus(recipe, seed, state, epochs, num_epochs, accuracy_so_far)


def count_unfinished(root: Path, study: Study) -> int:
    """Count the trials, or else the runs, that have no predictions in the folder, whatever their settings."""
    layout = Layout(root)
    runs = [(name, seed) for name in study.recipes for seed in range(study.seeds)]
    return max(_count(layout.trials, study.all_trials), _count(layout, runs))


def _count(layout: Layout, runs: list[tuple[str, int]]) -> int:
    paths = starmap(layout.predictions, runs)
    return sum(not os.path.isfile(path) for path in paths)  # noqa: PTH113 - Path raises without permission
