"""What a model makes of images just before it answers: the input of its last linear layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.training.evaluation import predict_logits
from bakeoff.training.preprocessing import Preprocessing


def penultimate_features(
    model: nn.Module, images_NHWC: NDArray[np.uint8], preprocessing: Preprocessing
) -> NDArray[np.float16] | None:
    """float16 [num_images, num_features], in evaluation mode and without gradients.

    Returns
    -------
    array or None
        None where the model has no linear layer, or the last one takes anything but one row an image.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        return None
    inputs: list[NDArray[np.float32]] = []

    def keep(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs.append(arguments[0].float().cpu().numpy())

    hook = linear[-1].register_forward_pre_hook(keep)
    try:
        predict_logits(model, images_NHWC, preprocessing)
    finally:
        hook.remove()
    if not inputs or any(batch.ndim != 2 for batch in inputs):
        return None
    features = np.concatenate(inputs)
    largest = np.finfo(np.float16).max
    return (
        np.clip(features, -largest, largest).astype(np.float16) if len(features) == len(images_NHWC) else None
    )
