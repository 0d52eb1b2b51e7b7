"""The files of one run: its results, its history, its failure; written and read here."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import ImageData
from bakeoff.errors import BakeoffError
from bakeoff.files import to_json, write_atomically, write_text
from bakeoff.predictions import RunMaps
from bakeoff.store.arrays import array_names, read_arrays
from bakeoff.store.checks import check_attributions, check_history, check_run
from bakeoff.store.layout import Layout
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
    device
        What computed it, such as "cpu, avx512 kernels"; "cpu" for a run of a version that did not say.
    """

    recipe: str
    seed: int
    checkpoint_epoch: int
    num_parameters: int
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
    """A run that could not be finished."""

    recipe: str
    seed: int
    reason: str


def run_state(
    layout: Layout, recipe: str, seed: int, identity: str
) -> Literal["finished", "failed", "missing", "other"]:
    """Whether a run of this identity is there; "other" if the run there has another identity."""
    found = stored_identity(layout, recipe, seed)
    if found is None:
        return "missing"
    state, stored = found
    if state == "failed" and (stored != identity or _failure(layout, recipe, seed).get("try_again")):
        return "missing"
    return state if stored == identity else "other"


def stored_identity(
    layout: Layout, recipe: str, seed: int
) -> tuple[Literal["finished", "failed"], str] | None:
    """Whether a finished or failed run is there, and its identity."""
    complete = layout.weights(recipe, seed).is_file() and layout.history(recipe, seed).is_file()
    if complete and layout.predictions(recipe, seed).is_file():
        try:
            (identity,) = read_arrays(layout.predictions(recipe, seed), "identity")
        except (OSError, ValueError):
            return None
        return "finished", str(identity)
    failure = _failure(layout, recipe, seed)
    return ("failed", str(failure["identity"])) if "identity" in failure else None


def failure_reason(layout: Layout, recipe: str, seed: int) -> str:
    """Why a run failed, from its failure.json."""
    return str(_failure(layout, recipe, seed).get("reason", "unknown"))


def _failure(layout: Layout, recipe: str, seed: int) -> dict[str, Any]:
    try:
        content = json.loads(layout.failure(recipe, seed).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def load_run(layout: Layout, recipe: str, seed: int, test_shape: tuple[int, int]) -> StoredRun:
    """A finished run; `test_shape` is (num_test_images, num_classes).

    Raises
    ------
    BakeoffError
        If one of its files is damaged.
    """
    try:
        epoch, num_parameters, logits, dynamics = read_arrays(
            layout.predictions(recipe, seed),
            "checkpoint_epoch",
            "num_parameters",
            "test_logits",
            "train_true_probability",
        )
        check_run(test_shape, (epoch, num_parameters), logits, dynamics)
        return StoredRun(
            recipe=recipe,
            seed=seed,
            checkpoint_epoch=int(epoch),
            num_parameters=int(num_parameters),
            history=load_history(layout.history(recipe, seed)),
            test_logits=logits,
            train_true_probability=dynamics,
            device=_device(layout.predictions(recipe, seed)),
        )
    except (OSError, ValueError) as error:
        raise _damaged(layout, recipe, seed, error) from error


def _device(predictions: Path) -> str:
    if "device" not in array_names(predictions):
        return "cpu"
    (device,) = read_arrays(predictions, "device")
    if device.shape != () or device.dtype.kind != "U":
        raise ValueError(f"device is {device.dtype} {device.shape}, expected a text")
    return printable(str(device))


def load_features(
    layout: Layout, recipe: str, seed: int
) -> tuple[NDArray[np.float16], NDArray[np.float16]] | None:
    """A run's features of the test and of the training images, float16 [num_images, num_features].

    None where it has none: its model has no penultimate layer, or a version that kept none trained it.

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
    except (OSError, ValueError) as error:
        raise _damaged(layout, recipe, seed, error) from error
    return test, train


def load_attributions(layout: Layout, recipe: str, seed: int, num_test_images: int) -> RunMaps | None:
    """A run's attribution maps of the test images that it gets wrong.

    None where it has none: its model has no gradient, or a version that kept none trained it.

    Raises
    ------
    BakeoffError
        If the file is damaged.
    """
    path = layout.attributions(recipe, seed)
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path, "image_indices", "maps", "scale", "error")
        check_attributions(num_test_images, *arrays)
    except (OSError, ValueError) as error:
        raise _damaged(layout, recipe, seed, error) from error
    indices, maps, scale, missed = arrays
    return RunMaps(indices, maps * scale[:, None, None], missed)


def load_history(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a history.csv by name, float64 [num_epochs].

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
    except csv.Error as error:
        raise ValueError(f"{path.name} is no CSV file: {error}") from error
    columns = np.array(rows, dtype=np.float64).T
    history = dict(zip(header, columns, strict=True))
    check_history(history)
    return history


def _damaged(layout: Layout, recipe: str, seed: int, error: Exception) -> BakeoffError:
    return BakeoffError(
        f"{layout.run(recipe, seed)} is damaged ({error}); delete it and `bakeoff run` trains it again"
    )


def save_run(
    layout: Layout, study: Study, recipe: str, seed: int, identity: str, run: TrainedRun, data: ImageData
) -> None:
    """Write a finished run. predictions.npz comes last: where it is, the run is complete."""
    from safetensors.torch import save

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(type(run.history[0]).__dataclass_fields__)
    writer.writerows(astuple(record) for record in run.history)
    write_text(layout.history(recipe, seed), text.getvalue())

    # One metadata entry, because safetensors writes several in no fixed order.
    metadata = {
        "recipe": recipe,
        "seed": seed,
        "settings": study.recipes[recipe].model_dump(mode="json"),
        "class_names": data.class_names,
        "preprocessing": run.preprocessing.to_dict(),
        "checkpoint_epoch": run.checkpoint_epoch,
        "identity": identity,
    }
    weights = {name: value.contiguous() for name, value in run.weights.items()}
    content = save(weights, {"bakeoff": json.dumps(metadata)})
    write_atomically(layout.weights(recipe, seed), lambda file: file.write(content))

    if run.test_features is not None and run.train_features is not None:
        features: dict[str, Any] = {
            "identity": np.array(identity),
            "test": run.test_features,
            "train": run.train_features,
        }
        write_atomically(layout.features(recipe, seed), lambda file: np.savez(file, **features))

    layout.attributions(recipe, seed).unlink(missing_ok=True)  # of a run before this one
    if run.attributions is not None:
        attributions: dict[str, Any] = {"identity": np.array(identity), **vars(run.attributions)}
        write_atomically(
            layout.attributions(recipe, seed), lambda file: np.savez_compressed(file, **attributions)
        )

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
    write_atomically(layout.predictions(recipe, seed), lambda file: np.savez(file, **arrays))
    layout.failure(recipe, seed).unlink(missing_ok=True)
    layout.unfinished(recipe, seed).unlink(missing_ok=True)


def save_failure(
    layout: Layout, recipe: str, seed: int, identity: str, reason: str, *, try_again: bool
) -> None:
    """Record that a run failed, why, and whether the next `bakeoff run` should try it again."""
    content = {"identity": identity, "reason": reason, "try_again": try_again}
    write_text(layout.failure(recipe, seed), to_json(content))
