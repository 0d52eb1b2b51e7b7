"""Reading and writing the files of a trial, and of a run with fewer training images: no weights are kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import ImageData
from bakeoff.files import cannot_write
from bakeoff.store.arrays import MemoryBudget, read_arrays
from bakeoff.store.layout import Layout
from bakeoff.store.manifest import Write, write_marked
from bakeoff.store.run_files import damaged_run, failure_reason, history_of, load_history, stored_identity
from bakeoff.study import Study

if TYPE_CHECKING:
    from bakeoff.training import TrainedRun


@dataclass(frozen=True)
class StoredTrial:
    """A trial that ended.

    Attributes
    ----------
    recipe, number
        Which one, counted from 0.
    val_logits, val_labels
        float32 [num_val_images, num_classes] of its checkpoint, and the labels; empty if it failed.
    seconds
        Wall time of all epochs.
    reason
        Why it failed; "" if it did not.
    """

    recipe: str
    number: int
    val_logits: NDArray[np.float32]
    val_labels: NDArray[np.int64]
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class SizedRun:
    """A finished run with fewer than all training images.

    Attributes
    ----------
    size
        The number of training images that the study asks for.
    num_train
        The number that the run had; another one where whole groups of images were drawn.
    test_logits
        float32 [num_test_images, num_classes] of its checkpoint.
    seconds
        Wall time of all epochs.
    """

    recipe: str
    seed: int
    size: int
    num_train: int
    test_logits: NDArray[np.float32]
    seconds: float


def save_trial(
    layout: Layout, recipe: str, number: int, identity: str, run: TrainedRun, data: ImageData
) -> None:
    """Write a finished trial, without weights: those of its setting are trained anew, with other seeds."""
    arrays = {"trial": np.array(number)}
    _save(layout, recipe, number, arrays | _predictions(recipe, identity, run, data), run)


def save_sized_run(
    layout: Layout, recipe: str, seed: int, identity: str, run: TrainedRun, data: ImageData
) -> None:
    """Write a finished run with fewer training images, to a layout `Layout.at_size`."""
    arrays = {
        "seed": np.array(seed),
        "num_train": np.array(len(data.train)),
        "train_ids": np.array(data.train.ids),
        "test_logits": run.test_logits,
        "test_labels": np.asarray(data.test.labels),
        "test_ids": np.array(data.test.ids),
    }
    _save(layout, recipe, seed, arrays | _predictions(recipe, identity, run, data), run)


def _predictions(recipe: str, identity: str, run: TrainedRun, data: ImageData) -> dict[str, Any]:
    return {
        "identity": np.array(identity),
        "recipe": np.array(recipe),
        "class_names": np.array(data.class_names),
        "checkpoint_epoch": np.array(run.checkpoint_epoch),
        "device": np.array(run.device),
        "val_logits": run.val_logits,
        "val_labels": np.asarray(data.val.labels),
        "val_ids": np.array(data.val.ids),
    }


def _save(layout: Layout, recipe: str, number: int, arrays: dict[str, Any], run: TrainedRun) -> None:
    files: dict[Path, Write] = {
        layout.history(recipe, number): history_of(run),
        layout.predictions(recipe, number): lambda file: np.savez(file, **arrays),
    }
    write_marked(files)
    for path in (layout.failure(recipe, number), layout.unfinished(recipe, number)):
        path.unlink(missing_ok=True)


def remove_trial(layout: Layout, recipe: str, number: int) -> None:
    """Remove a trial, or a run with fewer images, of another setting.

    Raises
    ------
    BakeoffError
        If it cannot be removed.
    """
    try:
        shutil.rmtree(layout.run(recipe, number))
    except OSError as error:
        raise cannot_write(layout.run(recipe, number), error, act="remove") from error


def load_trials(layout: Layout, study: Study) -> tuple[StoredTrial, ...]:
    """Read the trials of a study that ended, in the order of `Study.all_trials`.

    Raises
    ------
    BakeoffError
        If a file is damaged.
    """
    trials = layout.trials
    loaded = [_load_trial(trials, name, number) for name, number in study.all_trials]
    return tuple(trial for trial in loaded if trial is not None)


def _load_trial(layout: Layout, recipe: str, number: int) -> StoredTrial | None:
    stored = stored_identity(layout, recipe, number)
    if stored is None:
        return None
    if stored[0] == "failed":
        nothing = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
        return StoredTrial(recipe, number, *nothing, 0.0, failure_reason(layout, recipe, number))
    try:
        logits, labels = read_arrays(layout.predictions(recipe, number), "val_logits", "val_labels")
        if logits.ndim != 2 or logits.dtype != np.float32 or not np.isfinite(logits).all():
            raise ValueError(
                f"val_logits are {logits.dtype} {logits.shape}, expected finite float32, two axes"
            )
        if labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu" or not len(labels):
            raise ValueError(f"val_labels are {labels.dtype} {labels.shape}, expected one label per image")
        if labels.min() < 0 or labels.max() >= logits.shape[1]:
            raise ValueError(f"val_labels are {labels.min()}..{labels.max()}")
        history = load_history(layout.history(recipe, number))
    except (OSError, ValueError) as error:
        raise damaged_run(layout, recipe, number, error) from error
    return StoredTrial(recipe, number, logits, labels, float(history["seconds"].sum()))


def load_sized_runs(
    layout: Layout, study: Study, num_train: int, test_shape: tuple[int, int], budget: MemoryBudget
) -> tuple[SizedRun, ...]:
    """Read the finished runs with fewer than all training images, in the order of `Study.sized_runs`.

    Parameters
    ----------
    num_train
        All training images.
    test_shape
        Test images and classes.
    budget
        For all runs of the study together.

    Raises
    ------
    BakeoffError
        If a file is damaged.
    """
    loaded = []
    for size, recipe, seed in study.sized_runs(num_train):
        place = layout.at_size(size)
        stored = stored_identity(place, recipe, seed)
        if stored is None or stored[0] == "failed":
            continue
        try:
            logits, number = read_arrays(place.predictions(recipe, seed), "test_logits", "num_train")
            if logits.shape != test_shape or logits.dtype != np.float32 or not np.isfinite(logits).all():
                raise ValueError(
                    f"test_logits are {logits.dtype} {logits.shape}, expected finite float32 {test_shape}"
                )
            if number.shape != () or number.dtype.kind not in "iu" or not 0 < number <= num_train:
                raise ValueError(f"num_train is {number}, expected 1 to {num_train}")
            budget.take(logits)
            seconds = float(load_history(place.history(recipe, seed))["seconds"].sum())
        except (OSError, ValueError) as error:
            raise damaged_run(place, recipe, seed, error) from error
        loaded.append(SizedRun(recipe, seed, size, int(number), logits, seconds))
    return tuple(loaded)
