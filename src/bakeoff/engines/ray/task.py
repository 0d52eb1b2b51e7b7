"""The task on a Ray worker: one run, which streams its events, states and result back to the driver.

No results are written to the worker's disk, which the driver may not be able to read.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import ray

from bakeoff.data.drawing import Groups
from bakeoff.data.image_data import ImageData
from bakeoff.engines.engine import Event, Task
from bakeoff.engines.one_run import failure_of
from bakeoff.errors import BakeoffError
from bakeoff.models.weights_file import make_readable
from bakeoff.own_code import OwnCode, make_importable
from bakeoff.study import Study
from bakeoff.training.records import TrainedRun

SECONDS_BETWEEN_BATCHES = 0.25
"""Messages are sent in batches; the display shows no more than four updates per second."""

BATCHES_PER_SECOND = 200
"""Limit for all runs together; each batch costs the driver some milliseconds."""

STATE_BYTES_PER_SECOND = 50e6
"""Limit for all runs together, because the driver writes each state to its disk."""


@dataclass(frozen=True)
class Shared:
    """What all runs of a study share; stored once in Ray's object store.

    Attributes
    ----------
    data
        Its arrays are read in shared memory on each node.
    weights
        The content of files of pretrained weights, by name.
    num_workers
        Runs at the same time.
    groups
        As in `Job`.
    """

    study: Study
    data: ImageData
    own_code: OwnCode
    weights: Mapping[str, bytes]
    num_workers: int
    groups: Groups | None = None


@dataclass(frozen=True)
class Placed:
    """The run was started on this node; always the first message."""

    node_id: str


@dataclass(frozen=True)
class StateSaved:
    """The state of an unfinished run, for `StateStore.save`."""

    state: bytes
    epoch: int
    val_accuracy: float


@dataclass(frozen=True)
class LogGrown:
    """Bytes to append to a file in the run's log directory."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Printed:
    """Output of a user's model, or a traceback, on `stdout` or `stderr`."""

    text: str
    stream: Literal["stdout", "stderr"]


@dataclass(frozen=True)
class RunResult:
    """A finished run; followed by `RunFinished` or `RunFailed`."""

    run: TrainedRun


Message = Event | Placed | StateSaved | LogGrown | Printed | RunResult


def ray_task(
    versions: Mapping[str, str], shared: Sequence[ray.ObjectRef], task: Task, state: bytes | None
) -> Generator[list[Message], None, None]:
    """Execute a run and yield its messages in batches.

    Parameters
    ----------
    versions
        Of the driver's code.
    shared
        Reference to a `Shared`, in a list, so that Ray does not fetch it before each run.
    state
        The state to resume from, if any.

    Raises
    ------
    BakeoffError
        If this node has other versions.
    """
    yield [Placed(ray.get_runtime_context().get_node_id())]
    _check_versions(versions)
    shared_content = _open_shared(shared[0])
    outbox = _Outbox()
    # The run has its own thread, because its observers' callbacks cannot yield from this generator.
    threading.Thread(target=_do, args=(shared_content, task, state, outbox), daemon=True).start()
    yield from outbox.batches(max(SECONDS_BETWEEN_BATCHES, shared_content.num_workers / BATCHES_PER_SECOND))


@cache
def code_versions() -> dict[str, str]:
    """The versions that must be the same on each node, including a digest of Bakeoff's source."""
    return {name: metadata.version(name) for name in ("bakeoff", "torch", "numpy")} | {
        "bakeoff's source": _source_digest()
    }


@cache
def _source_digest() -> str:
    package = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _check_versions(versions: Mapping[str, str]) -> None:
    own_versions = code_versions()
    different = [
        f"{name} {version} ({versions[name]} here)"
        for name, version in own_versions.items()
        if version != versions[name]
    ]
    if different:
        raise BakeoffError(
            f"node {ray.util.get_node_ip_address()} of the Ray cluster has {', '.join(different)}; "
            "install the same on each node, because a study must not mix results of different versions"
        )


