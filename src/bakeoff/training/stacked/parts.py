"""The objects that take part in the training of a stack, and one epoch of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bakeoff.data.image_data import ImageData
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.optimization import OwnLossSettings
from bakeoff.training.augmentation.stacked import StackedAugmentation, StackedBlend
from bakeoff.training.batches import epoch_order, split_into_batches
from bakeoff.training.evaluation import EVALUATION_BATCH_SIZE, evaluated
from bakeoff.training.parts.loss import class_weights, criterion
from bakeoff.training.parts.model import build_model_for
from bakeoff.training.parts.optimizers import build_optimizer, learning_rate
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.records import TrainingFailure
from bakeoff.training.repeatable import Stream, seed_of_run, torch_seed
from bakeoff.training.stacked.model import StackedModel
from bakeoff.training.stacked.operations import Convolution
from bakeoff.training.state import TrainingState
from bakeoff.training.step import build_average


@dataclass(frozen=True)
class TrainedEpoch:
    """The results of an epoch of a stack, copied from the device at its end.

    Attributes
    ----------
    loss
        float64 [num_seeds, num_steps], means over the batch.
    right
        int64 [num_seeds, num_steps], correctly classified images.
    batch_sizes
        [num_steps].
    true_probability
        [num_seeds, num_train_images]
    learning_rate
        Of the last step.
    """

    loss: NDArray[np.float64]
    right: NDArray[np.int64]
    batch_sizes: NDArray[np.int64]
    true_probability: NDArray[np.float32]
    learning_rate: float

    def failure(self, index: int, epoch: int) -> TrainingFailure | None:
        """The failure of a seed whose loss is not finite, with the first such step; None if it is finite."""
        bad = np.flatnonzero(~np.isfinite(self.loss[index]))
        if not len(bad):
            return None
        return TrainingFailure(
            f"training loss is {self.loss[index, bad[0]]} in epoch {epoch}, step {bad[0] + 1} of "
            f"{len(self.batch_sizes)}; a smaller learning rate may help"
        )

    def steps(self, index: int) -> list[tuple[float, float]]:
        """A seed's (loss, accuracy) of each step."""
        accuracy = self.right[index] / self.batch_sizes
        return list(zip(self.loss[index].tolist(), accuracy.tolist(), strict=True))

    def means(self, index: int) -> tuple[float, float]:
        """A seed's mean loss and accuracy over the images."""
        number = self.batch_sizes.sum()
        return float(self.loss[index] @ self.batch_sizes / number), float(self.right[index].sum() / number)


