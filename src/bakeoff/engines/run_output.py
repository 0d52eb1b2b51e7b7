"""Where a run keeps its state and its event file, and leaves its result."""

from __future__ import annotations

import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.data.image_data import ImageData
from bakeoff.engines.tasks import RunFailed, Task
from bakeoff.errors import BakeoffError
from bakeoff.files import RESUME
from bakeoff.store import Layout, UnfinishedRun, save_run
from bakeoff.study import Study
from bakeoff.study.recipe import flatten_settings
from bakeoff.training.history import TrainedRun, TrainingFailure
from bakeoff.training.resuming import StateStore

if TYPE_CHECKING:
    from bakeoff.training.tensorboard import TensorBoardLog


class RunOutput(Protocol):
    """Takes in what one run gives."""

    @property
    def states(self) -> StateStore:
        """Keeps the state of the run while it is unfinished."""

    @property
    def log_directory(self) -> Path:
        """For the event file of TensorBoard."""

    def save(self, run: TrainedRun, data: ImageData) -> None:
        """Keep the finished run; its event file is closed."""


@dataclass(frozen=True)
class FolderOutput:
    """Writes one run to the study folder."""

    task: Task
    study: Study
    layout: Layout

    @property
    def states(self) -> UnfinishedRun:
        return UnfinishedRun(self.layout.unfinished(self.task.recipe, self.task.seed), self.task.identity)

    @property
    def log_directory(self) -> Path:
        return self.layout.run_tensorboard(self.task.recipe, self.task.seed)

    def append_to_log(self, name: str, content: bytes) -> None:
        """Add to the event file, which was begun elsewhere under this name.

        Raises
        ------
        BakeoffError
            If the disk is full or the folder cannot be written.
        """
        path = self.log_directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(content)
        except OSError as error:
            raise BakeoffError(f"cannot write {path}: {error.strerror or error}; {RESUME}") from error

    def save(self, run: TrainedRun, data: ImageData) -> None:
        task = self.task
        save_run(self.layout, self.study, task.recipe, task.seed, task.identity, run, data)


def clear_log(output: RunOutput) -> None:
    """Remove the event file of an attempt that was interrupted."""
    shutil.rmtree(output.log_directory, ignore_errors=True)


def log_result(log: TensorBoardLog, task: Task, study: Study, run: TrainedRun, data: ImageData) -> None:
    """Add a finished run's settings and test results to its event file."""
    recipe = study.recipes[task.recipe]
    settings = {**flatten_settings(recipe), "recipe": task.recipe, "seed": task.seed}
    log.on_tested(settings, run.checkpoint_epoch, data.test.labels, run.test_logits, data.class_names)


def failure_of(task: Task, error: Exception) -> RunFailed:
    """What to tell of a run that ended with an error; of one that nobody foresaw the traceback is printed."""
    if isinstance(error, TrainingFailure):
        return RunFailed(task, str(error), try_again=False)
    if isinstance(error, BakeoffError):
        return RunFailed(task, str(error), try_again=True)
    # A bug, or a user's model that raises.
    print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    return RunFailed(task, f"{type(error).__name__}: {error}", try_again=True)
