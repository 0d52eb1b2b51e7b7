"""Models that are no `KernelSequential`: their forward as a program whose layers the kernels may take.

A program is used only if it gave what the model itself gives: logits, gradients, running statistics and drawn
random numbers, in training and in evaluation, for batches of two sizes one after another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor, nn

from bakeoff.kernels.library import Library, current, using
from bakeoff.kernels.recording.changes import refuse_changes, state_of
from bakeoff.kernels.recording.conditions import Unlike
from bakeoff.kernels.recording.not_captured import NotCaptured
from bakeoff.kernels.recording.program import Program
from bakeoff.kernels.recording.tracing import Trace, trace
from bakeoff.kernels.sequential import (
    KernelSequential,
    are_operations_changed,
    has_layer_graph,
    is_plain,
)

EXACT = 1e-5
"""Difference of a program computed by PyTorch's operations, as a norm relative to that of the values.

They are the same operations on the same numbers.
"""

ROUNDED = 1e-3
"""Likewise of logits and statistics computed by the kernels."""

FLIPPED = 0.05
"""Likewise of gradients, relative to the largest of all.

Where rounding makes a ReLU or a maximum flip, single ones differ by percents, with PyTorch too.
"""


NOISE = 0.02
"""Standard deviation of what is added to the weights that are compared."""


class Wrapper(nn.Module):
    """Something around a model; its own methods set its mode, which may do more than PyTorch's."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`."""
        self.model.train(mode)
        self.training = mode
        return self

    def eval(self) -> Self:
        """As `nn.Module.eval`."""
        self.model.eval()
        self.training = False
        return self


class Captured(Wrapper):
    """A model, called by its program where that applies, and as it is everywhere else.

    Weights, modes and hooks are the model's own.
    """

    def __init__(self, model: nn.Module, traces: Sequence[Trace]) -> None:
        super().__init__(model)
        self._programs = [Program(one, model) for one in traces]

    def forward(self, images: Tensor) -> Tensor:
        """What the model gives."""
        program = self._program() if is_plain(images) else None
        result: Tensor = self.model(images) if program is None else program(images)
        return result

    @property
    def chain(self) -> nn.Module | None:
        """The program as layers one after another or a graph, if it applies now and is nothing else."""
        program = self._program()
        return program.chain if program and not program.has_hooks else None

    def _program(self) -> Program | None:
        if are_operations_changed() or not isinstance(current(), Library):
            return None
        return next((program for program in self._programs if program.change() is None), None)


@dataclass(frozen=True)
class Capture:
    """How models of one structure are called in training and evaluation.

    Attributes
    ----------
    traces
        Of both modes; none if models are called as they are.
    reason
        Why, in one line, if it is because they could not be captured.
    """

    traces: tuple[Trace, ...] = field(default=())
    reason: str | None = None

    def form_of(self, model: nn.Module) -> nn.Module:
        """What to call in its place."""
        if not self.traces:
            return model
        try:
            return Captured(model, self.traces)
        except Unlike:  # it has got other layers since
            return model


