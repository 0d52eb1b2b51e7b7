"""StackedModel: models of one class with separate weights, called as one."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from bakeoff.training.stacked.operations import Convolution, StackedOperations


class StackedModel(nn.Module):
    """Models of the same class, whose parameters and buffers have the seed as their first dimension.

    Elementwise optimizers (Adam, AdamW, SGD) and weight averaging work on it as on any model.

    Parameters
    ----------
    models
        One per seed; not modified.
    device
        The device of the stack.
    vectorized
        Call all models at once (`torch.func.vmap`). Otherwise they are called one after another, which works
        for any model.
    convolution
        How vectorized models compute convolutions.

    Raises
    ------
    RuntimeError
        If the models differ in class or in the shapes of their weights.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        device: torch.device,
        *,
        vectorized: bool = True,
        convolution: Convolution = "grouped",
    ) -> None:
        super().__init__()
        self.num_models, self.vectorized, self.convolution = len(models), vectorized, convolution
        parameters, buffers = stack_module_state([*models])
        for name, value in parameters.items():
            stacked = nn.Parameter(value.detach().to(device), requires_grad=value.requires_grad)
            self.register_parameter(_flat(name), stacked)
        for name, value in buffers.items():
            self.register_buffer(_flat(name), value.detach().to(device))
        self.parameter_names, self.buffer_names = tuple(parameters), tuple(buffers)
        # In a list, so that its weights are not registered as the stack's.
        self._templates = [copy.deepcopy(models[0]).to(device)]
        self.generators = [torch.Generator(device) for _ in models]

    @property
    def template(self) -> nn.Module:
        """A model of the stacked class; its weights are passed at each call."""
        return self._templates[0]

    def train(self, mode: bool = True) -> StackedModel:
        self.template.train() if mode else self.template.eval()  # a user's model may do more in `eval`
        super().train(mode)
        return self

    def seed_layers(self, seeds: Sequence[int]) -> None:
        """Seed the random numbers of the models' own layers (dropout), separately for each model."""
        for generator, seed in zip(self.generators, seeds, strict=True):
            generator.manual_seed(seed)
        if not self.vectorized:
            torch.manual_seed(seeds[0])

    def forward(self, images: Tensor) -> Tensor:
        """Logits [num_models, N, num_classes].

        Parameters
        ----------
        images
            Standardized, [num_models, N, C, H, W], or [N, C, H, W] for the same images for all models.
        """
        parameters = {name: getattr(self, _flat(name)) for name in self.parameter_names}
        buffers = {name: getattr(self, _flat(name)) for name in self.buffer_names}
        shared = images.dim() == 4
        if self.vectorized:
            with StackedOperations(self.generators, self.convolution):
                logits, replaced = vmap(self._call, in_dims=(0, 0, None if shared else 0))(
                    parameters, buffers, images
                )
        else:
            calls = [
                self._call(
                    {name: value[index] for name, value in parameters.items()},
                    {name: value[index] for name, value in buffers.items()},
                    images if shared else images[index],
                )
                for index in range(self.num_models)
            ]
            logits = torch.stack([model_logits for model_logits, _ in calls])
            replaced = {name: torch.stack([values[name] for _, values in calls]) for name in calls[0][1]}
        with torch.no_grad():
            for name, value in replaced.items():
                getattr(self, _flat(name)).copy_(value)
        result: Tensor = logits
        return result

    def _call(
        self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits [N, num_classes] of one model, and the buffers that it replaced instead of modifying."""
        state = {**parameters, **buffers}
        logits: Tensor = functional_call(self.template, state, (images,))
        return logits, {name: state[name] for name in buffers if state[name] is not buffers[name]}

    def clip_gradients(self, max_norm: float) -> None:
        """Clip the norm of the gradient over all weights of each model."""
        gradients = [parameter.grad for parameter in self.parameters() if parameter.grad is not None]
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])
        scales = (max_norm / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)  # as torch.nn.utils does it
        for gradient in gradients:
            gradient.mul_(scales.view(-1, *(1,) * (gradient.dim() - 1)))

    def weights_of(self, index: int) -> dict[str, Tensor]:
        """A copy of one model's state dict, on the CPU."""
        return self.state_of(index, dict(self.named_tensors()))

    def named_tensors(self) -> list[tuple[str, Tensor]]:
        """Parameters and buffers [num_models, ...] by their names in the models."""
        return [(name, getattr(self, _flat(name))) for name in (*self.parameter_names, *self.buffer_names)]

    def state_of(self, index: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One model's state dict from tensors [num_models, ...]; tied weights have all of their names."""
        names = {id(value): name for name, value in reversed([*_all_tensors(self.template)])}
        return {
            name: tensors[names[id(value)]][index].detach().to("cpu", copy=True)
            for name, value in self.template.state_dict(keep_vars=True).items()
        }

    @torch.no_grad()
    def load_weights(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Load a state dict for each model. Buffers that are not in the state dicts are not changed."""
        for name, tensor in self.named_tensors():
            for index, state in enumerate(states):
                if name in state:
                    tensor[index].copy_(state[name])


def _all_tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _flat(name: str) -> str:
    """A name without dots, which names of registered tensors may not contain."""
    return "stacked/" + name.replace(".", "/")
