"""The driver of a study on Ray: hands out runs, takes in what they stream back, writes the study folder."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
    TaskUnschedulableError,
    WorkerCrashedError,
)

from bakeoff.data import keep_in_cache, open_image_data
from bakeoff.data.image_data import ImageData, Split
from bakeoff.engines.own_code import collect_own_code, digest_of
from bakeoff.engines.processes import MAX_DEATHS, ONE_THREAD
from bakeoff.engines.ray_task import (
    LogGrown,
    Message,
    RunResult,
    Shared,
    StateSaved,
    code_versions,
    ray_task,
)
from bakeoff.engines.run_output import FolderOutput, failure_of
from bakeoff.engines.tasks import Event, Job, RunFailed, RunFinished, RunRetried, RunStarted, Task
from bakeoff.errors import BakeoffError
from bakeoff.kernels.library import SWITCH
from bakeoff.store import Layout

SECONDS_BETWEEN_LOOKS = 1.0
"""At least so often it is seen whether the cluster has grown."""
HANDED_OUT_A_CORE = 2
"""Runs that the cluster is given for each of its cores: the next is there when one ends, and what waits makes
a cluster grow that grows by demand."""
LOST = {
    WorkerCrashedError: "the worker process died",
    NodeDiedError: "the node was lost",
    OutOfMemoryError: "the worker process was stopped for lack of memory on its node",
}
HOPELESS = (LocalRayletDiedError, RuntimeEnvSetupError, TaskUnschedulableError)


class RayDriver:
    """The runs of one study on a cluster that this process is connected to.

    Parameters
    ----------
    tasks, job
        As an engine is given them.
    num_workers
        Runs that go on at once, now.
    limit
        The most of them; None for as many as the cluster has cores, however it grows.
    """

    def __init__(self, tasks: Sequence[Task], job: Job, num_workers: int, limit: int | None) -> None:
        self._job, self._limit, self._layout = job, limit, Layout(job.root)
        self._waiting = deque(tasks)
        self._running: dict[ray.ObjectRefGenerator, Task] = {}
        self._deaths: Counter[Task] = Counter()
        self._data = open_image_data(job.data_directory)
        own_code = collect_own_code(job.study)
        self._shared = ray.put(Shared(job.study, _in_memory(self._data), own_code, num_workers))
        self._versions = code_versions()
        # Ray gives a process to runs of one environment only: other code, other process.
        variables = {**ONE_THREAD, "BAKEOFF_OWN_CODE": digest_of(own_code)}
        if SWITCH in os.environ:
            variables[SWITCH] = os.environ[SWITCH]
        options = {
            "num_cpus": 1,
            "num_returns": "streaming",
            "max_retries": 0,  # Ray would begin anew, not from the last state
            "runtime_env": {"env_vars": variables},
        }
        self._remote = ray.remote(**options)(ray_task)

    def do(self) -> Generator[Event, None, None]:
        """Do all tasks; give each event as it comes."""
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < self._most_at_once():
                    self._hand_out(self._waiting.popleft())
                for stream in self._ready():
                    yield from self._take_from(stream)
        finally:
            for stream in self._running:
                self._cancel(stream)

    def _most_at_once(self) -> int:
        cores = int(ray.cluster_resources().get("CPU", 0))
        return self._limit or HANDED_OUT_A_CORE * max(cores, 1)

    def _hand_out(self, task: Task) -> None:
        state = self._output(task).states.load()
        # In a list, the reference is not resolved before the task: a worker reads what is shared once.
        stream = self._remote.remote(self._versions, [self._shared], task, state)
        self._running[stream] = task

    def _ready(self) -> list[ray.ObjectRefGenerator]:
        streams = list(self._running)
        first, _ = ray.wait(streams, num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
        if not first:
            return []
        ready: list[ray.ObjectRefGenerator]
        ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
        return ready or first

    def _take_from(self, stream: ray.ObjectRefGenerator) -> Iterator[Event]:
        task = self._running[stream]
        try:
            batch: list[Message] = ray.get(next(stream))
        except StopIteration:
            del self._running[stream]
            yield RunFailed(task, "it ended without a result", try_again=True)
        except RayTaskError as error:
            raise _useless_cluster(error.cause) from error
        except HOPELESS as error:
            raise _useless_cluster(error) from error
        except RayError as error:
            del self._running[stream]
            yield self._lost(task, error)
        else:
            yield from self._take_in(stream, task, batch)

    def _lost(self, task: Task, error: RayError) -> Event:
        reason = LOST.get(type(error), f"the worker was lost ({type(error).__name__})")
        self._deaths[task] += 1
        if self._deaths[task] < MAX_DEATHS:
            self._waiting.appendleft(task)
            return RunRetried(task, reason)
        return RunFailed(task, reason, try_again=True)

    def _take_in(
        self, stream: ray.ObjectRefGenerator, task: Task, batch: Sequence[Message]
    ) -> Iterator[Event]:
        for message in batch:
            try:
                self._write(task, message)
            except Exception as error:
                self._cancel(stream)
                message = failure_of(task, error)
            if isinstance(message, StateSaved | LogGrown | RunResult):
                continue
            if isinstance(message, RunFinished | RunFailed):
                del self._running[stream]
                yield message
                return
            yield message

    def _write(self, task: Task, message: Message) -> None:
        """Write to the study folder what belongs there."""
        output = self._output(task)
        match message:
            case RunStarted():
                keep_in_cache(self._job.data_directory)
                output.clear_log()
            case StateSaved():
                output.states.save(message.state, message.epoch, message.val_accuracy)
                del self._deaths[task]  # it is not the run that loses its workers
            case LogGrown():
                output.append_to_log(message.name, message.content)
            case RunResult():
                output.save(message.run, self._data)

    def _output(self, task: Task) -> FolderOutput:
        return FolderOutput(task, self._job.study, self._layout)

    @staticmethod
    def _cancel(stream: ray.ObjectRefGenerator) -> None:
        with suppress(RayError):
            ray.cancel(stream, force=True)


def _in_memory(data: ImageData) -> ImageData:
    """The same with plain arrays: a memory map leads to a file of this machine."""

    def plain(split: Split) -> Split:
        return Split(np.asarray(split.images), np.asarray(split.labels), split.ids)

    return replace(data, train=plain(data.train), val=plain(data.val), test=plain(data.test))


def _useless_cluster(error: Exception) -> Exception:
    """What to raise where no run of the study can succeed on the cluster as it is."""
    if isinstance(error, BakeoffError):
        return BakeoffError(str(error))
    return BakeoffError(
        f"a node of the Ray cluster cannot do runs ({type(error).__name__}: {error}); install the same "
        "version of bakeoff[ray] on each node"
    )