def capture(model: nn.Module, images: Tensor) -> Capture:
    """Record the forward of a model, and compare what is recorded with the model itself.

    Parameters
    ----------
    model
        Stays as it is.
    images
        Some, float32 [N, C, H, W] on the CPU, to compare with: all of them, and all but the last third.
    """
    has_kernels = type(model).forward is KernelSequential.forward or has_layer_graph(model)
    if has_kernels or not isinstance(library := current(), Library):
        return Capture()
    batches = (images, images[: max(1, len(images) * 2 // 3)])
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            return Capture(
                (_compared(model, batches, library, True), _compared(model, batches, library, False))
            )
    except NotCaptured as reason:
        return Capture(reason=str(reason))
    except Exception as error:  # what nobody has thought of keeps no model from being trained as it is
        return Capture(reason=f"{type(error).__name__}: {error}".split("\n", 1)[0])


def _compared(model: nn.Module, batches: Sequence[Tensor], library: Library, training: bool) -> Trace:
    try:
        model = copy.deepcopy(model)
        model.train() if training else model.eval()
    except Exception as error:
        raise NotCaptured(f"the model cannot be copied: {error}") from error
    # Weights that begin with zeros would hide gradients that are lost behind them.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter), alpha=NOISE)
    # One memory format, so that the same operations round alike.
    reference = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    contiguous = [batch.contiguous() for batch in batches]
    traced = trace(reference, contiguous)
    mode = "training" if training else "evaluation"
    program, with_kernels = Program(traced, reference), Program(traced, model)
    with using("none, for comparison"):
        before = state_of(reference, tensors=False)
        expected = _observe(reference, reference, contiguous)
        refuse_changes(before, state_of(reference, tensors=False))
        if change := program.change():
            raise NotCaptured(f"its forward changes {change}")
        found = _observe(reference, program, contiguous)
    expected.refuse_difference(found, mode, EXACT, EXACT)
    with using(library):
        found = _observe(model, with_kernels, batches)
    expected.refuse_difference(found, f"{mode} with kernels", ROUNDED, FLIPPED)
    return traced


@dataclass(frozen=True)
class _Observed:
    """What calls of a model gave: tensors by name (None for a gradient that is not there)."""

    outputs: dict[str, Tensor]
    gradients: dict[str, Tensor | None]
    random_state: Tensor

    def refuse_difference(self, other: _Observed, where: str, tolerance: float, of_gradients: float) -> None:
        """Raise `NotCaptured` if the other is not the same within the tolerances."""
        for name, value in self.outputs.items():
            if not _are_close(value, other.outputs[name], tolerance):
                raise NotCaptured(f"in {where}, {name} would differ")
        present = [one.nan_to_num(0, 0, 0).norm() for one in self.gradients.values() if one is not None]
        largest = torch.stack(present).max()
        for name, one in self.gradients.items():
            another = other.gradients[name]
            if one is None or another is None:
                same = one is another
            else:
                of_all = of_gradients if of_gradients > EXACT else EXACT / 10
                same = _are_close(one, another, of_gradients, of_all * largest)
            if not same:
                raise NotCaptured(f"in {where}, {name} would differ")
        if not torch.equal(self.random_state, other.random_state):
            raise NotCaptured(f"in {where}, other random numbers would be drawn")


def _are_close(one: Tensor, other: Tensor, tolerance: float, more: Tensor | float = 1e-6) -> bool:
    """Whether the norm of the difference is small, relative to the norm or absolutely; NaN equals NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    one, other = one.double(), other.double()
    if not torch.equal(one.isfinite(), other.isfinite()):
        return False
    one, other = one.nan_to_num(0, 0, 0), other.nan_to_num(0, 0, 0)
    return bool((one - other).norm() <= tolerance * one.norm() + more)


def _observe(model: nn.Module, call: Callable[[Tensor], Tensor], batches: Sequence[Tensor]) -> _Observed:
    """Call it with each batch, and with the first again; the model's buffers are put back."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    torch.manual_seed(0)
    outputs: dict[str, Tensor] = {}
    gradients: dict[str, Tensor | None] = {}
    for number, images in enumerate((*batches, batches[0]), start=1):
        images = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        for parameter in model.parameters():
            parameter.grad = None
        try:
            logits = call(images)
            weights = torch.linspace(-1, 1, logits.numel()).view(logits.shape)
            (logits * weights).sum().backward()  # type: ignore[no-untyped-call]
        except Exception as error:
            raise NotCaptured(f"batch {number} fails: {error}") from error
        outputs[f"the logits of batch {number}"] = logits.detach()
        gradients[f"the gradient of the images of batch {number}"] = images.grad
        for name, parameter in model.named_parameters():
            gradients[f"the gradient of {name} of batch {number}"] = parameter.grad
    outputs |= {f"the buffer {name}": buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
    return _Observed(outputs, gradients, torch.get_rng_state())
