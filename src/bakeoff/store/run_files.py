"""Reading and writing the files of one run: its results, its history, its failure."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import ImageData
from bakeoff.errors import BakeoffError
from bakeoff.files import read_text, to_json
from bakeoff.predictions import RunMaps
from bakeoff.store.arrays import MemoryBudget, read_arrays
from bakeoff.store.checks import check_attributions, check_history, check_run, read_object
from bakeoff.store.layout import Layout
from bakeoff.store.manifest import Write, write_marked
from bakeoff.study import Study
from bakeoff.text import printable

if TYPE_CHECKING:
    from bakeoff.training import TrainedRun


@dataclass(frozen=True)
class StoredRun:
    """A finished run.

    Attributes
    ----------
    history
        By column name, float64 [num_epochs]: epoch, learning_rate, train_loss, train_accuracy, val_loss,
        val_accuracy, seconds.
    test_logits
        float32 [num_test_images, num_classes].
    train_true_probability
        float16 [num_epochs, num_train_images].
    num_parameters
        None if not known: of other training code that returned no PyTorch model.
    device
        What the run was computed on, such as "cpu, avx512 kernels"; "cpu" for runs of versions that did not
        record it.
    """

    recipe: str
    seed: int
    checkpoint_epoch: int
    num_parameters: int | None
    history: dict[str, NDArray[np.float64]]
    test_logits: NDArray[np.float32]
    train_true_probability: NDArray[np.float16]
    device: str = "cpu"

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return float(self.history["seconds"].sum())


@dataclass(frozen=True)
class FailedRun:
    """A run that failed, and why."""

    recipe: str
    seed: int
    reason: str


def run_state(
    layout: Layout, recipe: str, seed: int, identity: str
) -> Literal["finished", "failed", "missing", "other"]:
    """The state of the run with this identity; "other" if the stored run has another identity."""
    stored = stored_identity(layout, recipe, seed)
    if stored is None:
        return "missing"
    state, known_identity = stored
    if state == "failed" and (
        known_identity != identity or read_object(layout.failure(recipe, seed)).get("try_again")
    ):
        return "missing"
    return state if known_identity == identity else "other"


def stored_identity(
    layout: Layout, recipe: str, seed: int
) -> tuple[Literal["finished", "failed"], str] | None:
    """The state and the identity of a stored run; None if it neither finished nor failed."""
    has_weights = not layout.keeps_weights or layout.weights(recipe, seed).is_file()
    complete = has_weights and layout.history(recipe, seed).is_file()
    if complete and layout.predictions(recipe, seed).is_file():
        try:
            (identity,) = read_arrays(layout.predictions(recipe, seed), "identity")
        except (OSError, ValueError):
            return None
        return "finished", str(identity)
    failure = read_object(layout.failure(recipe, seed))
    return ("failed", str(failure["identity"])) if "identity" in failure else None


def failure_reason(layout: Layout, recipe: str, seed: int) -> str:
    """Why a run failed, from its failure.json."""
    return str(read_object(layout.failure(recipe, seed)).get("reason", "unknown"))


def load_run(
    layout: Layout, recipe: str, seed: int, test_shape: tuple[int, int], budget: MemoryBudget
) -> StoredRun:
    """Read a finished run; `test_shape` is (num_test_images, num_classes), `budget` is for all runs together.

    Raises
    ------
    BakeoffError
        If one of its files is damaged.
    """
    try:
        epoch, num_parameters, logits, dynamics, device = read_arrays(
            layout.predictions(recipe, seed),
            "checkpoint_epoch",
            "num_parameters",
            "test_logits",
            "train_true_probability",
            "device",
            missing={"device": np.array("cpu")},
        )
        check_run(test_shape, (epoch, num_parameters), logits, dynamics)
        budget.take(logits, dynamics)
        return StoredRun(
            recipe=recipe,
            seed=seed,
            checkpoint_epoch=int(epoch),
            num_parameters=int(num_parameters) or None,
            history=load_history(layout.history(recipe, seed)),
            test_logits=logits,
            train_true_probability=dynamics,
            device=_device(device),
        )
    except (OSError, ValueError) as error:
        raise damaged_run(layout, recipe, seed, error) from error


def _device(device: NDArray[Any]) -> str:
    if device.shape != () or device.dtype.kind != "U":
        raise ValueError(f"device is {device.dtype} {device.shape}, expected a string")
    return printable(str(device))


def load_features(
    layout: Layout, recipe: str, seed: int, budget: MemoryBudget
) -> tuple[NDArray[np.float16], NDArray[np.float16]] | None:
    """Read a run's features of the test and the training images, float16 [num_images, num_features].

    None if there are none: the model has no penultimate layer, or an older version trained it.

    Raises
    ------
    BakeoffError
        If the file is damaged.
    """
    path = layout.features(recipe, seed)
    if not path.exists():
        return None
    try:
        test, train = read_arrays(path, "test", "train")
        budget.take(test, train)
    except (OSError, ValueError) as error:
        raise damaged_run(layout, recipe, seed, error) from error
    return test, train


def load_attributions(layout: Layout, recipe: str, seed: int, num_test_images: int) -> RunMaps:
    """Read a run's attribution maps of the test images that it misclassifies.

    There is no such file if the model has no gradient, or an older version trained it.

    Raises
    ------
    BakeoffError
        If the file is damaged.
    """
    try:
        arrays = read_arrays(layout.attributions(recipe, seed), "image_indices", "maps", "scale", "error")
        check_attributions(num_test_images, *arrays)
    except (OSError, ValueError) as error:
        raise damaged_run(layout, recipe, seed, error) from error
    indices, maps, scale, completeness_error = arrays
    return RunMaps(indices, maps * scale[:, None, None], completeness_error)


def load_history(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read the columns of a history.csv by name, float64 [num_epochs].

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged.
    """
    try:
        header, *rows = csv.reader(io.StringIO(read_text(path), newline=""))
    except csv.Error as error:
        raise ValueError(f"{path.name} is not a CSV file: {error}") from error
    if not rows:
        raise ValueError(f"{path.name} has no epochs")
    columns = np.array(rows, dtype=np.float64).T
    history = dict(zip(header, columns, strict=True))
    check_history(history)
    return history


