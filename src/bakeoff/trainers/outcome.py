"""trained_run(): what a trainer returns, checked, as a TrainedRun."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bakeoff.data.image_data import ImageData
from bakeoff.models import count_parameters
from bakeoff.text import did_you_mean, shorten
from bakeoff.training.evaluation import loss_and_accuracy, predict_logits
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.records import HISTORY_COLUMNS, EpochRecord, TrainedRun, TrainingFailure

KEYS = ("val", "test", "history", "model")

SUM_TOLERANCE = 0.05
"""Rows of numbers from 0 to 1 whose sums differ from 1 by at most this are (rounded) probabilities."""

LARGEST = float(np.finfo(np.float32).max)

NUM_COMPARED = 256
"""Test images on which a returned model is compared with the returned predictions."""

TOLERANCE = 2e-3
"""Of that comparison, in probability: a model in half precision differs by as much."""

SMALLEST = 1e-12
"""The logarithm of a probability of 0 is that of this one: logits are finite."""


def trained_run(returned: Any, trainer: str, data: ImageData, device: str, seconds: float) -> TrainedRun:
    """The result of a run from what its trainer returned.

    Parameters
    ----------
    returned
        `(val, test)`, or a dict with `val`, `test` and optionally `history` and `model`.
    trainer
        Its name, for messages.
    data
        What it was trained on.
    device, seconds
        Where it was trained, and for how long.

    Raises
    ------
    TrainingFailure
        If it is anything else; the message says what was found and what was expected.
    """
    parts = _parts(returned, trainer)
    shapes = {"val": (len(data.val), data.num_classes), "test": (len(data.test), data.num_classes)}
    val, test = (_logits(parts[name], f"{name} that {trainer} returned", shapes[name]) for name in shapes)
    history = _history(parts.get("history"), trainer, val, data, seconds)
    model = parts.get("model")
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        model = model.module
    if model is not None and not isinstance(model, nn.Module) and not hasattr(model, "predict_proba"):
        raise TrainingFailure(
            f"model that {trainer} returned is {shorten(model)}; expected a torch.nn.Module, or no model"
        )
    exported = None
    # Own training code gets pixels, not standardized ones; a model that it returns takes 0..1.
    preprocessing = replace(Preprocessing.of(data), mean=(0.0,) * len(data.mean), std=(1.0,) * len(data.std))
    if isinstance(model, nn.Module) and data.has_test:
        exported = _kept(model, trainer, test, data, preprocessing)
    return TrainedRun(
        weights={},
        preprocessing=preprocessing,
        history=history,
        checkpoint_epoch=len(history),
        val_logits=val,
        test_logits=test,
        train_true_probability=np.zeros((0, len(data.train)), np.float16),
        val_true_probability=np.zeros((0, len(data.val)), np.float16),
        num_parameters=count_parameters(model) if isinstance(model, nn.Module) else 0,
        test_features=None,
        train_features=None,
        device=device,
        exported=exported,
    )


def _parts(returned: Any, trainer: str) -> Mapping[str, Any]:
    if isinstance(returned, tuple) and len(returned) == 2:
        return dict(zip(KEYS, returned, strict=False))
    if isinstance(returned, Mapping) and {"val", "test"} <= returned.keys():
        unknown = [str(key) for key in returned if key not in KEYS]
        if unknown:
            raise TrainingFailure(
                f"{trainer} returned {shorten(unknown[0])}{did_you_mean(unknown[0], list(KEYS))}; "
                f"expected {', '.join(KEYS)}"
            )
        return returned
    found = f"a dict with {shorten(', '.join(map(str, returned)))}" if isinstance(returned, Mapping) else ""
    if isinstance(returned, tuple):
        found = f"a tuple of {len(returned)}"
    raise TrainingFailure(
        f"{trainer} returned {found or type(returned).__name__}; expected (val, test), or a dict with val "
        "and test, each class probabilities or logits [num_images, num_classes]"
    )


def _logits(returned: Any, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Logits as float32 from probabilities or logits, arrays or tensors."""
    if isinstance(returned, torch.Tensor):
        returned = returned.detach().cpu()
        returned = (returned.float() if returned.dtype == torch.bfloat16 else returned).numpy()
    try:
        if np.iscomplexobj(returned):
            raise TypeError("complex numbers")
        values = np.asarray(returned, np.float64)
    except (TypeError, ValueError) as error:
        raise TrainingFailure(f"{name}: {error}; expected an array {list(shape)}") from error
    if values.shape != shape:
        hint = ""
        if values.shape == shape[:1]:
            hint = "; return class probabilities, not the predicted classes"
        raise TrainingFailure(f"{name} has shape {list(values.shape)}; expected {list(shape)}{hint}")
    if not (np.abs(values) <= LARGEST).all():  # NaN is not
        bad = int(np.flatnonzero(~(np.abs(values) <= LARGEST).all(axis=1))[0])
        raise TrainingFailure(f"{name} is not finite as float32; the first such row is {bad}: {values[bad]}")
    sums = values.sum(axis=1)
    if values.min() >= 0 and np.abs(sums - 1).max() <= SUM_TOLERANCE:
        values = np.log(np.maximum(values / sums[:, None], SMALLEST))
    elif values.min() >= 0 and (values.max() <= 1 or np.abs(sums - 100).max() <= 100 * SUM_TOLERANCE):
        raise TrainingFailure(
            f"{name} is neither probabilities nor logits: no number is below 0, none is above "
            f"{'1' if values.max() <= 1 else '100'}, and the rows have sums from {sums.min():g} to "
            f"{sums.max():g}; expected rows of probabilities with a sum of 1, or logits"
        )
    return values.astype(np.float32)


