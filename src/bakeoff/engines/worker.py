"""A worker: one process, one thread, one run after another."""

from __future__ import annotations

import gc
import os
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bakeoff.data import keep_in_cache, open_image_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines.engine import Job, Task
from bakeoff.engines.one_run import FolderOutput, do_run
from bakeoff.store import Layout


def work(connection: Connection) -> None:
    """Do the runs that come through the connection until it closes; tell of each step through it."""
    torch.set_num_threads(1)
    gc.freeze()
    gc.enable()
    try:
        while True:
            task: Task
            job: Job
            task, job = connection.recv()
            keep_in_cache(job.data_directory)
            images = partial(_open_images, job.data_directory)
            output = FolderOutput(task, job.study, Layout(job.root))
            do_run(task, job.study, images, output, connection.send)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The driver is gone: nobody waits for this run. Skip the interpreter's own farewell, which
        # would try to flush pipes that are gone too.
        os._exit(1)


@cache
def _open_images(directory: Path) -> ImageData:
    """Once a worker; inside a run, which tells it if they are gone."""
    return open_image_data(directory)
