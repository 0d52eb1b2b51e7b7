"""TensorBoard: a run's curves, its confusion matrix and its hyperparameters in one event file."""

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
from bakeoff.training.records import EpochRecord


class TensorBoardLog:
    """An observer that writes one run's event file, epoch by epoch. A context manager, whose end flushes.

    Tags are grouped by what is measured, so that TensorBoard lays the runs of all recipes and seeds over one
    another: loss/train, loss/val, accuracy/train, accuracy/val, learning_rate, step/loss, step/accuracy.

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
        with self._telling():
            self._file = EventFile(directory)

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        else:
            with suppress(OSError):  # the first error is the one to tell
                self._file.flush()

    def _flush(self) -> None:
        with self._telling():
            self._file.flush()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell in words that the event file cannot be written."""
        try:
            yield
        except OSError as error:
            raise BakeoffError(
                f"cannot write {self._directory}: {error.strerror or error}; free some space or choose "
                "another folder with --out (what was finished is intact)"
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
            The recipe's by dotted path, its name, and the seed.
        epoch
            Whose weights were tested.
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
        found = {"accuracy/test": accuracy}
        plain = {
            key: value if isinstance(value, str | int | float | bool) else str(value)
            for key, value in settings.items()
        }
        for summary in hparams(plain, found):  # type: ignore[no-untyped-call]
            self._file.add(summary)
        self._scalars(found, epoch)
        self._flush()

    def _scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """All in one event."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._file.add(Summary(value=values), step)


class _ConfusionPicture:
    """A confusion matrix with its classes: laid out once, filled in for each run of a worker.

    Laying it out is a third of the work.
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
"""Files that a process opens in the same second differ by these."""


class EventFile:
    """Gathers events and appends them when it is flushed.

    PyTorch's and TensorBoard's writers hand each event to a thread, which opens the file for each: 52 to 140
    microseconds of processor time an event while a model is trained, where this takes 25 to 31.

    Parameters
    ----------
    directory
        Made if it is not there; the file in it is named as TensorBoard looks for it.

    Raises
    ------
    OSError
        Here and from `flush`, if the file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._path = directory / f"events.out.tfevents.{name}"
        self._waiting = io.BytesIO()
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def add(self, summary: Summary, step: int = 0) -> None:
        """Gather an event."""
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        """Append what was gathered since the last time to the file."""
        content, self._waiting = self._waiting.getvalue(), io.BytesIO()
        if content:
            with self._path.open("ab") as file:
                file.write(content)

    def _write(self, event: Event) -> None:
        RecordWriter(self._waiting).write(event.SerializeToString())
