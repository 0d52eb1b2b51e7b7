"""The driver of a study on Ray: submits runs, receives what they stream back, writes the study folder."""

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
from bakeoff.models.weights_file import collect_weights
from bakeoff.own_code import collect_own_code, digest_of

SECONDS_BETWEEN_CHECKS = 2.0
"""Of the nodes of the cluster: which are alive, which were lost."""

SUBMITTED_PER_CORE = 2
"""Runs submitted to the cluster per core: the next one is ready when one ends, and waiting tasks make an
autoscaling cluster grow."""

REASONS_FOR_LOSS = {
    WorkerCrashedError: "the worker process died",
    NodeDiedError: "the node was lost",
    OutOfMemoryError: "the worker process was stopped for lack of memory on its node",
}

FATAL_ERRORS = (LocalRayletDiedError, RuntimeEnvSetupError, TaskUnschedulableError)


class RayDriver:
    """The runs of one study on a cluster that this process is connected to.

    Parameters
    ----------
    tasks, job
        As for `Engine.do`.
    num_workers
        Runs at the same time now.
    limit
        The maximum; None for as many as the cluster has cores, however it grows.
    """

    def __init__(self, tasks: Sequence[Task], job: Job, num_workers: int, limit: int | None) -> None:
        self._job, self._limit = job, limit
        self._queue = RunQueue(tasks, job.study)
        self._running: dict[ray.ObjectRefGenerator, Task] = {}
        self._nodes: dict[Task, str] = {}
        self._deaths: Counter[Task] = Counter()
        self._max_submitted = 0
        self._next_check = time.monotonic()
        # Trials alone, or runs alone: the test images do not leave this machine while recipes are tuned.
        with_test = not all(task.trial for task in tasks)
        self._data = open_image_data(job.data_directory, with_test=with_test)
        own_code = collect_own_code(job.study.own_classes)
        weights = collect_weights(job.study.weights)
        data = _in_memory(self._data)
        self._shared = ray.put(Shared(job.study, data, own_code, weights, num_workers, job.groups))
        self._versions = code_versions()
        # Ray reuses a worker process only for the same environment, so other code gets other processes.
        variables = {**ONE_THREAD, **SAFE_PATH, "BAKEOFF_OWN_CODE": digest_of(own_code)}
        if SWITCH in os.environ:
            variables[SWITCH] = os.environ[SWITCH]
        options = {
            "num_cpus": 1,
            "num_returns": "streaming",
            "max_retries": 0,  # Ray would start over, not resume from the last state
            "runtime_env": {"env_vars": variables},
        }
        self._remote = ray.remote(**options)(ray_task)

    def do(self) -> Generator[Event, None, None]:
        """Execute all tasks and yield events as they occur."""
        try:
            while self._queue or self._running:
                yield from self._check_nodes()
                while self._queue and len(self._running) < self._max_submitted:
                    self._submit(self._queue.take(self._max_submitted))
                for stream in self._ready_streams():
                    yield from self._receive_from(stream)
        finally:
            for stream in self._running:
                self._cancel(stream)

    def _check_nodes(self) -> Iterator[Event]:
        """From time to time, check the size of the cluster, and which runs were lost with a node.

        Without this, a node that is unreachable (power, network) would be noticed minutes later, by Ray's
        connections.
        """
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + SECONDS_BETWEEN_CHECKS
        nodes = {node["NodeID"]: node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]}
        self._max_submitted = self._limit or SUBMITTED_PER_CORE * max(int(sum(nodes.values())), 1)
        for stream, task in list(self._running.items()):
            if self._nodes.get(task, "") not in {"", *nodes}:
                self._cancel(stream)
                yield self._lost(stream, REASONS_FOR_LOSS[NodeDiedError])

    def _submit(self, task: Task) -> None:
        state = self._output(task).states.load()
        # In a list, so that Ray does not resolve the reference for each task: a worker reads it once.
        stream = self._remote.remote(self._versions, [self._shared], task, state)
        self._running[stream] = task

    def _ready_streams(self) -> list[ray.ObjectRefGenerator]:
        streams = list(self._running)
        first, _ = ray.wait(streams, num_returns=1, timeout=SECONDS_BETWEEN_CHECKS)
        if not first:
            return []
        ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
        result: list[ray.ObjectRefGenerator] = ready or first
        return result

    def _receive_from(self, stream: ray.ObjectRefGenerator) -> Iterator[Event]:
        task = self._running[stream]
        try:
            batch: list[Message] = ray.get(next(stream))
        except StopIteration:
            yield self._end(stream, RunFailed(task, "it ended without a result", try_again=True))
        except RayTaskError as error:
            raise _cluster_error(error.cause) from error
        except FATAL_ERRORS as error:
            raise _cluster_error(error) from error
        except RayError as error:
            reason = REASONS_FOR_LOSS.get(type(error), f"the worker was lost ({type(error).__name__})")
            yield self._lost(stream, reason)
        else:
            yield from self._handle(stream, batch)

    def _lost(self, stream: ray.ObjectRefGenerator, reason: str) -> Event:
        task = self._running[stream]
        self._deaths[task] += 1
        if self._deaths[task] < MAX_DEATHS:
            self._queue.put_back(task)
            return self._end(stream, RunRetried(task, reason))
        return self._end(stream, RunFailed(task, reason, try_again=True))

    def _handle(self, stream: ray.ObjectRefGenerator, batch: Sequence[Message]) -> Iterator[Event]:
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
        self._nodes.pop(event.task, None)
        return event

    def _write(self, task: Task, message: Message) -> None:
        """Write results to the study folder; record or print the other messages."""
        output = self._output(task)
        match message:
            case Placed():
                self._nodes[task] = message.node_id
            case RunStarted():
                keep_in_cache(self._job.data_directory)
                clear_log(output)
            case StateSaved():
                output.states.save(message.state, message.epoch, message.val_accuracy)
                del self._deaths[task]  # the run made progress, so it is not what kills its workers
            case LogGrown():
                output.append_to_log(message.name, message.content)
            case Printed():
                print(message.text, end="", file=getattr(sys, message.stream), flush=True)
            case RunResult():
                data = task.images(self._job.study, self._data, self._job.groups)
                output.save(message.run, data)

    def _output(self, task: Task) -> FolderOutput:
        return FolderOutput(task, self._job.study, task.layout(self._job.root))

    @staticmethod
    def _cancel(stream: ray.ObjectRefGenerator) -> None:
        with suppress(RayError):
            ray.cancel(stream, force=True)


def _in_memory(data: ImageData) -> ImageData:
    """The same data in plain arrays, because a memory map refers to a file on this machine."""

    def plain(split: Split) -> Split:
        return Split(np.asarray(split.images), np.asarray(split.labels), split.ids)

    return replace(data, train=plain(data.train), val=plain(data.val), test=plain(data.test))


def _cluster_error(error: Exception) -> BakeoffError:
    """The exception to raise if no run of the study can succeed on this cluster."""
    if isinstance(error, BakeoffError):
        return BakeoffError(str(error))
    return BakeoffError(
        f"a node of the Ray cluster cannot execute runs ({type(error).__name__}: {error}); install the same "
        "version of Bakeoff, with its extra ray, on each node"
    )
