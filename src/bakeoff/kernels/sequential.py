"""nn.Sequential that runs convolution, ReLU, batch norm and pooling through the kernels where they apply."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as module_internals

from bakeoff.kernels.functions import BatchNorm, conv_relu_norm_pool, conv_relu_pool
from bakeoff.kernels.library import Library, current

BLOCKS = (
    (nn.Conv2d, nn.ReLU, nn.MaxPool2d),
    (nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d),
)
KERNEL_SIZES = ((3, 3), (5, 5))


class KernelSequential(nn.Sequential):
    """Layers one after another as in `nn.Sequential`: same names, same state dict, same results to rounding.

    Where Conv2d, ReLU and MaxPool2d(2), or Conv2d, ReLU, BatchNorm2d and MaxPool2d(2), follow one another,
    the kernels compute them in one pass. The layers themselves are called in every other case: without
    kernels, with other settings, dtypes or devices, with hooks on a layer (attribution methods set them),
    in tracing, export, autocast, and inside transformations such as vmap.
    """

    def forward(self, images: Tensor) -> Tensor:
        """What the last layer gives."""
        if _are_operations_changed() or not isinstance(library := current(), Library):
            result: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
            return result
        layers = list(self)
        while layers:
            block = _first_block(layers, images)
            if block:
                layers = layers[len(block) :]
                # A convolution likes its input channels last; what else follows is mostly a flatten.
                images = _run_block(library, block, images, channels_last=bool(layers))
            else:
                images = layers.pop(0)(images)
        return images


def _are_operations_changed() -> bool:
    """Whether something traces or transforms PyTorch's operations, or waits for any layer to be called."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch.is_autocast_enabled("cpu")
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
        or forward_ad._current_level >= 0
        or module_internals._has_any_global_hook()  # type: ignore[no-untyped-call]
    )


def _first_block(layers: list[nn.Module], images: Tensor) -> list[nn.Module] | None:
    """The layers from the first on that the kernels take in one pass, if any."""
    if type(layers[0]) is not nn.Conv2d:
        return None
    for kinds in BLOCKS:
        block = layers[: len(kinds)]
        if tuple(map(type, block)) == kinds:
            conv, _, *norms, pool = block
            takes = _takes_conv(conv, images) and _takes_pool(pool) and (not norms or _takes_norm(norms[0]))
            return block if takes and _is_plain(images) and not any(map(_is_watched, block)) else None
    return None


def _is_plain(images: Tensor) -> bool:
    """Whether a kernel may read these images' memory."""
    return (
        type(images) is Tensor
        and images.dtype is torch.float32
        and images.device.type == "cpu"
        and images.layout is torch.strided
    )


def _is_watched(layer: nn.Module) -> bool:
    """Whether something waits for a layer to be called."""
    return bool(
        layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
    )


def _takes_conv(conv: nn.Module, images: Tensor) -> bool:
    assert isinstance(conv, nn.Conv2d)
    kernel, padding = conv.kernel_size[0], _padding(conv)
    return (
        conv.kernel_size in KERNEL_SIZES
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and padding is not None
        and _is_plain_parameter(conv.weight)
        and images.dim() == 4
        and len(images) > 0
        and images.shape[1] == conv.in_channels
        and min(images.shape[2:]) + 2 * padding - kernel + 1 >= 2
    )


def _padding(conv: nn.Conv2d) -> int | None:
    """Zeros on each side; None if they are not the same everywhere or as many as the kernel is wide."""
    if isinstance(conv.padding, str):
        return (conv.kernel_size[0] - 1) // 2 if conv.padding == "same" else 0
    height, width = conv.padding
    return int(height) if height == width and int(height) < conv.kernel_size[0] else None


def _takes_pool(pool: nn.Module) -> bool:
    assert isinstance(pool, nn.MaxPool2d)
    return (
        pool.kernel_size in (2, (2, 2))
        and pool.stride in (2, (2, 2))
        and pool.padding in (0, (0, 0))
        and pool.dilation in (1, (1, 1))
        and not pool.ceil_mode
        and not pool.return_indices
    )


def _takes_norm(norm: nn.Module) -> bool:
    assert isinstance(norm, nn.BatchNorm2d)
    return (
        norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and _is_plain_parameter(norm.weight)
        and _is_plain_buffer(norm.running_mean)
        and _is_plain_buffer(norm.running_var)
    )


def _is_plain_parameter(parameter: Tensor) -> bool:
    return (
        type(parameter) is nn.Parameter
        and parameter.dtype is torch.float32
        and parameter.device.type == "cpu"
    )


def _is_plain_buffer(buffer: Tensor | None) -> bool:
    """Whether a kernel may write it."""
    return (
        type(buffer) is Tensor
        and buffer.dtype is torch.float32
        and buffer.device.type == "cpu"
        and buffer.is_contiguous()
    )


def _run_block(library: Library, block: list[nn.Module], images: Tensor, channels_last: bool) -> Tensor:
    conv, _, *norms, _ = block
    assert isinstance(conv, nn.Conv2d)
    padding = _padding(conv)
    assert padding is not None
    if not norms:
        return conv_relu_pool(library, images, conv.weight, conv.bias, padding, channels_last)
    norm = norms[0]
    assert isinstance(norm, nn.BatchNorm2d)
    mean, variance, momentum = norm.running_mean, norm.running_var, norm.momentum
    assert mean is not None
    assert variance is not None
    assert momentum is not None
    if norm.training:
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
    parts = BatchNorm(norm.weight, norm.bias, mean, variance, norm.training, momentum, norm.eps)
    return conv_relu_norm_pool(library, images, conv.weight, conv.bias, parts, padding, channels_last)