def damaged_run(layout: Layout, recipe: str, seed: int, error: Exception) -> BakeoffError:
    """The error for a run whose files cannot be read, or are inconsistent."""
    return BakeoffError(
        f"{layout.run(recipe, seed)} is damaged ({error}); delete it and run the study again to retrain it"
    )


def history_of(run: TrainedRun) -> Write:
    """Writes the history.csv of a run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(type(run.history[0]).__dataclass_fields__)
    writer.writerows(astuple(record) for record in run.history)
    return lambda file: file.write(text.getvalue().encode())


def save_run(
    layout: Layout, study: Study, recipe: str, seed: int, identity: str, run: TrainedRun, data: ImageData
) -> None:
    """Write a finished run. predictions.npz is put in place last: if it exists, the run is complete."""
    from safetensors.torch import save

    # A single metadata entry, because safetensors writes several in no fixed order.
    metadata = {
        "recipe": recipe,
        "seed": seed,
        "settings": study.recipes[recipe].without_search.model_dump(mode="json", exclude_none=True),
        "class_names": data.class_names,
        "preprocessing": run.preprocessing.to_dict(),
        "checkpoint_epoch": run.checkpoint_epoch,
        "identity": identity,
    }
    weights = {name: value.contiguous() for name, value in run.weights.items()}
    content = save(weights, {"bakeoff": json.dumps(metadata)})
    files: dict[Path, Write] = {
        layout.history(recipe, seed): history_of(run),
        layout.weights(recipe, seed): lambda file: file.write(content),
    }
    if (exported := run.exported) is not None:
        files[layout.exported(recipe, seed)] = lambda file: file.write(exported)
    if run.test_features is not None and run.train_features is not None:
        features: dict[str, Any] = {
            "identity": np.array(identity),
            "test": run.test_features,
            "train": run.train_features,
        }
        files[layout.features(recipe, seed)] = lambda file: np.savez(file, **features)

    if run.attributions is not None:
        attributions: dict[str, Any] = {"identity": np.array(identity), **vars(run.attributions)}
        files[layout.attributions(recipe, seed)] = lambda file: np.savez_compressed(file, **attributions)

    arrays: dict[str, Any] = {
        "identity": np.array(identity),
        "recipe": np.array(recipe),
        "seed": np.array(seed),
        "class_names": np.array(data.class_names),
        "checkpoint_epoch": np.array(run.checkpoint_epoch),
        "num_parameters": np.array(run.num_parameters),
        "device": np.array(run.device),
        "val_logits": run.val_logits,
        "val_labels": np.asarray(data.val.labels),
        "val_ids": np.array(data.val.ids),
        "test_logits": run.test_logits,
        "test_labels": np.asarray(data.test.labels),
        "test_ids": np.array(data.test.ids),
        "train_true_probability": run.train_true_probability,
        "val_true_probability": run.val_true_probability,
    }
    files[layout.predictions(recipe, seed)] = lambda file: np.savez(file, **arrays)
    write_marked(files, remove=[layout.attributions(recipe, seed), layout.exported(recipe, seed)])
    for path in (layout.failure(recipe, seed), layout.unfinished(recipe, seed)):
        with suppress(OSError):  # the run is complete; the next command removes what is left
            path.unlink()


def save_failure(
    layout: Layout, recipe: str, seed: int, identity: str, reason: str, *, try_again: bool
) -> None:
    """Record that a run failed, why, and whether the next `bakeoff run` should try it again."""
    content = to_json({"identity": identity, "reason": reason, "try_again": try_again})
    write_marked({layout.failure(recipe, seed): lambda file: file.write(content.encode())})