class StackedParts:
    """The models of all seeds as one stack, with their optimizer; images stay on the device as uint8.

    Attributes
    ----------
    models
        One per seed, with their initial weights, on the CPU until a run is finished.
    stack, average
        All of them, and the average of their weights if the recipe has one.
    """

    def __init__(
        self,
        recipe: Recipe,
        seeds: Sequence[int],
        data: ImageData,
        device: torch.device,
        vectorized: bool,
        convolution: Convolution,
    ) -> None:
        seeds = [seed_of_run(seed, recipe.vary) for seed in seeds]
        self.recipe, self.seeds, self.data, self.device = recipe, seeds, data, device
        self.preprocessing = Preprocessing.of(data)
        self.models = build_models(recipe, seeds, data)
        self.stack = StackedModel(self.models, device, vectorized=vectorized, convolution=convolution)
        self.criterion = criterion(recipe.loss)
        self.optimizer = build_optimizer(recipe.optimizer, self.stack)
        self.average: AveragedModel | None = build_average(self.stack, recipe.ema_decay)
        self.augmentation = StackedAugmentation(recipe.augmentation, self.preprocessing, seeds, device)
        self.train_images = torch.from_numpy(np.array(data.train.images)).to(device)
        self.train_labels = torch.from_numpy(np.array(data.train.labels)).to(device)
        self.val_images = torch.from_numpy(np.array(data.val.images)).to(device)
        self.shift, self.scale = (constant.to(device) for constant in self.preprocessing.constants)
        self.dtype = next(self.stack.parameters()).dtype
        weights = class_weights(recipe.loss, data.train.labels, data.num_classes)
        self.class_weights = None if weights is None else weights.to(device, self.dtype)

    @property
    def evaluated_model(self) -> StackedModel:
        """The stack that is evaluated and saved: the average of the weights if the recipe has one."""
        stack = self.average.module if self.average else self.stack
        assert isinstance(stack, StackedModel)
        return stack

    def train_epoch(self, epoch: int) -> TrainedEpoch:
        """Train on all images once, each seed in its own order."""
        recipe = self.recipe
        self.stack.train(recipe.train_mode == "every_epoch" or epoch == 1)
        self.stack.seed_layers([torch_seed(seed, Stream.LAYERS, epoch) for seed in self.seeds])
        labels_N = np.asarray(self.data.train.labels)
        order = np.stack([epoch_order(recipe.sampling, seed, epoch, labels_N) for seed in self.seeds])
        sizes = [len(batch) for batch in split_into_batches(order[0], recipe.batch_size)]
        self.augmentation.start_epoch(epoch, sizes)
        on_device = torch.from_numpy(order).to(self.device)
        losses, rights = [], []
        # Of images that are not shown: NaN.
        probability = torch.full(order.shape, torch.nan, dtype=torch.float32, device=self.device)
        start, rate = 0, 0.0
        for batch, size in enumerate(sizes):
            rate = learning_rate(recipe, (epoch - 1) * len(sizes) + batch, len(sizes))
            in_batch = slice(start, start + size)
            if recipe.augmentation.custom:
                images = self.augmentation.custom(self.data.train.images, order[:, in_batch])
            else:
                images = self.train_images[on_device[:, in_batch]]
            labels = self.train_labels[on_device[:, in_batch]]
            loss_S, logits = self.step(images, labels, batch, rate)
            with torch.no_grad():
                true_probability = torch.softmax(logits, 2).gather(2, labels[..., None])[..., 0]
                probability.scatter_(1, on_device[:, in_batch], true_probability.float())
                losses.append(loss_S.detach())
                rights.append((logits.argmax(2) == labels).sum(1))
            start += size
        return TrainedEpoch(
            torch.stack(losses, 1).double().cpu().numpy(),
            torch.stack(rights, 1).cpu().numpy(),
            np.array(sizes),
            probability.cpu().numpy(),
            rate,
        )

    def step(self, images_SNHWC: Tensor, labels_SN: Tensor, batch: int, rate: float) -> tuple[Tensor, Tensor]:
        """One step of the optimizer; the losses [num_seeds] and logits [num_seeds, N, num_classes]."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pixels = self.standardized(self.augmentation.pixels(images_SNHWC, batch))
        images, blend = self.augmentation.tensors(pixels, batch)
        logits = self.stack(images)
        loss_S = self._loss(logits, labels_SN, blend)
        self.optimizer.zero_grad()
        loss_S.sum().backward()  # type: ignore[no-untyped-call]
        if self.recipe.gradient_clipping:
            self.stack.clip_gradients(self.recipe.gradient_clipping)
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.stack)
        return loss_S, logits.detach()

    def standardized(self, images: Tensor) -> Tensor:
        """[..., C, H, W] from uint8 [..., H, W, C], as `Preprocessing`."""
        return images.float().sub_(self.shift).mul_(self.scale).to(self.dtype).movedim(-1, -3)

    def _loss(self, logits_SNK: Tensor, labels_SN: Tensor, blend: StackedBlend | None) -> Tensor:
        """The loss of each seed, as in `train`."""

        def mean_S(labels: Tensor) -> Tensor:
            if isinstance(self.recipe.loss, OwnLossSettings):  # not stacked: one seed
                return self.criterion(logits_SNK[0], labels[0])[None]
            smoothing, weights = self.recipe.loss.label_smoothing, self.class_weights
            losses = nn.functional.cross_entropy(
                logits_SNK.flatten(0, 1),
                labels.flatten(),
                weights,
                label_smoothing=smoothing,
                reduction="none",
            ).view_as(labels)
            return losses.mean(1) if weights is None else losses.sum(1) / weights[labels].sum(1)

        own = mean_S(labels_SN)
        if blend is None:
            return own
        share = blend.share_S.to(own.dtype)
        return share * own + (1 - share) * mean_S(labels_SN.gather(1, blend.partners_SN))

    def val_logits(self) -> NDArray[np.float32]:
        """Logits of all seeds for the validation images: [num_seeds, num_images, num_classes]."""
        self.stack.eval()
        self.evaluated_model.eval()
        model_with_tta = evaluated(self.evaluated_model, self.recipe.test_time_augmentation)
        with torch.no_grad():
            logits = [
                model_with_tta(self.standardized(images))
                for images in torch.split(self.val_images, EVALUATION_BATCH_SIZE)
            ]
            result: NDArray[np.float32] = torch.cat(logits, 1).float().cpu().numpy()
        return result

    def solo(self, index: int) -> tuple[nn.Module, torch.optim.Optimizer, nn.Module | None, nn.Module]:
        """One seed's model, optimizer, average and evaluated model as in `train`."""
        model = self.models[index]
        average = build_average(model, self.recipe.ema_decay)
        return (
            model,
            build_optimizer(self.recipe.optimizer, model),
            average,
            average.module if average else model,
        )

    def state_of(self, index: int) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Tensor]]:
        """One seed's state dicts of model, optimizer and average, as in `train`."""
        average: dict[str, Tensor] = {}
        if self.average:
            weights = self.evaluated_model.weights_of(index)
            average = {"n_averaged": self.average.n_averaged.detach().to("cpu", copy=True)}
            average |= {f"module.{name}": value for name, value in weights.items()}
        return self.stack.weights_of(index), state_of_seed(self.optimizer, index), average

    def load(self, states: Sequence[TrainingState]) -> None:
        """Load the states of all seeds."""
        self.stack.load_weights([state.model for state in states])
        load_states(self.optimizer, [state.optimizer for state in states])
        if self.average:
            self.average.n_averaged.copy_(states[0].average["n_averaged"])
            self.evaluated_model.load_weights(
                [
                    {name.removeprefix("module."): value for name, value in state.average.items()}
                    for state in states
                ]
            )


