"""A worker: one process, one thread, one run after another."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch

from bakeoff.data import open_image_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines.tasks import EpochDone, Event, Job, RunFailed, RunFinished, RunStarted, Task
from bakeoff.store import Layout, save_failure, save_run
from bakeoff.training import EpochRecord, TrainingFailure, train
from bakeoff.training.tensorboard import TensorBoardLog


def work(connection: Connection, job: Job) -> None:
    """Do the runs that come through the connection until it closes; tell of each step through it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides
    torch.set_num_threads(1)
    try:
        data = open_image_data(job.data_directory)
        while True:
            do_run(connection.recv(), job, data, connection.send)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The driver is gone: nobody waits for this run. Skip the interpreter's own farewell, which
        # would try to flush pipes that are gone too.
        os._exit(1)


def do_run(task: Task, job: Job, data: ImageData, tell: Callable[[Event], None]) -> None:
    """Train one run and write it to the study folder, or write why it failed."""
    layout = Layout(job.root)
    tell(RunStarted(task))
    try:
        _train_and_save(task, job, data, layout, tell)
    except TrainingFailure as failure:
        save_failure(layout, task.recipe, task.seed, task.identity, str(failure))
        tell(RunFailed(task, str(failure)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        # A bug, or a user's model that raises: no failure.json, so that the next `bakeoff run` tries again.
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        tell(RunFailed(task, f"{type(error).__name__}: {error}"))
    else:
        tell(RunFinished(task))


def _train_and_save(
    task: Task, job: Job, data: ImageData, layout: Layout, tell: Callable[[Event], None]
) -> None:
    directory = layout.run_tensorboard(task.recipe, task.seed)
    shutil.rmtree(directory, ignore_errors=True)  # of a run that was interrupted
    recipe = job.study.recipes[task.recipe]
    with TensorBoardLog(directory) as log:
        run = train(recipe, task.seed, data, observers=[log, _Teller(task, tell)])
        settings = {**recipe.model_dump(mode="json"), "recipe": task.recipe, "seed": task.seed}
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
