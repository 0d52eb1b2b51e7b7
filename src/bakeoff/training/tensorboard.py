"""TensorBoard: a run's curves, confusion matrix and hyperparameters in one event file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams

from bakeoff.files import cannot_write
from bakeoff.text import ignoring_missing_glyphs
from bakeoff.training.event_file import EventFile
from bakeoff.training.records import EpochRecord

MAX_CLASSES_WITH_NUMBERS = 20
"""Of the picture of a confusion matrix; with more classes it has colors only."""


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

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
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
            raise cannot_write(self._directory, error, "path") from error

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
        self._scalars({tag: value for tag, value in scalars.items() if not isnan(value)}, record.epoch)
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
        with ignoring_missing_glyphs():
            picture = _confusion_picture(tuple(class_names)).draw(matrix)
        self._file.add(_image("confusion_matrix/test", picture), epoch)
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


def _image(tag: str, picture: Image.Image) -> Summary:
    """A picture as PNG; PyTorch's function converts and resizes it first, which takes as long again."""
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=3)
    image = Summary.Image(
        width=picture.width, height=picture.height, colorspace=3, encoded_image_string=content.getvalue()
    )
    return Summary(value=[Summary.Value(tag=tag, image=image)])


_NUM_BLUES = 235

_BLUES = colormaps["Blues"](np.linspace(0, 1, _NUM_BLUES))[:, :3]

_PALETTE = np.concatenate([[[1, 1, 1]], _BLUES, np.linspace(_BLUES[-1], 0, 255 - _NUM_BLUES)])
"""White, the blues from light to dark, black: a level between two is a shade between their colors."""


class _Cells:
    """The rows or the columns of a matrix that is drawn from pixel `start` to pixel `end`.

    Attributes
    ----------
    centers
        Of each row or column, in pixels.
    pixels, of_pixel
        The pixels inside the frame, and the row or column that each is in.
    """

    def __init__(self, start: float, end: float, number: int) -> None:
        edges = np.linspace(start, end, number + 1)
        inside = np.arange(round(start) + 1, round(end) - 1)
        self.centers = (edges[:-1] + edges[1:]) / 2
        self.pixels = slice(round(start) + 1, round(start) + 1 + len(inside))
        self.of_pixel = np.searchsorted(edges, inside + 0.5) - 1


class _ConfusionPicture:
    """A picture of a confusion matrix: the axes drawn once per worker, and the cells filled in for each run.

    A figure of matplotlib for each run took 80 ms of processor time, as much as an epoch of a small study.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        num_classes = len(class_names)
        side = min(4 + 0.35 * num_classes, 16)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(-0.5, num_classes - 0.5), ylim=(num_classes - 0.5, -0.5), box_aspect=1)
        axes.set_xticks(range(num_classes), class_names, rotation=90, parse_math=False)
        axes.set_yticks(range(num_classes), class_names, parse_math=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        # Levels of `_PALETTE`: black on white, with shades between.
        self._axes = 255 - np.asarray(canvas.buffer_rgba())[..., 0]  # type: ignore[no-untyped-call]
        area, height = axes.get_window_extent(), len(self._axes)
        self._rows = _Cells(height - area.y1, height - area.y0, num_classes)
        self._columns = _Cells(area.x0, area.x1, num_classes)
        self._font = ImageFont.truetype(findfont(FontProperties()), figure.dpi * rcParams["font.size"] / 72)
        # Most cells have the number that they had in another run.
        self._font.getmask2 = lru_cache(maxsize=10_000)(self._font.getmask2)  # type: ignore[method-assign, assignment]

    def draw(self, matrix_KK: NDArray[np.int64]) -> Image.Image:
        """The picture, with a palette: a third of the work of RGB."""
        shares = matrix_KK / np.maximum(matrix_KK.sum(axis=1, keepdims=True), 1)
        pixels, rows, columns = self._axes.copy(), self._rows, self._columns
        levels = (1 + shares * (_NUM_BLUES - 1)).astype(np.uint8)
        pixels[rows.pixels, columns.pixels] = levels[:, columns.of_pixel][rows.of_pixel]
        picture = Image.fromarray(pixels)
        if len(matrix_KK) <= MAX_CLASSES_WITH_NUMBERS:
            drawing = ImageDraw.Draw(picture)
            for (row, column), count in np.ndenumerate(matrix_KK):
                center = (float(columns.centers[column]), float(rows.centers[row]))
                level = 0 if shares[row, column] > 0.5 else 255
                drawing.text(center, str(count), level, self._font, anchor="mm")
        picture.putpalette((255 * _PALETTE).astype(np.uint8).tobytes())
        return picture


_confusion_picture = lru_cache(maxsize=1)(_ConfusionPicture)