def build_models(recipe: Recipe, seeds: Sequence[int], data: ImageData) -> list[nn.Module]:
    """The seeds' models with their initial weights, as in `train`."""
    return [build_model_for(recipe.model, data, seed=torch_seed(seed, Stream.WEIGHTS)) for seed in seeds]


def state_of_seed(optimizer: torch.optim.Optimizer, index: int) -> dict[str, Any]:
    """The state dict of one seed's optimizer, on the CPU."""
    whole = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        key: {
            name: _slice(value, index, parameters[key].shape) if isinstance(value, Tensor) else value
            for name, value in entry.items()
        }
        for key, entry in whole["state"].items()
    }
    return {"state": state, "param_groups": whole["param_groups"]}


def load_states(optimizer: torch.optim.Optimizer, states: Sequence[dict[str, Any]]) -> None:
    """Load the state dicts of all seeds' optimizers, which have made the same number of steps."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    first = states[0]
    merged = {
        key: {
            name: torch.stack([state["state"][key][name] for state in states])
            if isinstance(value, Tensor) and value.shape == parameters[key].shape[1:] and name != "step"
            else value
            for name, value in entry.items()
        }
        for key, entry in first["state"].items()
    }
    optimizer.load_state_dict({"state": merged, "param_groups": first["param_groups"]})


def _slice(value: Tensor, index: int, shape: torch.Size) -> Tensor:
    """A seed's part of a tensor with the shape of the weights; others, such as the step count, are shared."""
    return (value[index] if value.shape == shape else value).detach().to("cpu", copy=True)
