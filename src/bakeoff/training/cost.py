"""What a prediction of a trained model costs: multiply-accumulates and time per image."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bakeoff.data.image_data import ImageData
from bakeoff.kernels import describe_cpu
from bakeoff.kernels.library import using
from bakeoff.study.recipe import Recipe
from bakeoff.training.evaluation import evaluated
from bakeoff.training.parts.model import build_model_for
from bakeoff.training.preprocessing import Preprocessing

BATCH_SIZE = 32

SECONDS, SECONDS_OF_ALL, LEAST_BATCHES = 0.2, 2.0, 3
"""How long batches are timed, in all where many recipes are, and how many at least.

The fastest counts, which other work delays least.
"""


@dataclass(frozen=True)
class PredictionCost:
    """What a prediction costs.

    Attributes
    ----------
    multiply_accumulates
        Per image, of 2-D convolutions and matrix products; other operations are not counted.
    milliseconds_per_image
        From the decoded image to its logits, in batches of `batch_size`, on one thread of the processor.
    device
        What was timed, such as "cpu, avx512 kernels".
    """

    multiply_accumulates: int
    milliseconds_per_image: float
    batch_size: int
    device: str


def prediction_cost(
    recipe: Recipe, data: ImageData, weights: Mapping[str, Tensor], num_recipes: int = 1
) -> PredictionCost | None:
    """Measure a recipe's model with the weights of a finished run, as it is used to predict.

    Parameters
    ----------
    recipe
        Trained by Bakeoff's own loop.
    data
        What it was trained on: the first training images are timed.
    weights
        State dict of the run.
    num_recipes
        How many are measured, one after another.

    Returns
    -------
    PredictionCost or None
        None if a user's own model cannot be built or called outside of training.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = build_model_for(recipe.model, data, seed=0, trained=weights).to(
            memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        model.load_state_dict(weights)
        return _measured(recipe, data, model, min(SECONDS, SECONDS_OF_ALL / num_recipes))
    except Exception:  # whatever a user's model raises; its runs are finished without
        return None
    finally:
        torch.set_num_threads(threads)


def _measured(recipe: Recipe, data: ImageData, model: nn.Module, limit: float) -> PredictionCost:
    preprocessing = Preprocessing.of(data, model)
    predicting = evaluated(model, recipe.test_time_augmentation).eval()
    images = np.asarray(data.train.images[:BATCH_SIZE])
    with torch.inference_mode():
        count = _multiply_accumulates(predicting, preprocessing(images[:1]))
        predicting(preprocessing(images))  # the first call prepares what the others reuse
        seconds: list[float] = []
        while sum(seconds) < limit or len(seconds) < LEAST_BATCHES:
            start = time.perf_counter()
            predicting(preprocessing(images))
            seconds.append(time.perf_counter() - start)
    return PredictionCost(count, 1000 * min(seconds) / len(images), len(images), describe_cpu())


COUNTED = ("aten::conv2d", "aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")


def _multiply_accumulates(model: nn.Module, image: Tensor) -> int:
    # Not FlopCounterMode: PyTorch then loads what it needs to trace programs, 2 s.
    from torch.autograd.profiler_legacy import profile

    profiling = profile(with_flops=True, record_shapes=True)  # type: ignore[no-untyped-call]
    with using("none: operations of PyTorch are counted"), profiling as seen:
        model(image)
    # A multiply-accumulate counts as two operations.
    return sum(event.flops or 0 for event in seen.function_events if event.name in COUNTED) // 2