def _history(
    returned: Any, trainer: str, val_logits: NDArray[np.float32], data: ImageData, seconds: float
) -> list[EpochRecord]:
    """One record per epoch, or one of the finished run if the trainer gives no history; NaN where unknown.

    What the validation images say in the end is known from the predictions for them.
    """
    loss, accuracy, _ = loss_and_accuracy(val_logits, data.val.labels)
    if returned is None:
        return [EpochRecord(1, math.nan, math.nan, math.nan, loss, accuracy, seconds)]
    if not isinstance(returned, Sequence) or not returned:
        raise TrainingFailure(
            f"history that {trainer} returned is {shorten(returned)}; expected a list of dicts, one per epoch"
        )
    columns = HISTORY_COLUMNS[1:]
    records = []
    for epoch, row in enumerate(returned, start=1):
        unknown = [key for key in row if key not in HISTORY_COLUMNS] if isinstance(row, Mapping) else ["?"]
        if unknown:
            raise TrainingFailure(
                f"epoch {epoch} of the history that {trainer} returned is {shorten(row)}; "
                f"expected a dict with some of {', '.join(columns)}"
            )
        try:
            values = [float(row.get(name, math.nan)) for name in columns]
        except (TypeError, ValueError) as error:
            raise TrainingFailure(
                f"epoch {epoch} of the history that {trainer} returned: {error}; expected numbers"
            ) from error
        for name, value in zip(columns, values, strict=True):
            is_share = name.endswith("accuracy")
            if math.isinf(value) or (is_share and (value < 0 or value > 1)):
                raise TrainingFailure(
                    f"epoch {epoch} of the history that {trainer} returned: {name} is {value:g}; "
                    f"expected {'0 to 1' if is_share else 'a finite number'}"
                )
        if math.isnan(values[-1]):
            values[-1] = seconds / len(returned)
        records.append(EpochRecord(epoch, *values))
    last = records[-1]
    if math.isnan(last.val_loss):
        last = replace(last, val_loss=loss)
    if math.isnan(last.val_accuracy):
        last = replace(last, val_accuracy=accuracy)
    return [*records[:-1], last]


def _kept(
    model: nn.Module,
    trainer: str,
    test_logits: NDArray[np.float32],
    data: ImageData,
    preprocessing: Preprocessing,
) -> bytes | None:
    """The model as a program of PyTorch (torch.export), which runs without the code that defined it.

    None, with a line on stderr, if it cannot be exported, or its predictions are not those returned: the
    run's predictions are worth having without it.
    """
    takes = "it is called in evaluation mode with images [num_images, channels, size, size] in 0..1"
    model = model.eval().cpu().float()
    images = np.asarray(data.test.images[:NUM_COMPARED])
    example = preprocessing(images[:2])
    try:
        with torch.no_grad():
            predicted = predict_logits(model, images, preprocessing)
            if predicted.min() >= 0 and np.allclose(predicted.sum(axis=1), 1, atol=1e-3):
                raise ValueError("it returns probabilities, where logits are expected: leave its softmax out")
            batch = torch.export.Dim("batch", min=1, max=65_536)
            program = torch.export.export(model, (example.contiguous(),), dynamic_shapes=(({0: batch}),))
            content = io.BytesIO()
            torch.export.save(program, content)
    except Exception as error:  # whatever a user's module, or its export, raises
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        _say_left(trainer, f"{reason}; {takes}")
        return None
    from scipy.special import softmax  # a tenth of a second, which most workers need not begin with

    expected = softmax(test_logits[: len(images)], axis=1)
    difference = float(np.abs(softmax(predicted, axis=1) - expected).max())
    if not difference <= TOLERANCE:
        _say_left(
            trainer,
            f"it predicts other probabilities for the test images than those returned (they differ by up to "
            f"{difference:.2g}); {takes}: make normalization part of it, and predict in evaluation mode",
        )
        return None
    return content.getvalue()


def _say_left(trainer: str, reason: str) -> None:
    print(f"the model that {trainer} returned is not kept: {reason}", file=sys.stderr, flush=True)
