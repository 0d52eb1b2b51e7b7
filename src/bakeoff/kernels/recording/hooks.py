"""Hooks of layers: those of ours that keep the memory layout, which a program does without, and others."""

from __future__ import annotations

from torch import Tensor, nn

from bakeoff.kernels.matching import is_watched


def contiguous_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A hook for models whose `view` needs images stored channel by channel; programs do without."""
    return tuple(one.contiguous() for one in inputs)


def contiguous_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """The same for the outputs of convolutions."""
    return output.contiguous()


LAYOUT_HOOKS = {contiguous_inputs, contiguous_output}


def has_own_hooks(module: nn.Module) -> bool:
    """Whether something else than `LAYOUT_HOOKS` waits for a module to be called."""
    if not is_watched(module):
        return False
    layout = {*module._forward_pre_hooks.values(), *module._forward_hooks.values()}
    return bool(module._backward_hooks or module._backward_pre_hooks) or not layout <= LAYOUT_HOOKS


def drop_layout_hooks(module: nn.Module) -> None:
    """Remove them from this module, not from those in it."""
    for name in ("_forward_pre_hooks", "_forward_hooks"):
        hooks = getattr(module, name)
        kept = type(hooks)((key, hook) for key, hook in hooks.items() if hook not in LAYOUT_HOOKS)
        setattr(module, name, kept)
