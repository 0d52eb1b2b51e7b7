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

from bakeoff.data import decode_image
from bakeoff.data.loading import check_plain_file
from bakeoff.data.sources.class_folders import IMAGE_SUFFIXES
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.predict.ensemble import Ensemble, average, load_ensemble
from bakeoff.training.evaluation import EVALUATION_BATCH_SIZE

BATCHES_AHEAD = 2
"""Decoded, or being decoded, while one is classified; with the batches themselves this bounds the memory."""

IMAGES_PER_TASK = 50


@dataclass(frozen=True)
class ImagePrediction:
    """What the models say of one image.

    Attributes
    ----------
    image
        The file, as it was named or found.
    class_name
        The class with the highest mean probability.
    probability
        Of this class, mean over the models, 0..1.
    agreement
        Models that choose this class on their own.
    num_models
        In all.
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
    """A file that could not be classified, and why."""

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

    Each image is decoded, resized and standardised by what did so for training, and classified as evaluation
    does: the test images of the study, in its order, get the very logits that it stores.

    Parameters
    ----------
    study_dir
        A folder that `bakeoff run` wrote.
    images
        Files, and folders whose image files are found at any depth: see `image_files`.
    recipe
        By default the one that the study supports best, or its baseline where that is undecided.
    seeds
        By default all that are finished.
    on_progress
        Called with the number of images done since the last call.

    Yields
    ------
    ImagePrediction or UnreadableImage
        One for each file, in order; the images are read in batches, however many there are.

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
    """Classify image files with models that are loaded; see `predict`."""
    files = image_files(images)
    num_threads = torch.get_num_threads()
    # One thread a model, as in training: how a sum is cut among threads could change its last bits.
    with ThreadPoolExecutor(available_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        ahead: deque[_Batch] = deque()
        try:
            while True:
                while len(ahead) <= BATCHES_AHEAD and (batch := list(islice(files, EVALUATION_BATCH_SIZE))):
                    ahead.append(_Batch.start(batch, ensemble.image_size, pool))
                if not ahead:
                    return
                outcomes = _classify(ensemble, ahead.popleft(), pool)
                yield from outcomes
                if on_progress:
                    on_progress(len(outcomes))
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(num_threads)  # for threads that the caller starts


class _Batch(NamedTuple):
    """Files that are being decoded in the pool, some a task."""

    files: list[Path]
    decoded: list[Future[list[NDArray[np.uint8] | str]]]

    @classmethod
    def start(cls, files: list[Path], image_size: int, pool: ThreadPoolExecutor) -> _Batch:
        tasks = [
            pool.submit(_decode, files[start : start + IMAGES_PER_TASK], image_size)
            for start in range(0, len(files), IMAGES_PER_TASK)
        ]
        return cls(files, tasks)


def _decode(files: list[Path], image_size: int) -> list[NDArray[np.uint8] | str]:
    """For each file uint8 [image_size, image_size, 3], or why there is none."""
    found: list[NDArray[np.uint8] | str] = []
    for file in files:
        try:
            if file.is_dir():  # a folder that can be read is never among the files
                raise BakeoffError("a folder that cannot be read")
            check_plain_file(file)
            found.append(decode_image(file, image_size))
        except BakeoffError as error:
            found.append(str(error))
        except FileNotFoundError:
            found.append("no such file or folder")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            found.append(getattr(error, "strerror", None) or str(error))
    return found


def _classify(ensemble: Ensemble, batch: _Batch, pool: ThreadPoolExecutor) -> list[Outcome]:
    decoded = [image for task in batch.decoded for image in task.result()]
    readable = [image for image in decoded if not isinstance(image, str)]
    if readable:
        images = np.stack(readable)
        answers = average(list(pool.map(lambda model: model.probabilities(images), ensemble.models)))
    outcomes: list[Outcome] = []
    row = 0
    for file, image in zip(batch.files, decoded, strict=True):
        if isinstance(image, str):
            outcomes.append(UnreadableImage(file, image))
            continue
        predicted = int(answers.predicted[row])
        outcomes.append(
            ImagePrediction(
                image=file,
                class_name=ensemble.class_names[predicted],
                probability=float(answers.probabilities[row, predicted]),
                agreement=int(answers.agreement[row]),
                num_models=len(ensemble.models),
                probabilities=answers.probabilities[row],
            )
        )
        row += 1
    return outcomes


def count_images(images: Iterable[Path]) -> int:
    """The number of files that `predict` would read."""
    return sum(1 for _ in image_files(images))


def image_name(file: Path) -> str:
    """The name of a file as text that can be written as UTF-8: bytes that are not become escapes."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the files among `paths`, and the image files in the folders among them, at any depth.

    A file that is named is given whatever its name, and whether it is there or not. Of a folder, the files
    with an image's extension are given in the order of their names, before those of its folders; what is
    hidden is passed over. Links are followed, but no folder is entered twice. The names of one folder at a
    time are held in memory, those of the folders above it, and the identity of each folder seen.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path raises on names that are too long
            yield from _below(path, seen)
        else:
            yield path


def _below(root: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            found = os.stat(folder)  # noqa: PTH116
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
            names, folders = _entries(folder)
        except OSError:
            yield folder  # whoever reads it meets the reason
            continue
        yield from (folder / name for name in names)
        waiting += [folder / name for name in reversed(folders)]


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of image files, and of folders, in order."""
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.name)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 - for speed
                names.append(entry.name)
    return sorted(names), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; where it has an image's name, whoever reads it meets the reason
        return False
