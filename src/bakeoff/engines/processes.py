"""The engine for one machine: worker processes with one thread and one run at a time each."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType

from bakeoff.engines.engine import Event, Job, RunFailed, RunFinished, RunRetried, Task
from bakeoff.engines.schedule import RunQueue
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.text import quiet_libraries

SECONDS_TO_STOP = 5.0
MAX_DEATHS = 3
"""A run fails when this many workers have died during it."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment variables of a worker: the numerical libraries use one thread."""
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""A worker that starts imports no `copy.py` of the current folder; later it has the path of the driver."""


class ProcessEngine:
    """Runs on this machine. As a context manager it reuses its workers from one `do` to the next.

    Parameters
    ----------
    num_workers
        Processes, one thread each; by default one per core.
    """

    device = "cpu"

    def __init__(self, num_workers: int | None = None) -> None:
        self.num_workers = num_workers or available_cores()
        self._idle: list[_Worker] = []
        self._keeps_workers = False

    def __enter__(self) -> ProcessEngine:
        self._keeps_workers = True
        return self

    def __exit__(self, *error: object) -> None:
        self._keeps_workers = False
        _stop(self._idle)

    def start(self, num_runs: int) -> None:
        """Start the workers for this many runs: they load PyTorch while the caller reads images."""
        self._idle += _start(min(self.num_workers, num_runs) - len(self._idle))

    def do(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        """Execute all tasks and yield events as they occur.

        When a worker dies, a new one resumes its run from the last saved state; a run during which three
        workers died is reported as failed.
        """
        queue = RunQueue(tasks, job.study)
        deaths: Counter[Task] = Counter()
        self.start(len(tasks))
        workers, self._idle = self._idle, []
        try:
            for worker in workers[: len(tasks)]:
                worker.give(queue.take(self.num_workers), job)
            while busy := [worker for worker in workers if worker.task is not None]:
                ready = set(wait([worker.connection for worker in busy]))
                for worker in busy:
                    if worker.connection not in ready:
                        continue
                    event = worker.receive()
                    if isinstance(event, _WorkerDied):
                        workers.remove(worker)
                        worker.stop()
                        deaths[event.task] += 1
                        if deaths[event.task] < MAX_DEATHS:
                            queue.put_back(event.task)
                            yield RunRetried(event.task, event.reason)
                        else:
                            yield RunFailed(event.task, event.reason, try_again=True)
                        if queue:
                            workers += _start(1)
                            workers[-1].give(queue.take(self.num_workers), job)
                        continue
                    queue.learn(event)
                    if isinstance(event, RunFinished | RunFailed):
                        worker.task = None
                        if queue:
                            worker.give(queue.take(self.num_workers), job)
                    yield event
        finally:
            if self._keeps_workers:
                self._idle = [worker for worker in workers if worker.task is None]
            _stop([worker for worker in workers if worker not in self._idle])


def _start(num_workers: int) -> list[_Worker]:
    workers: list[_Worker] = []
    try:
        with _worker_environment(), _without_main_script(), _ignoring_ctrl_c():
            while len(workers) < num_workers:
                workers.append(_Worker.start())
    except OSError as error:  # too many open files or processes
        _stop(workers)
        raise BakeoffError(
            f"cannot start worker process {len(workers) + 1} of {num_workers}: {error.strerror or error}; "
            "choose fewer jobs, or raise the limits on open files and processes (ulimit -n, ulimit -u)",
            "jobs",
        ) from error
    return workers


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.stop()


@contextmanager
def _worker_environment() -> Iterator[None]:
    """Set the environment variables that processes started inside read when they start."""
    before = {name: os.environ.get(name) for name in (*ONE_THREAD, *SAFE_PATH)}
    os.environ.update(ONE_THREAD | SAFE_PATH)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_main_script() -> Iterator[None]:
    """Processes started inside do not import the main script: they need nothing from it.

    So the script may call `run` outside of `if __name__ == "__main__":`, and come from standard input.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C, which is sent to the whole group: the driver handles it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where a worker ignores it as soon as it can
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class _WorkerDied:
    task: Task
    reason: str


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    task: Task | None = None

    @classmethod
    def start(cls) -> _Worker:
        context = multiprocessing.get_context("spawn")
        driver_end, worker_end = context.Pipe()
        process = context.Process(target=_work, args=(worker_end,), daemon=True)
        process.start()
        worker_end.close()  # so that it is closed when the worker dies
        return cls(process, driver_end)

    def give(self, task: Task, job: Job) -> None:
        self.task = task
        with suppress(BrokenPipeError, ConnectionResetError):  # receive() reports a dead worker
            self.connection.send((task, job))

    def receive(self) -> Event | _WorkerDied:
        assert self.task is not None
        try:
            event: Event = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(SECONDS_TO_STOP)
            return _WorkerDied(self.task, f"the worker process died ({_exit_text(self.process.exitcode)})")
        return event

    def stop(self) -> None:
        self.connection.close()
        self.process.join(SECONDS_TO_STOP)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _work(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet_libraries()
    gc.disable()  # until everything is loaded: garbage collection took a fifth of the time
    # Imported in the worker: the driver needs neither TensorBoard nor its dependencies.
    from bakeoff.engines.worker import work

    work(connection)


def _exit_text(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        hint = ", often for lack of memory" if exit_code == -9 else ""
        return f"killed by signal {-exit_code}{hint}"
    return f"exit code {exit_code}"
