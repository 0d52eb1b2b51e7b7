"""A worker: one process, one thread, one run after another."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bakeoff.data import keep_in_cache, open_image_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines.tasks import EpochDone, Event, Job, RunFailed, RunFinished, RunStarted, Task
from bakeoff.errors import BakeoffError
from bakeoff.store import Layout, UnfinishedRun, save_run
from bakeoff.study.recipe import flatten_settings
from bakeoff.training import EpochRecord, Observer, TrainingFailure, train
from bakeoff.training.tensorboard import TensorBoardLog


def work(connection: Connection, job: Job) -> None:
    """Do the runs that come through the connection until it closes; tell of each step through it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides
    threading.excepthook = _tell_unless_told
    torch.set_num_threads(1)
    try:
        while True:
            do_run(connection.recv(), job, connection.send)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The driver is gone: nobody waits for this run. Skip the interpreter's own farewell, which
        # would try to flush pipes that are gone too.
        os._exit(1)


def _tell_unless_told(hook: threading.ExceptHookArgs) -> None:
    """TensorBoard's thread passes a full disk on to the run, which tells it: no traceback beside that."""
    if not issubclass(hook.exc_type, OSError):
        threading.__excepthook__(hook)


@cache
def _open_images(directory: Path) -> ImageData:
    """Once a worker; inside a run, which tells it if they are gone."""
    return open_image_data(directory)


def do_run(task: Task, job: Job, tell: Callable[[Event], None]) -> None:
    """Train one run and write it to the study folder, or tell why it failed."""
    tell(RunStarted(task))
    keep_in_cache(job.data_directory)
    try:
        _train_and_save(task, job, _open_images(job.data_directory), Layout(job.root), tell)
    except TrainingFailure as failure:
        tell(RunFailed(task, str(failure), try_again=False))
    except BakeoffError as error:
        tell(RunFailed(task, str(error), try_again=True))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        # A bug, or a user's model that raises.
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        tell(RunFailed(task, f"{type(error).__name__}: {error}", try_again=True))
    else:
        tell(RunFinished(task))


def _train_and_save(
    task: Task, job: Job, data: ImageData, layout: Layout, tell: Callable[[Event], None]
) -> None:
    directory = layout.run_tensorboard(task.recipe, task.seed)
    shutil.rmtree(directory, ignore_errors=True)  # of a run that was interrupted
    recipe = job.study.recipes[task.recipe]
    unfinished = UnfinishedRun(layout.unfinished(task.recipe, task.seed), task.identity)
    with TensorBoardLog(directory) as log:
        observers: list[Observer] = [log, _Teller(task, tell)]
        run = train(recipe, task.seed, data, observers=observers, state_store=unfinished)
        settings = {**flatten_settings(recipe), "recipe": task.recipe, "seed": task.seed}
        log.on_tested(settings, run.checkpoint_epoch, data.test.labels, run.test_logits, data.class_names)
    save_run(layout, job.study, task.recipe, task.seed, task.identity, run, data)


class _Teller:
    """An observer that passes each epoch on to the driver."""

    def __init__(self, task: Task, tell: Callable[[Event], None]) -> None:
        self.task, self.tell = task, tell

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.tell(EpochDone(self.task, record))
