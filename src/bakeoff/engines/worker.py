"""A worker process: one thread, one run after another."""

from __future__ import annotations

import gc
import multiprocessing.process
import os
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bakeoff.data import keep_in_cache, open_image_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines.engine import Job, Task
from bakeoff.engines.one_run import FolderOutput, do_run


def work(connection: Connection) -> None:
    """Execute the runs received through the connection until it closes; send their events through it."""
    torch.set_num_threads(1)
    # Own code may start processes, such as those that load batches. multiprocessing forbids it to processes
    # that end with their parent, for theirs would not; a worker ends by itself when its driver is gone.
    multiprocessing.process.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    gc.freeze()
    gc.enable()
    try:
        while True:
            task: Task
            job: Job
            task, job = connection.recv()
            keep_in_cache(job.data_directory)
            images = partial(_open_images, job.data_directory, with_test=not task.trial)
            output = FolderOutput(task, job.study, task.layout(job.root))
            do_run(task, job.study, images, output, connection.send, job.groups, job.own_code)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The driver is gone, so the run is not needed. Skip the interpreter's shutdown, which would try to
        # flush closed pipes.
        os._exit(1)


@cache
def _open_images(directory: Path, *, with_test: bool) -> ImageData:
    """Open the images once per worker; during a run, so that the run fails if they are missing."""
    return open_image_data(directory, with_test=with_test)
