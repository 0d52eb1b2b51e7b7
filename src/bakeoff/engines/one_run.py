"""One run from start to finish, the same for all engines, which differ in where its result goes."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.data.drawing import Groups
from bakeoff.data.image_data import ImageData
from bakeoff.engines.engine import EpochDone, Event, RunFailed, RunFinished, RunStarted, Task
from bakeoff.errors import BakeoffError
from bakeoff.files import cannot_write
from bakeoff.own_code import check_unchanged, forget, trust
from bakeoff.store import Layout, UnfinishedRun, save_run, save_sized_run, save_trial
from bakeoff.study import Study
from bakeoff.study.recipe import FIXED_SEED, SPLIT, flatten_settings
from bakeoff.trainers import train_with
from bakeoff.training import EpochRecord, Observer, train
from bakeoff.training.records import TrainedRun, TrainingFailure
from bakeoff.training.state import StateStore
from bakeoff.training.tensorboard import TensorBoardLog

if TYPE_CHECKING:
    from bakeoff.training.tensorboard import TensorBoardLog


class RunOutput(Protocol):
    """Receives the output of one run."""

    @property
    def states(self) -> StateStore:
        """Stores the state of the unfinished run."""

    @property
    def log_directory(self) -> Path:
        """The folder of TensorBoard's event file."""

    def save(self, run: TrainedRun, data: ImageData) -> None:
        """Store the finished run; its event file is closed."""


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
        """Append to the event file, which another machine started under this name.

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
            raise cannot_write(path, error) from error

    def save(self, run: TrainedRun, data: ImageData) -> None:
        task = self.task
        if run.exported is not None:  # loading it executes it
            trust([hashlib.sha256(run.exported).hexdigest()])
        if task.trial:
            save_trial(self.layout, task.recipe, task.seed, task.identity, run, data)
        elif task.size is not None:
            save_sized_run(self.layout, task.recipe, task.seed, task.identity, run, data)
        else:
            save_run(self.layout, self.study, task.recipe, task.seed, task.identity, run, data)


def clear_log(output: RunOutput) -> None:
    """Remove the event file of an interrupted attempt."""
    shutil.rmtree(output.log_directory, ignore_errors=True)


def log_result(log: TensorBoardLog, task: Task, study: Study, run: TrainedRun, data: ImageData) -> None:
    """Add a finished run's settings and test results to its event file; a trial has none."""
    if task.trial:
        return
    recipe = study.recipes[task.recipe]
    settings = {**flatten_settings(recipe), "recipe": task.recipe, "seed": task.seed}
    log.on_tested(settings, run.checkpoint_epoch, data.test.labels, run.test_logits, data.class_names)


def failure_of(task: Task, error: Exception) -> RunFailed:
    """The event for a run that ended with an exception; prints the traceback of an unexpected one."""
    if isinstance(error, TrainingFailure):
        return RunFailed(task, str(error), try_again=False)
    if isinstance(error, BakeoffError):
        return RunFailed(task, str(error), try_again=True)
    # A bug, or a user's model that raises.
    print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    return RunFailed(task, f"{type(error).__name__}: {error}", try_again=True)


def do_run(
    task: Task,
    study: Study,
    open_images: Callable[[], ImageData],
    output: RunOutput,
    on_event: Callable[[Event], None],
    groups: Groups | None = None,
    own_code: Mapping[str, str] | None = None,
) -> None:
    """Train one run and pass it to `output`, or report why it failed.

    Parameters
    ----------
    open_images
        All of them; what the run draws of them is drawn here.
    groups, own_code
        See `Job`.
    """
    on_event(RunStarted(task))
    # Exclude the loaded libraries from garbage collection, which took 1 to 3 % of an epoch of LeNet-5.
    gc.collect()
    gc.freeze()
    try:
        classes = task.recipe_in(study).own_classes
        check_unchanged({path: digest for path, digest in (own_code or {}).items() if path in classes})
        data = task.images(study, open_images(), groups)
        _train_and_save(task, study, data, output, on_event)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise  # the driver is gone
    except Exception as error:
        on_event(failure_of(task, error))
    else:
        on_event(RunFinished(task))


def _train_and_save(
    task: Task, study: Study, data: ImageData, output: RunOutput, on_event: Callable[[Event], None]
) -> None:
    clear_log(output)
    recipe, seed = task.recipe_in(study), task.seed_in(study)
    forget(recipe.own_classes)
    with TensorBoardLog(output.log_directory) as log:
        observers: list[Observer] = [log, _EpochReporter(task, on_event)]
        if recipe.trainer is None:
            run = train(
                recipe,
                seed,
                data,
                observers=observers,
                state_store=output.states,
                all_attributions=study.all_attributions,
                metric=study.compare.metric,
            )
        else:
            with restoring_globals():
                run = train_with(recipe, FIXED_SEED if recipe.vary == (SPLIT,) else seed, data)
            for record in run.history:
                log.on_epoch(record)
        log_result(log, task, study, run, data)
    output.save(run, data)


@contextmanager
def restoring_globals() -> Iterator[None]:
    """Restore what other code may change for the whole process, and with it for the next run."""
    import torch

    folder, dtype, threads = Path.cwd(), torch.get_default_dtype(), torch.get_num_threads()
    deterministic, gradients = torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()
    try:
        yield
    finally:
        os.chdir(folder)
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_grad_enabled(gradients)


class _EpochReporter:
    """An observer that reports each epoch to the driver."""

    def __init__(self, task: Task, on_event: Callable[[Event], None]) -> None:
        self.task, self.on_event = task, on_event

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.on_event(EpochDone(self.task, record))
