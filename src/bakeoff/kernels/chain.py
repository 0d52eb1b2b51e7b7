"""Operations one after another as a single node of PyTorch's graph.

A node costs a small net as much as some of its layers. Here a whole chain is one, and its operations go back
one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from bakeoff.errors import BakeoffError
from bakeoff.kernels.library import SWITCH, Library, is_aligned
from bakeoff.kernels.operation import Backward, Calls, Operation, Parameters

Chain = Sequence[tuple[Operation, Parameters]]


def run_chain(library: Library, chain: Chain, inputs: Tensor) -> Tensor:
    """What the last operation gives; its gradients can be asked for, but not those of its gradients.

    Parameters
    ----------
    library
        Which kernels.
    chain
        Operations that fit each other, each with its parameters.
    inputs
        float32 on the CPU.
    """
    operations = [operation for operation, _ in chain]
    parameters = [parameter for _, own in chain for parameter in own]
    if torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (inputs, *parameters)
    ):
        counts = [len(own) for _, own in chain]
        result: Tensor = _Chain.apply(library, operations, counts, inputs, *parameters)  # type: ignore[no-untyped-call]
        return result
    for operation, own in chain:
        inputs, _, calls = operation.forward(library, inputs, own, keep=False)
        run(calls)
    return inputs


def run(calls: Calls) -> None:
    """Make them, one after another."""
    for call in calls:
        call()


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: Library,
        operations: Sequence[Operation],
        counts: Sequence[int],
        inputs: Tensor,
        *parameters: Tensor | None,
    ) -> Tensor:
        saved: list[Tensor | None] = []
        kept_counts = []
        for operation, own in zip(operations, _split(parameters, counts), strict=True):
            saved.append(inputs)
            inputs, kept, calls = operation.forward(library, inputs, own, keep=True)
            run(calls)
            saved.extend(kept)
            kept_counts.append(1 + len(kept))
        ctx.save_for_backward(*parameters, *saved)
        ctx.library, ctx.operations, ctx.counts, ctx.kept_counts = library, operations, counts, kept_counts
        return inputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # `once_differentiable` says nothing where the incoming gradient is a constant, as that of a sum
            # is: what is computed from the result then just lacks its part of the second derivative.
            raise BakeoffError(
                "create_graph=True asks for gradients that can be differentiated again, and the gradients of "
                f"Bakeoff's kernels cannot; start again with the environment variable {SWITCH}=off, and "
                "PyTorch's own operations compute this model"
            )
        number = sum(ctx.counts)
        parameters = list(_split(ctx.saved_tensors[:number], ctx.counts))
        values = list(_split(ctx.saved_tensors[number:], ctx.kept_counts))
        of_inputs, *of_parameters = ctx.needs_input_grad[3:]
        # Nothing before the first that is asked for needs to be gone back through.
        needs_parameters = [any(own) for own in _split(of_parameters, ctx.counts)]
        needed = [of_inputs, *needs_parameters]
        found: list[Tensor | None] = []
        current: Tensor | None = gradient if is_aligned(gradient) else gradient.clone()
        for index in reversed(range(len(ctx.operations))):
            if current is None:
                found[:0] = [None] * ctx.counts[index]
                continue
            inputs, *kept = values[index]
            needs = any(needed[: index + 1]), needs_parameters[index]
            asked = Backward(ctx.library, inputs, parameters[index], kept, current, *needs)
            current, own, calls = ctx.operations[index].backward(asked)
            run(calls)
            found[:0] = own
        return None, None, None, current, *found


def _split(values: Sequence[Any], counts: Sequence[int]) -> Iterator[Sequence[Any]]:
    start = 0
    for count in counts:
        yield values[start : start + count]
        start += count
