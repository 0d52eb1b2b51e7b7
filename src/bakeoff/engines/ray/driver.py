"""The driver of a study on Ray: hands out runs, takes in what they stream back, writes the study folder."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
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
from bakeoff.engines.engine import EpochDone, Event, Job, RunFailed, RunFinished, RunRetried, RunStarted, Task
from bakeoff.engines.one_run import FolderOutput, clear_log, failure_of
from bakeoff.engines.processes import MAX_DEATHS, ONE_THREAD, SAFE_PATH
from bakeoff.engines.ray.task import (
    LogGrown,
    Message,
    Placed,
    Printed,
    RunResult,
    Shared,
    StateSaved,
    code_versions,
    ray_task,
)
from bakeoff.engines.schedule import RunQueue
from bakeoff.errors import BakeoffError
from bakeoff.kernels.library import SWITCH
from bakeoff.own_code import collect_own_code, digest_of
from bakeoff.store import Layout

SECONDS_BETWEEN_LOOKS = 2.0
"""At the nodes of the cluster: which are there, which were lost."""

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
        self._queue = RunQueue(tasks, job.study)
        self._running: dict[ray.ObjectRefGenerator, Task] = {}
        self._places: dict[Task, str] = {}
        self._deaths: Counter[Task] = Counter()
        self._most_at_once = 0
        self._next_look = time.monotonic()
        self._data = open_image_data(job.data_directory)
        own_code = collect_own_code(job.study.own_classes)
        self._shared = ray.put(Shared(job.study, _in_memory(self._data), own_code, num_workers))
        self._versions = code_versions()
        # Ray gives a process to runs of one environment only: other code, other process.
        variables = {**ONE_THREAD, **SAFE_PATH, "BAKEOFF_OWN_CODE": digest_of(own_code)}
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
            while self._queue or self._running:
                yield from self._look_at_nodes()
                while self._queue and len(self._running) < self._most_at_once:
                    self._hand_out(self._queue.take(self._most_at_once))
                for stream in self._ready():
                    yield from self._take_from(stream)
        finally:
            for stream in self._running:
                self._cancel(stream)

    def _look_at_nodes(self) -> Iterator[Event]:
        """Now and then, see how large the cluster is, and which runs went with a node.

        Of a node that fell silent (its power, its network) Ray's own connections learn minutes later than the
        cluster does.
        """
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        nodes = {node["NodeID"]: node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]}
        self._most_at_once = self._limit or HANDED_OUT_A_CORE * max(int(sum(nodes.values())), 1)
        for stream, task in list(self._running.items()):
            if self._places.get(task, "") not in {"", *nodes}:
                self._cancel(stream)
                yield self._lost(stream, LOST[NodeDiedError])

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
        ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
        found: list[ray.ObjectRefGenerator] = ready or first
        return found

    def _take_from(self, stream: ray.ObjectRefGenerator) -> Iterator[Event]:
        task = self._running[stream]
        try:
            batch: list[Message] = ray.get(next(stream))
        except StopIteration:
            yield self._end(stream, RunFailed(task, "it ended without a result", try_again=True))
        except RayTaskError as error:
            raise _useless_cluster(error.cause) from error
        except HOPELESS as error:
            raise _useless_cluster(error) from error
        except RayError as error:
            yield self._lost(stream, LOST.get(type(error), f"the worker was lost ({type(error).__name__})"))
        else:
            yield from self._take_in(stream, batch)

    def _lost(self, stream: ray.ObjectRefGenerator, reason: str) -> Event:
        task = self._running[stream]
        self._deaths[task] += 1
        if self._deaths[task] < MAX_DEATHS:
            self._queue.put_back(task)
            return self._end(stream, RunRetried(task, reason))
        return self._end(stream, RunFailed(task, reason, try_again=True))

    def _take_in(self, stream: ray.ObjectRefGenerator, batch: Sequence[Message]) -> Iterator[Event]:
        task = self._running[stream]
        for message in batch:
            try:
                self._write(task, message)
            except Exception as error:
                self._cancel(stream)
                message = failure_of(task, error)
            if isinstance(message, RunFinished | RunFailed):
                yield self._end(stream, message)
                return
            if isinstance(message, RunStarted | EpochDone):
                self._queue.learn(message)
                yield message

    def _end(self, stream: ray.ObjectRefGenerator, event: Event) -> Event:
        del self._running[stream]
        self._places.pop(event.task, None)
        return event

    def _write(self, task: Task, message: Message) -> None:
        """Write to the study folder what belongs there; note or print the rest."""
        output = self._output(task)
        match message:
            case Placed():
                self._places[task] = message.node_id
            case RunStarted():
                keep_in_cache(self._job.data_directory)
                clear_log(output)
            case StateSaved():
                output.states.save(message.state, message.epoch, message.val_accuracy)
                del self._deaths[task]  # it is not the run that loses its workers
            case LogGrown():
                output.append_to_log(message.name, message.content)
            case Printed():
                print(message.text, end="", file=getattr(sys, message.stream), flush=True)
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
        "version of Bakeoff, with its extra ray, on each node"
    )
