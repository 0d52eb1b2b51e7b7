"""Classifying image files with the models of a study: what `bakeoff predict` does."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from bakeoff.data import Decoding, decode_image
from bakeoff.data.loading import check_plain_file
from bakeoff.data.sources.walking import IMAGE_SUFFIXES, is_folder, is_system, suffix_of
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.predict.ensemble import Ensemble, average, load_ensemble
from bakeoff.training.evaluation import EVALUATION_BATCH_SIZE

BATCHES_AHEAD = 2
"""Batches that are decoded ahead while one is classified; bounds the memory used."""

IMAGES_PER_TASK = 50


@dataclass(frozen=True)
class ImagePrediction:
    """The prediction for one image.

    Attributes
    ----------
    image
        The path of the file.
    class_name
        The class with the highest mean probability.
    probability
        Of this class, mean over the models, 0..1.
    agreement
        The number of models that predict this class individually.
    num_models
        The number of all models.
    probabilities
        float64 [num_classes], mean over the models, in label order.
    """

    image: Path
    class_name: str
    probability: float
    agreement: int
    num_models: int
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class UnreadableImage:
    """A file that cannot be classified, and why."""

    image: Path
    reason: str


Outcome = ImagePrediction | UnreadableImage


def predict(
    study_dir: Path,
    images: Iterable[Path],
    *,
    recipe: str | None = None,
    seeds: Sequence[int] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Outcome]:
    """Classify image files with a recipe of a study; its runs are averaged as an ensemble.

    Images are decoded, resized, standardized and classified by the code of training and evaluation: the test
    images of the study, in its order, get exactly the logits that it stores.

    Parameters
    ----------
    study_dir
        A folder that `bakeoff run` wrote.
    images
        Files, and folders, which are searched for image files recursively: see `image_files`.
    recipe
        By default the one that the study supports best, or its baseline if that is undecided.
    seeds
        By default all finished ones.
    on_progress
        Called with the number of images done since the last call.

    Yields
    ------
    ImagePrediction or UnreadableImage
        One for each file, in order; the images are read in batches, so there may be any number of them.

    Raises
    ------
    BakeoffError
        If the folder, the recipe or a seed cannot be used.
    """
    ensemble = load_ensemble(study_dir, recipe=recipe, seeds=seeds)
    return predict_files(ensemble, images, on_progress=on_progress)


def predict_files(
    ensemble: Ensemble, images: Iterable[Path], *, on_progress: Callable[[int], None] | None = None
) -> Iterator[Outcome]:
    """Classify image files with loaded models; see `predict`."""
    files = image_files(images)
    num_threads = torch.get_num_threads()
    # One thread per model, as in training: dividing a sum among threads could change its last bits.
    with ThreadPoolExecutor(available_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        ahead: deque[_Batch] = deque()
        try:
            while True:
                while len(ahead) <= BATCHES_AHEAD and (batch := list(islice(files, EVALUATION_BATCH_SIZE))):
                    ahead.append(_Batch.start(batch, ensemble, pool))
                if not ahead:
                    return
                outcomes = _classify(ensemble, ahead.popleft(), pool)
                yield from outcomes
                if on_progress:
                    on_progress(len(outcomes))
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(num_threads)  # new threads inherit the number set last


class _Batch(NamedTuple):
    """Files that are being decoded in the pool, `IMAGES_PER_TASK` per task."""

    files: list[Path]
    decoded: list[Future[list[NDArray[np.uint8] | str]]]

    @classmethod
    def start(cls, files: list[Path], ensemble: Ensemble, pool: ThreadPoolExecutor) -> _Batch:
        tasks = [
            pool.submit(
                _decode, files[start : start + IMAGES_PER_TASK], ensemble.image_size, ensemble.decoding
            )
            for start in range(0, len(files), IMAGES_PER_TASK)
        ]
        return cls(files, tasks)


def _decode(files: list[Path], image_size: int, decoding: Decoding) -> list[NDArray[np.uint8] | str]:
    """Decode each file to uint8 [image_size, image_size, num_channels], or return why it cannot be."""
    decoded: list[NDArray[np.uint8] | str] = []
    for file in files:
        try:
            if file.is_dir():  # readable folders were replaced by their files
                raise BakeoffError("a folder that cannot be read")
            check_plain_file(file)
            decoded.append(decode_image(file, image_size, decoding))
        except BakeoffError as error:
            decoded.append(str(error))
        except FileNotFoundError:
            decoded.append("no such file or folder")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            decoded.append(getattr(error, "strerror", None) or str(error))
    return decoded


def _classify(ensemble: Ensemble, batch: _Batch, pool: ThreadPoolExecutor) -> list[Outcome]:
    decoded = [image for task in batch.decoded for image in task.result()]
    readable = [image for image in decoded if not isinstance(image, str)]
    if readable:
        images = np.stack(readable)
        predictions = average(list(pool.map(lambda model: model.probabilities(images), ensemble.models)))
    outcomes: list[Outcome] = []
    row = 0
    for file, image in zip(batch.files, decoded, strict=True):
        if isinstance(image, str):
            outcomes.append(UnreadableImage(file, image))
            continue
        predicted = int(predictions.predicted[row])
        outcomes.append(
            ImagePrediction(
                image=file,
                class_name=ensemble.class_names[predicted],
                probability=float(predictions.probabilities[row, predicted]),
                agreement=int(predictions.agreement[row]),
                num_models=len(ensemble.models),
                probabilities=predictions.probabilities[row],
            )
        )
        row += 1
    return outcomes


def count_images(images: Iterable[Path]) -> int:
    """Count the files that `predict` would read."""
    return sum(1 for _ in image_files(images))


def image_name(file: Path) -> str:
    """The name of a file as text that can be written as UTF-8: invalid bytes are escaped."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files among `paths`, and the image files in the folders among them, recursively.

    A file in `paths` is yielded whatever its name, and whether it exists or not. Of a folder, the files with
    an image extension are yielded in the order of their names, before those of its subfolders; hidden and
    system files and folders are skipped. Links are followed, but no folder is entered twice. Memory holds the
    names in one folder and in those above it, and the identity of each folder visited.
    """
    visited: set[tuple[int, int]] = set()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path raises on names that are too long
            yield from _images_below(path, visited)
        else:
            yield path


def _images_below(root: Path, visited: set[tuple[int, int]]) -> Iterator[Path]:
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            names, folders = _entries(folder)
        except OSError:
            yield folder  # reading it reports the reason
            continue
        yield from (folder / name for name in names)
        stack += [folder / name for name in reversed(folders)]


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The sorted names of the image files and of the folders in a folder."""
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_system(entry.name):
                continue
            if is_folder(entry):
                folders.append(entry.name)
            elif suffix_of(entry.name) in IMAGE_SUFFIXES:
                names.append(entry.name)
    return sorted(names), sorted(folders)
