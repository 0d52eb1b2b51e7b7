"""Reading a study folder: the state of each run, and all results as arrays."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions, RecipePredictions, RunMaps
from bakeoff.store.arrays import array_names, read_arrays
from bakeoff.store.checking import check_attributions, check_data, check_history, check_images, check_run
from bakeoff.store.layout import FORMAT_VERSION, Layout
from bakeoff.study import Study, study_from_toml
from bakeoff.text import printable, shorten


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


@dataclass(frozen=True)
class StoredStudy:
    """All results in a study folder.

    Attributes
    ----------
    data
        The content of data.json: source, fingerprint, image_size, class_names, counts (a list a split, in
        class order), mean, std, notes.
    environment
        The content of environment.json.
    audit
        The content of audit.json, or None where the images were not checked.
    runs, failures
        In the order of the study's recipes, then by seed. Runs in neither are missing.
    test_images
        uint8 [num_test_images, size, size, 3], at most 64 pixels wide.
    test_labels, test_ids
        Of the same images.
    train_images, train_labels
        The same of the training images; None in a folder of a version that did not keep them.
    """

    root: Path
    study: Study
    data: dict[str, Any]
    environment: dict[str, Any]
    runs: tuple[StoredRun, ...]
    failures: tuple[FailedRun, ...]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    test_ids: tuple[str, ...]
    train_images: NDArray[np.uint8] | None = None
    train_labels: NDArray[np.int64] | None = None
    audit: dict[str, Any] | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.data["class_names"])

    def runs_of(self, recipe: str) -> tuple[StoredRun, ...]:
        return tuple(run for run in self.runs if run.recipe == recipe)

    def missing_seeds(self, recipe: str, num_seeds: int) -> list[int]:
        """Seeds below `num_seeds` whose run neither finished nor failed."""
        done = {run.seed for run in self.runs if run.recipe == recipe}
        done |= {failure.seed for failure in self.failures if failure.recipe == recipe}
        return [seed for seed in range(num_seeds) if seed not in done]

    def features_of(self, recipe: str) -> tuple[list[NDArray[np.float16]], list[NDArray[np.float16]]] | None:
        """Features of the test and of the training images, one float16 [num_images, num_features] a seed.

        None where a finished run has none: its model has no penultimate layer, or a version that kept none
        trained it.
        """
        layout = Layout(self.root)
        test, train = [], []
        for run in self.runs_of(recipe):
            path = layout.features(recipe, run.seed)
            if not path.exists():
                return None
            try:
                test_features, train_features = read_arrays(path, "test", "train")
            except (OSError, ValueError) as error:
                raise _damaged(layout, recipe, run.seed, error) from error
            test.append(test_features)
            train.append(train_features)
        return (test, train) if test else None

    def attributions_of(self, recipe: str) -> list[RunMaps] | None:
        """Attribution maps of the test images that each run gets wrong, one entry a seed.

        None where a finished run has none: its model has no gradient, or a version that kept none trained it.
        """
        layout = Layout(self.root)
        found = []
        for run in self.runs_of(recipe):
            path = layout.attributions(recipe, run.seed)
            if not path.exists():
                return None
            try:
                arrays = read_arrays(path, "image_indices", "maps", "scale", "error")
                check_attributions(len(self.test_labels), *arrays)
            except (OSError, ValueError) as error:
                raise _damaged(layout, recipe, run.seed, error) from error
            indices, maps, scale, missed = arrays
            found.append(RunMaps(indices, maps * scale[:, None, None], missed))
        return found or None

    def predictions(self) -> Predictions:
        """What the finished runs say of the test images; recipes without a finished run are left out."""
        recipes = []
        for name in self.study.recipes:
            runs = self.runs_of(name)
            if runs:
                logits = np.stack([run.test_logits for run in runs]).astype(np.float64)
                logits -= logits.max(axis=2, keepdims=True)
                exponentials = np.exp(logits)
                recipes.append(
                    RecipePredictions(
                        name=name,
                        seeds=tuple(run.seed for run in runs),
                        predicted=logits.argmax(axis=2),
                        probabilities=(exponentials / exponentials.sum(axis=2, keepdims=True)).astype(
                            np.float32
                        ),
                    )
                )
        return Predictions(self.test_labels, self.test_ids, self.class_names, tuple(recipes))


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


def read_study(layout: Layout) -> Study:
    """The resolved study of a folder.

    Raises
    ------
    BakeoffError
        If it is no study folder, or its study.toml is damaged.
    """
    if not layout.study.is_file() or not layout.data.is_file():
        raise BakeoffError(
            f"{layout.root} is not a study folder: it has no {layout.study.name} and {layout.data.name}; "
            "give the folder that `bakeoff run` wrote"
        )
    try:
        return study_from_toml(layout.study.read_text("utf-8"), str(layout.study))
    except (OSError, ValueError) as error:
        raise BakeoffError(f"{layout.root} is a damaged study folder: {error}") from error


def stored_audit(layout: Layout, fingerprint: str) -> dict[str, Any] | None:
    """What a check of the images with this fingerprint found, or None where there was none."""
    try:
        content = json.loads(layout.audit.read_text("utf-8"))
        return content if content["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def load_study_folder(root: Path) -> StoredStudy:
    """Everything in a study folder that analysis and report need.

    Raises
    ------
    BakeoffError
        If it is no study folder, one of its files is damaged, or no run in it is finished.
    """
    layout = Layout(root)
    study = read_study(layout)
    try:
        data = json.loads(layout.data.read_text("utf-8"))
        environment = json.loads(layout.environment.read_text("utf-8"))
        if not isinstance(data, dict) or not isinstance(environment, dict):
            raise ValueError("data.json or environment.json holds no table")
        if data.get("format_version") != FORMAT_VERSION:
            raise BakeoffError(
                f"{root} has the format {shorten(data.get('format_version'))} of another version of Bakeoff; "
                f"this one reads {FORMAT_VERSION}; install that version, or "
                "run the study anew in another folder"
            )
        check_data(data)
        images, labels, ids = read_arrays(layout.test_images, "images", "labels", "ids")
        check_images("test", len(data["class_names"]), images, labels, ids)
        train_images, train_labels = (
            read_arrays(layout.train_images, "images", "labels")
            if layout.train_images.exists()
            else (None, None)
        )
        if train_images is not None and train_labels is not None:
            check_images("train", len(data["class_names"]), train_images, train_labels)
    except (OSError, ValueError, RecursionError) as error:
        raise BakeoffError(f"{root} is a damaged study folder: {error}") from error
    test_shape = (len(labels), len(data["class_names"]))
    runs, failures = [], []
    for recipe in study.recipes:
        for seed in range(study.most_seeds):
            found = stored_identity(layout, recipe, seed)
            if found and found[0] == "finished":
                runs.append(_load_run(layout, recipe, seed, test_shape))
            elif found:
                failures.append(FailedRun(recipe, seed, failure_reason(layout, recipe, seed)))
    if not runs and not failures:
        raise BakeoffError(f"{root} has no finished run yet; `bakeoff run` with the same words goes on")
    return StoredStudy(
        root=root,
        study=study,
        data=data,
        environment=environment,
        audit=stored_audit(layout, data["fingerprint"]),
        runs=tuple(runs),
        failures=tuple(failures),
        test_images=images,
        test_labels=labels,
        test_ids=tuple(ids.tolist()),
        train_images=train_images,
        train_labels=train_labels,
    )


def _load_run(layout: Layout, recipe: str, seed: int, test_shape: tuple[int, int]) -> StoredRun:
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


def _damaged(layout: Layout, recipe: str, seed: int, error: Exception) -> BakeoffError:
    return BakeoffError(
        f"{layout.run(recipe, seed)} is damaged ({error}); delete it and `bakeoff run` trains it again"
    )


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
