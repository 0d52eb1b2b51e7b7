"""Pretrained: a model that starts from the weights of a file, with a new head; parts of it can be frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.models.libraries import stated_by_library
from bakeoff.models.weights_file import Stated, read_weights_file
from bakeoff.study.settings.model import ALL_BUT_HEAD, CustomModelSettings
from bakeoff.text import counted, list_some, shorten

Construct = Callable[[int, int], nn.Module]
"""From the number of classes and the size of the images to a newly initialized model."""


class Pretrained(nn.Module):
    """A model at the size of its pretrained weights, with a head for the classes of the data.

    Parameters
    ----------
    model
        With its weights.
    head
        The names of the layers whose shapes depend on the number of classes.
    settings
        What is frozen, and the learning rate of the head.
    image_size
        To which images are resized.
    stated
        The preprocessing of the weights.

    Raises
    ------
    BakeoffError
        If a pattern matches no parameter.
    """

    def __init__(
        self,
        model: nn.Module,
        head: tuple[str, ...],
        settings: CustomModelSettings,
        image_size: int,
        stated: Stated,
    ) -> None:
        super().__init__()
        self.model, self.head, self.stated, self.image_size = model, head, stated, image_size
        self.head_lr_factor = settings.head_lr_factor or 1.0
        # Saved with the weights, from which the model is built again without the file it started from.
        self.register_buffer("size", torch.tensor(image_size))
        self._all_but_head = settings.freeze == ALL_BUT_HEAD
        self._freeze(settings)
        self._frozen_layers = [name for name, layer in model.named_modules() if _is_frozen(layer)]

    def _freeze(self, settings: CustomModelSettings) -> None:
        parameters = dict(self.model.named_parameters())
        if self._all_but_head:
            frozen = parameters.keys() - {name for name in parameters if is_in(name, self.head)}
        else:
            frozen = set()
            for pattern in settings.freeze or ():
                matches = {name for name in parameters if fnmatchcase(name, pattern)}
                if not matches:
                    raise BakeoffError(
                        f"model {settings.name!r}: freeze: {shorten(pattern)} matches no parameter; there "
                        f"are {_some(parameters)}"
                    )
                frozen |= matches
        for name in frozen:
            parameters[name].requires_grad_(False)

    @property
    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the head that are trained."""
        named = self.model.named_parameters()
        return [one for name, one in named if one.requires_grad and is_in(name, self.head)]

    def train(self, mode: bool = True) -> Pretrained:
        """Set the mode; frozen layers stay in evaluation mode, with their statistics."""
        super().train(mode)
        if self._all_but_head:  # what lies between the layers too, such as dropout
            self.model.eval()
            for name in self.head:
                self.model.get_submodule(name).train(mode)
        for name in self._frozen_layers:
            self.model.get_submodule(name).eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of standardized images [N, 3, H, W], or of `features` of them."""
        if images.dim() == 2:
            logits: Tensor = self.model.get_submodule(self.head[0])(images)
            return logits
        if images.shape[-1] != self.image_size:
            images = nn.functional.interpolate(
                images,
                size=(self.image_size, self.image_size),
                mode="bilinear",
                antialias=images.shape[-1] > self.image_size,
            )
        logits = self.model(images)
        return logits

    def features(self, images: Tensor) -> Tensor | None:
        """What the head gets, [N, num_features], in evaluation mode and without gradients.

        None if the logits are not those of one linear layer, of one row for each image.
        """
        layers = [self.model.get_submodule(name) for name in self.head]
        if len(layers) != 1 or not isinstance(layers[0], nn.Linear):
            return None
        inputs: list[Tensor] = []
        hook = layers[0].register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
        self.eval()
        try:
            with torch.no_grad():
                logits = self(images)
        finally:
            hook.remove()
        if len(inputs) != 1 or inputs[0].dim() != 2:
            return None
        return inputs[0] if torch.equal(layers[0](inputs[0]), logits) else None


def build_pretrained(
    settings: CustomModelSettings,
    construct: Construct,
    num_classes: int,
    image_size: int,
    num_channels: int,
    trained: Mapping[str, Tensor] | None,
) -> Pretrained:
    """Build a model and load its pretrained weights.

    Parameters
    ----------
    settings
        With pretrained weights, frozen parameters, or another learning rate of the head.
    construct
        Makes the model.
    num_classes, image_size, num_channels
        Of the data.
    trained
        The weights of a finished run, that will be loaded into the model: the file is not needed then.

    Raises
    ------
    BakeoffError
        If the file cannot be read, or does not fit the model.
    """
    stated, tensors = Stated(), None
    if trained is not None:
        if "size" not in trained:
            raise BakeoffError(f"model {settings.name!r}: the weights of the run have no size of the images")
        image_size = int(trained["size"])
    elif settings.weights is not None:
        file = read_weights_file(settings.weights)
        tensors, stated = file.tensors, file.stated.or_else(stated_by_library(settings))
        image_size = stated.image_size or image_size
        if stated.mean and len(stated.mean) != num_channels:
            raise BakeoffError(
                f"weights {shorten(settings.weights)} are for {counted(len(stated.mean), 'channel')}; "
                f"the images have {num_channels}; change data.channels"
            )
    model = construct(num_classes, image_size)
    head = _find_head(model, construct(num_classes + 1, image_size))
    if not head:
        raise BakeoffError(
            f"model {settings.name!r} has no head: none of its layers depends on the number of classes"
        )
    if tensors is not None:
        _load(model, tensors, head, settings)
    return Pretrained(model, head, settings, image_size, stated)


def is_in(name: str, layers: Iterable[str]) -> bool:
    """Whether a parameter is one of these layers', by its name."""
    return any(name.startswith(f"{layer}.") for layer in layers)


def _find_head(model: nn.Module, with_more_classes: nn.Module) -> tuple[str, ...]:
    """The layers whose shapes differ."""
    other = with_more_classes.state_dict()
    differ = [name for name, one in model.state_dict().items() if one.shape != other[name].shape]
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in differ if "." in name))


def _load(
    model: nn.Module, tensors: Mapping[str, Tensor], head: tuple[str, ...], settings: CustomModelSettings
) -> None:
    """Copy all weights but the head's into the model, if each of them has its counterpart."""
    own = {name: tensor for name, tensor in model.state_dict().items() if not is_in(name, head)}
    loaded = {name: tensor for name, tensor in tensors.items() if not is_in(name, head)}
    # Counters that PyTorch did not save before 2018, and that nothing depends on.
    missing = [name for name in own if name not in loaded and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in loaded if name not in own]
    shapes = [
        f"{name} ({list(tensor.shape)} instead of {list(own[name].shape)})"
        for name, tensor in loaded.items()
        if name in own and tensor.shape != own[name].shape
    ]
    problems = {"missing": missing, "not in the model": unexpected, "of another shape": shapes}
    if any(problems.values()):
        lines = [f"{kind}: {_some(names)}" for kind, names in problems.items() if names]
        raise BakeoffError(
            f"weights {shorten(settings.weights)} do not fit the model {settings.name!r}\n{list_some(lines)}"
        )
    model.load_state_dict(loaded, strict=False)


def _some(names: Iterable[str]) -> str:
    first = list(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3:,} more" if len(first) > 3 else "")


def _is_frozen(layer: nn.Module) -> bool:
    trained = [parameter.requires_grad for parameter in layer.parameters()]
    return bool(trained) and not any(trained)
