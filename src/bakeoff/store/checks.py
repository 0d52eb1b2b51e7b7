"""Checks of the content read from a study folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bakeoff.files import read_json
from bakeoff.text import shorten

HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
)


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none, or the file is damaged."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class DataFacts(BaseModel):
    """What data.json says of a study's images.

    `counts` are of each class in label order, by split; `mean` and `std` of the training images' channels,
    0..1; `image_size` is height and width in pixels.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    source: str
    fingerprint: str
    image_size: int = Field(ge=1)
    class_names: list[str] = Field(min_length=2)
    counts: dict[Literal["train", "val", "test"], list[Annotated[int, Field(ge=0)]]] = Field(min_length=3)
    mean: tuple[float, ...] = Field(strict=False)
    std: tuple[float, ...] = Field(strict=False)
    notes: list[str]


def check_data(data: object) -> DataFacts:
    """Read the content of data.json, and check that it is complete.

    Raises
    ------
    ValueError
        If it is not; the message names the first key that is wrong.
    """
    try:
        valid = DataFacts.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"data.json: {key}: found {shorten(first['input'])}; {first['msg']}") from error
    if len(valid.mean) not in (1, 3) or len(valid.std) != len(valid.mean):
        raise ValueError("data.json: mean and std: expected one number each per channel, of 1 or 3 channels")
    if any(len(counts) != len(valid.class_names) for counts in valid.counts.values()):
        raise ValueError(f"data.json: counts: expected {len(valid.class_names)} per split, one per class")
    return valid


class StoredCost(BaseModel):
    """What a prediction of a recipe's models costs, an entry of costs.json.

    Attributes
    ----------
    seed, identity
        The run whose model was measured.
    multiply_accumulates
        Per image, of 2-D convolutions and matrix products.
    milliseconds_per_image
        In batches of `batch_size`, on one thread.
    device, processor
        What was timed, such as "cpu, avx512 kernels".
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    seed: int = Field(ge=0)
    identity: str
    multiply_accumulates: int = Field(ge=0)
    milliseconds_per_image: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    device: str
    processor: str


def check_images(
    split: str,
    num_classes: int,
    images: NDArray[Any],
    labels: NDArray[Any],
    ids: NDArray[Any] | None = None,
) -> None:
    """Check that the stored images, labels and ids of a split are consistent.

    Raises
    ------
    ValueError
        If they are not.
    """
    num_images = len(labels) if labels.ndim == 1 else -1
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[0] != num_images
        or images.shape[3] not in (1, 3)
        or 0 in images.shape
        or labels.dtype.kind not in "iu"
    ):
        raise ValueError(
            f"the {split} images and labels are inconsistent: images {images.dtype} {images.shape}, "
            f"labels {labels.dtype} {labels.shape}"
        )
    if ids is not None and (ids.shape != labels.shape or ids.dtype.kind != "U"):
        raise ValueError(f"the ids of the {split} images are {ids.dtype} {ids.shape}, not one text per image")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"the {split} labels are {labels.min()}..{labels.max()}, expected 0..{num_classes - 1}"
        )


def check_run(
    shape: tuple[int, int], numbers: tuple[NDArray[Any], ...], logits: NDArray[Any], dynamics: NDArray[Any]
) -> None:
    """Check the types of a run's arrays, and that its logits have this shape.

    Raises
    ------
    ValueError
        If they are wrong.
    """
    if any(number.shape != () or number.dtype.kind not in "iu" for number in numbers):
        raise ValueError("checkpoint_epoch and num_parameters are not integers")
    if logits.shape != shape or logits.dtype != np.float32:
        raise ValueError(f"test_logits are {logits.dtype} {logits.shape}, expected float32 {shape}")
    if not np.isfinite(logits).all():
        raise ValueError("test_logits are not finite")
    if dynamics.ndim != 2 or dynamics.dtype.kind != "f":
        raise ValueError(f"train_true_probability is {dynamics.dtype} {dynamics.shape}, expected two axes")


def check_attributions(
    num_images: int, indices: NDArray[Any], maps: NDArray[Any], scale: NDArray[Any], error: NDArray[Any]
) -> None:
    """Check that a run's attributions are consistent with each other and with the number of test images.

    Raises
    ------
    ValueError
        If they are not.
    """
    dtypes = [str(array.dtype) for array in (indices, maps, scale, error)]
    expected = ["int32", "int8", "float32", "float32"]
    if dtypes != expected:
        raise ValueError(f"the attributions are {', '.join(dtypes)}, expected {', '.join(expected)}")
    square = maps.ndim == 3 and 0 < maps.shape[1] == maps.shape[2]
    if not square or not indices.shape == scale.shape == error.shape == maps.shape[:1]:
        raise ValueError(f"the attributions are inconsistent: {indices.shape} images, maps {maps.shape}")
    if len(indices) and (indices[0] < 0 or indices[-1] >= num_images or (np.diff(indices) <= 0).any()):
        raise ValueError(f"the attributions' image indices are not ascending within 0..{num_images - 1}")
    if not (np.isfinite(scale).all() and np.isfinite(error).all()):
        raise ValueError("the attributions are not finite")


def check_history(history: dict[str, NDArray[np.float64]]) -> None:
    """Check that a history has its columns and at least one epoch.

    Raises
    ------
    ValueError
        If it does not.
    """
    missing = [name for name in HISTORY_COLUMNS if name not in history]
    if missing:
        raise ValueError(f"history.csv has no column {missing[0]!r}")
    if not len(history["epoch"]):
        raise ValueError("history.csv has no epoch")