@lru_cache(maxsize=1)
def _open_shared(reference: ray.ObjectRef) -> Shared:
    """Read the shared content, once per worker."""
    shared: Shared = ray.get(reference)
    make_importable(shared.own_code)
    make_readable(shared.weights)
    return shared


def _do(shared: Shared, task: Task, state: bytes | None, outbox: _Outbox) -> None:
    try:
        # Imported here: the driver needs neither TensorBoard nor its dependencies.
        import torch

        from bakeoff.engines.one_run import do_run

        torch.set_num_threads(1)
        stdout, stderr = _Printer("stdout", outbox.put), _Printer("stderr", outbox.put)
        with (
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            tempfile.TemporaryDirectory(prefix="bakeoff-") as folder,
        ):
            output = _StreamedOutput(Path(folder), state, shared.num_workers, outbox.put)
            do_run(task, shared.study, lambda: shared.data, output, outbox.put, shared.groups)
    except Exception as error:
        outbox.put(failure_of(task, error))
    finally:
        outbox.close()


class _Outbox:
    """Messages from the thread of the run to the generator that sends them."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def put(self, message: Message) -> None:
        with self._lock:
            if isinstance(message, StateSaved):  # replaces an earlier state
                self._messages = [other for other in self._messages if not isinstance(other, StateSaved)]
            self._messages.append(message)

    def close(self) -> None:
        self._closed.set()

    def batches(self, seconds: float) -> Generator[list[Message], None, None]:
        """Yield the new messages at this interval, and the rest immediately when closed."""
        while not self._closed.wait(seconds):
            if batch := self._pop_all():
                yield batch
        yield self._pop_all()

    def _pop_all(self) -> list[Message]:
        with self._lock:
            messages, self._messages = self._messages, []
        return messages


class _Printer(io.TextIOBase):
    """A text stream whose content the driver prints."""

    def __init__(self, stream: Literal["stdout", "stderr"], send: Callable[[Message], None]) -> None:
        self._stream, self._send = stream, send

    def write(self, text: str) -> int:
        self._send(Printed(text, self._stream))
        return len(text)


class _StreamedOutput:
    """A `RunOutput` that sends everything to the driver.

    Parameters
    ----------
    folder
        For the event file, until it is sent.
    state
        The state to resume from, if any.
    num_workers
        Runs that share `STATE_BYTES_PER_SECOND`.
    send
        Receives the messages.
    """

    def __init__(
        self, folder: Path, state: bytes | None, num_workers: int, send: Callable[[Message], None]
    ) -> None:
        self.log_directory = folder / "log"
        self.states = _StreamedStates(state, num_workers, self._send_state)
        self._send = send
        self._sent: dict[str, int] = {}

    def save(self, run: TrainedRun, data: ImageData) -> None:
        self._send_log()
        self._send(RunResult(run))

    def _send_state(self, state: StateSaved) -> None:
        self._send_log()
        self._send(state)

    def _send_log(self) -> None:
        for path in self.log_directory.iterdir():
            with path.open("rb") as file:
                file.seek(self._sent.get(path.name, 0))
                content = file.read()
                self._sent[path.name] = file.tell()
            self._send(LogGrown(path.name, content))


class _StreamedStates:
    """A `StateStore` at the driver, to which states are sent within `STATE_BYTES_PER_SECOND`."""

    def __init__(self, state: bytes | None, num_workers: int, send: Callable[[StateSaved], None]) -> None:
        self._state, self._num_workers, self._send = state, num_workers, send
        self._next_at = time.monotonic()

    def load(self) -> bytes | None:
        return self._state

    def save(self, state: bytes, epoch: int, val_accuracy: float) -> None:
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + self._num_workers * len(state) / STATE_BYTES_PER_SECOND
            self._send(StateSaved(state, epoch, val_accuracy))
