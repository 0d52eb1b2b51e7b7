"""Evaluation: logits and features of images, and loss and accuracy from logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.kernels.matching import is_watched
from bakeoff.kernels.recording.capture import Wrapper
from bakeoff.kernels.sequential import KernelSequential, flat_layers

EVALUATION_BATCH_SIZE = 500


class FlipAveraged(Wrapper):
    """A model that averages the logits of an image and of its mirror image."""

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits [N, num_classes]."""
        logits: Tensor = (self.model(images_NCHW) + self.model(images_NCHW.flip(3))) / 2
        return logits


def evaluated(model: nn.Module, test_time_augmentation: str) -> nn.Module:
    """The model as used in validation, test, prediction and export; shares the weights of `model`.

    Parameters
    ----------
    model
        The trained model.
    test_time_augmentation
        Of the recipe: "none" or "horizontal_flip".
    """
    return FlipAveraged(model) if test_time_augmentation == "horizontal_flip" else model


def device_of(model: nn.Module) -> torch.device:
    """The device of a model's weights; the CPU if it has none."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def predict_logits(
    model: nn.Module, images_NHWC: NDArray[Any], preprocessing: Callable[[NDArray[Any]], Tensor]
) -> NDArray[np.float32]:
    """Compute logits, float32 [num_images, num_classes], in evaluation mode and without gradients.

    The model is left in evaluation mode. Batches have a fixed size, because the last bits of a sum can depend
    on it.
    """
    model.eval()
    device = device_of(model)
    with torch.inference_mode():
        logits = [
            model(preprocessing(images_NHWC[start : start + EVALUATION_BATCH_SIZE]).to(device)).cpu()
            for start in range(0, len(images_NHWC), EVALUATION_BATCH_SIZE)
        ]
        result: NDArray[np.float32] = torch.cat(logits).float().numpy()
    return result


def loss_and_accuracy(
    logits_NK: NDArray[np.float32], labels_N: NDArray[np.int64]
) -> tuple[float, float, NDArray[np.float32]]:
    """Mean cross-entropy, accuracy, and the probability of the true class [num_images]."""
    logits = torch.from_numpy(logits_NK)
    labels = torch.from_numpy(np.array(labels_N))  # a copy, because torch warns of read-only arrays
    log_probability = torch.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    return -log_probability.double().mean().item(), accuracy, log_probability.exp().numpy()


def penultimate_features(
    model: nn.Module, images_NHWC: NDArray[np.uint8], preprocessing: Callable[[NDArray[np.uint8]], Tensor]
) -> NDArray[np.float16] | None:
    """Compute the inputs of the last linear layer, float16 [num_images, num_features], in evaluation mode.

    Returns
    -------
    array or None
        None if the model has no linear layer, or the input of the last one is not one row per image.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        return None
    inputs: list[NDArray[np.float32]] = []

    def record_input(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs.append(arguments[0].float().cpu().numpy())

    hook = linear[-1].register_forward_pre_hook(record_input)
    try:
        predict_logits(model, images_NHWC, preprocessing)
    finally:
        hook.remove()
    if not inputs or any(batch.ndim != 2 for batch in inputs):
        return None
    features = np.concatenate(inputs)
    return _as_features(features) if len(features) == len(images_NHWC) else None


def _as_features(inputs_NF: NDArray[np.float32]) -> NDArray[np.float16]:
    largest = np.finfo(np.float16).max
    return np.clip(inputs_NF, -largest, largest).astype(np.float16)


def logits_and_features(
    model: nn.Module, images_NHWC: NDArray[np.uint8], preprocessing: Callable[[NDArray[np.uint8]], Tensor]
) -> tuple[NDArray[np.float32], NDArray[np.float16] | None]:
    """What `predict_logits` and `penultimate_features` give, to the last bit.

    In one pass, not two, if the model is layers one after another, of which the last one is linear, and in
    single precision.
    """
    layers: list[nn.Module] = []
    if isinstance(model, KernelSequential) and type(model).forward is KernelSequential.forward:
        layers = [] if is_watched(model) else flat_layers(model.eval())
    if len(layers) > 1 and type(layers[-1]) is nn.Linear and layers[-1].weight.dtype is torch.float32:
        *before, last = layers
        inputs = predict_logits(KernelSequential(*before), images_NHWC, preprocessing)
        if inputs.ndim == 2:
            # In aligned memory, as a layer's output is: sums can be rounded otherwise elsewhere.
            logits = predict_logits(KernelSequential(last), inputs, torch.tensor)
            return logits, _as_features(inputs)
    logits = predict_logits(model, images_NHWC, preprocessing)
    return logits, penultimate_features(model, images_NHWC, preprocessing)
