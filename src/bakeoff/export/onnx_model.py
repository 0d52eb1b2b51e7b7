"""ONNX: one file from pixels to logits and probabilities, checked against the original model."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.predict.model import TrainedModel
from bakeoff.text import listed

if TYPE_CHECKING:
    from onnx import ModelProto

# Read at import: from version 1.29 on, ONNX Runtime otherwise sends facts about models to its authors.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

OPSET = 23
"""The latest opset that ONNX Runtime and the other runtimes of 2025 support."""

TOLERANCE = 1e-5
"""Allowed difference of ONNX Runtime: in probability, and in logits relative to the largest one above 1."""

INSTALL = "pip install -c constraints.txt '.[export]'"
"""In a copy of the repository, see docs/export.md."""


class ImageClassifier(nn.Module):
    """From pixels to logits and probabilities: preprocessing, models and their mean in one module.

    Parameters
    ----------
    models
        At least one. The probabilities of several are averaged as in `bakeoff predict`, and the logits are
        the logarithm of that mean.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, models: Sequence[TrainedModel]) -> None:
        super().__init__()
        shift, scale = models[0].preprocessing.constants
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.models = nn.ModuleList(model.model for model in models)
        self.training = False  # as the models are; their own `eval` may have done more than PyTorch's

    def forward(self, images_NHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, float32 [N, num_classes] each, of uint8 [N, H, W, C]."""
        images = ((images_NHWC.float() - self.shift) * self.scale).permute(0, 3, 1, 2)
        logits = [model(images) for model in self.models]
        if len(logits) == 1:
            return logits[0], torch.softmax(logits[0], dim=1)
        log_probabilities = torch.stack([torch.log_softmax(single, dim=1) for single in logits])
        mean = torch.logsumexp(log_probabilities, dim=0) - float(np.log(len(logits)))
        return mean, torch.exp(mean)


def require_onnx() -> None:
    """Check that the packages for export are installed.

    Raises
    ------
    BakeoffError
        If one is missing; the message says how to install it.
    """
    missing = []
    for name in ("onnx", "onnxruntime", "onnxscript"):
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise BakeoffError(f"export needs {listed(missing)}; in a copy of the repository: {INSTALL}")


def to_onnx(models: Sequence[TrainedModel], metadata: Mapping[str, Any]) -> ModelProto:
    """Convert models to one ONNX model with a variable batch size.

    Parameters
    ----------
    models
        See `ImageClassifier`.
    metadata
        Written to the model's properties; values that are not text, as JSON.

    Raises
    ------
    BakeoffError
        If PyTorch cannot export the model.
    """
    import onnx

    size = models[0].image_size
    example = torch.zeros((2, size, size, models[0].num_channels), dtype=torch.uint8)
    try:
        with _quiet():
            program = torch.onnx.export(
                ImageClassifier(models),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["logits", "probabilities"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                verbose=False,
            )
    except Exception as error:  # a custom model may raise anything
        raise BakeoffError(
            f"model {models[0].settings.model.name!r} cannot be exported to ONNX: {str(error)[:1000]}"
        ) from error
    assert program is not None
    proto = program.model_proto
    _drop_traces(proto)
    proto.producer_name = "bakeoff"
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in metadata.items()
    }
    onnx.helper.set_model_props(proto, texts)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def check_onnx(content: bytes, models: Sequence[TrainedModel], images_NHWC: NDArray[np.uint8]) -> float:
    """Compare an ONNX model with the original on real images, as one batch and on a single image.

    Returns
    -------
    The largest difference in probability.

    Raises
    ------
    BakeoffError
        If a logit or probability differs by more than `TOLERANCE`.
    """
    import onnxruntime

    expected = np.mean([model.probabilities(images_NHWC) for model in models], axis=0)
    expected_logits = models[0].logits(images_NHWC) if len(models) == 1 else np.log(expected)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"images": images_NHWC})
    (alone,) = session.run(["probabilities"], {"images": images_NHWC[:1]})
    difference = max(float(np.abs(probabilities - expected).max()), float(np.abs(alone - expected[:1]).max()))
    # For a mean over models, the logarithms of probabilities near 0 are not precise enough to compare.
    compared = expected > TOLERANCE if len(models) > 1 else np.ones_like(expected, dtype=bool)
    logit_difference = np.abs(logits - expected_logits)[compared].max()
    largest = max(float(np.abs(expected_logits[compared]).max()), 1.0)
    if not (difference <= TOLERANCE and logit_difference <= TOLERANCE * largest):
        raise BakeoffError(
            f"the ONNX model differs from the original by {difference:.2g} in probability and "
            f"{logit_difference:.2g} in logits (expected at most {TOLERANCE:g}); nothing was written"
        )
    return difference


def _drop_traces(proto: ModelProto) -> None:
    """Remove the metadata of the exporter: its stack traces contain paths of this machine."""
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        for part in (graph, *graph.node, *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    del proto.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress irrelevant messages of the exporter (torchvision is not installed)."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
