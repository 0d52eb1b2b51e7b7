"""Operations with their own implementation for stacks: dropout with a generator per seed, and convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Convolution = Literal["grouped", "matmul"]
"""How a stack computes convolutions: as one grouped convolution, or as one batched matrix product."""


class StackedOperations(TorchFunctionMode):
    """Inside this context, and inside vmap, dropout and convolution use the implementations for stacks.

    Parameters
    ----------
    generators
        One per seed, on the device: dropout draws from the seed's own, so that no seed's numbers depend on
        the other seeds in the stack. On a CPU they are the numbers of a run that is not stacked, if its
        values have the same order in memory, as before linear layers.
    convolution
        `grouped` leaves it to vmap.
    """

    def __init__(self, generators: Sequence[torch.Generator], convolution: Convolution) -> None:
        super().__init__()
        self.generators, self.convolution = generators, convolution

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function is nn.functional.dropout:
            return self._dropout(*args, **kwargs)
        if function is torch.conv2d and self.convolution == "matmul":
            return _convolve(*args, **kwargs)
        return function(*args, **kwargs)

    def _dropout(
        self,
        input: Tensor,  # noqa: A002 - as callers name it
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        if not training or p == 0:
            return input
        result: Tensor = _Dropout.apply(input, p, self.generators)  # type: ignore[no-untyped-call]
        return result


class _Dropout(torch.autograd.Function):
    """Dropout whose `vmap` has the values of all seeds together."""

    @staticmethod
    def forward(values: Tensor, share: float, generators: Sequence[torch.Generator]) -> Tensor:
        raise NotImplementedError("dropout of a stack outside vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        values: Tensor,
        share: float,
        generators: Sequence[torch.Generator],
    ) -> tuple[Tensor, int]:
        # Values that are shared by all seeds differ after dropout.
        values = (
            values.expand(info.batch_size, *values.shape)
            if in_dims[0] is None
            else values.movedim(in_dims[0], 0)
        )
        noise = torch.stack(
            [
                torch.empty_like(value).bernoulli_(1 - share, generator=generator)
                for value, generator in zip(values.detach(), generators, strict=True)
            ]
        )
        return values * (noise.div_(1 - share) if share < 1 else noise), 0


def _convolve(
    input: Tensor,  # noqa: A002 - as callers name it
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """As torch.conv2d, by a matrix product in the simple cases: one batched product in a stack."""
    simple = groups == 1 and _pair(dilation) == (1, 1) and not isinstance(padding, str) and input.dim() == 4
    if not simple:
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    assert not isinstance(padding, str)
    (down, right), (high, wide) = _pair(stride), _pair(padding)
    channels_out, _, height, width = weight.shape
    padded = nn.functional.pad(input, (wide, wide, high, high))
    patches = padded.unfold(2, height, down).unfold(3, width, right)  # [N, C, rows, columns, height, width]
    number, _, rows, columns = patches.shape[:4]
    matrix = patches.permute(0, 2, 3, 1, 4, 5).reshape(number * rows * columns, -1)
    product = matrix @ weight.flatten(1).t()
    if bias is not None:
        product = product + bias
    return product.view(number, rows, columns, channels_out).permute(0, 3, 1, 2)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (value[0], value[-1])
