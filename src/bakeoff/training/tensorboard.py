"""TensorBoard: a run's curves, confusion matrix and hyperparameters in one event file."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import hparams, image

from bakeoff.errors import BakeoffError
from bakeoff.files import RESUME
from bakeoff.training.records import EpochRecord


class TensorBoardLog:
    """An observer that writes one run's event file, epoch by epoch. As a context manager, flushes at the end.

    Tags are grouped by what is measured, so that TensorBoard overlays the runs of all recipes and seeds:
    loss/train, loss/val, accuracy/train, accuracy/val, learning_rate, step/loss, step/accuracy.

    Parameters
    ----------
    directory
        Of the run, `tensorboard/RECIPE/seed-N`; recipe and seed make the run's name in TensorBoard.

    Raises
    ------
    BakeoffError
        From any method, if the disk is full or the folder cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with self._reporting_errors():
            self._file = EventFile(directory)

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        else:
            with suppress(OSError):  # the first error is the one to report
                self._file.flush()

    def _flush(self) -> None:
        with self._reporting_errors():
            self._file.flush()

    @contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        """Raise a BakeoffError if the event file cannot be written."""
        try:
            yield
        except OSError as error:
            raise BakeoffError(
                f"cannot write {self._directory}: {error.strerror or error}; {RESUME}", "path"
            ) from error

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        self._scalars({"step/loss": loss, "step/accuracy": accuracy}, step)

    def on_epoch(self, record: EpochRecord) -> None:
        scalars = {
            "loss/train": record.train_loss,
            "loss/val": record.val_loss,
            "accuracy/train": record.train_accuracy,
            "accuracy/val": record.val_accuracy,
            "learning_rate": record.learning_rate,
        }
        self._scalars(scalars, record.epoch)
        self._flush()

    def on_tested(
        self,
        settings: Mapping[str, Any],
        epoch: int,
        labels_N: NDArray[np.int64],
        logits_NK: NDArray[np.float32],
        class_names: Sequence[str],
    ) -> None:
        """Log the test split's confusion matrix and the hyperparameters with the test accuracy.

        Parameters
        ----------
        settings
            The recipe's settings by dotted path, its name, and the seed.
        epoch
            The epoch of the tested weights.
        labels_N, logits_NK
            Of the test images.
        class_names
            In label order.
        """
        predicted = logits_NK.argmax(1)
        num_classes = len(class_names)
        cells = np.bincount(labels_N * num_classes + predicted, minlength=num_classes**2)
        matrix = cells.reshape(num_classes, num_classes)
        pixels = _confusion_picture(tuple(class_names)).draw(matrix)
        picture = image("confusion_matrix/test", pixels, dataformats="HWC")  # type: ignore[no-untyped-call]
        self._file.add(picture, epoch)
        accuracy = float((predicted == labels_N).mean())
        metrics = {"accuracy/test": accuracy}
        plain_settings = {
            key: value if isinstance(value, str | int | float | bool) else str(value)
            for key, value in settings.items()
        }
        for summary in hparams(plain_settings, metrics):  # type: ignore[no-untyped-call]
            self._file.add(summary)
        self._scalars(metrics, epoch)
        self._flush()

    def _scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Add all scalars in one event."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._file.add(Summary(value=values), step)


class _ConfusionPicture:
    """A figure of a confusion matrix: laid out once per worker, then filled for each run.

    The layout is a third of the work.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        num_classes = len(class_names)
        side = min(4 + 0.35 * num_classes, 16)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        self._cells = axes.imshow(np.zeros((num_classes, num_classes)), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(num_classes), class_names, rotation=90, parse_math=False)
        axes.set_yticks(range(num_classes), class_names, parse_math=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        places = np.ndindex(num_classes, num_classes) if num_classes <= 20 else ()
        self._numbers = {
            (row, column): axes.text(column, row, "", ha="center", va="center") for row, column in places
        }
        self._canvas = FigureCanvasAgg(figure)

    def draw(self, matrix_KK: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pixels [height, width, 3]."""
        shares = matrix_KK / np.maximum(matrix_KK.sum(axis=1, keepdims=True), 1)
        self._cells.set_data(shares)
        for place, number in self._numbers.items():
            number.set(text=str(matrix_KK[place]), color="white" if shares[place] > 0.5 else "black")
        self._canvas.draw()  # type: ignore[no-untyped-call]
        return np.array(self._canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


_confusion_picture = lru_cache(maxsize=1)(_ConfusionPicture)

_numbers = count()
"""Distinguish the files that a process opens in the same second."""


class EventFile:
    """Collects events and appends them to the file when it is flushed.

    PyTorch's and TensorBoard's writers pass each event to a thread, which opens the file every time: 52 to
    140 microseconds of processor time per event during training, where this takes 25 to 31.

    Parameters
    ----------
    directory
        Created if it does not exist; the file's name follows TensorBoard's pattern.

    Raises
    ------
    OSError
        Here and from `flush`, if the file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._path = directory / f"events.out.tfevents.{name}"
        self._pending = io.BytesIO()
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def add(self, summary: Summary, step: int = 0) -> None:
        """Add an event."""
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        """Append the events since the last flush to the file."""
        content, self._pending = self._pending.getvalue(), io.BytesIO()
        if content:
            with self._path.open("ab") as file:
                file.write(content)

    def _write(self, event: Event) -> None:
        RecordWriter(self._pending).write(event.SerializeToString())
