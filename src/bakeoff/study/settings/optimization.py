"""The loss, the optimizers and the learning rate schedules a recipe can name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, Tag, model_validator

from bakeoff.study.settings.base import IMPORT_PATH, Settings, SettingsWithOptions, by_name

Weight = Annotated[float, Field(gt=0)]


class CrossEntropySettings(Settings):
    """Cross-entropy between the softmax of the logits and the label."""

    name: Literal["cross_entropy"] = "cross_entropy"

    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Fraction of the target distributed evenly over all classes (Szegedy et al., 2016)."""

    class_weights: Literal["balanced"] | Annotated[tuple[Weight, ...], Field(strict=False)] | None = None
    """Weight of each class in the mean loss of a batch: a list in label order, or `balanced`, which gives a
    class the number of training images divided by (number of classes x its training images). By default all
    weigh the same."""


class AdamSettings(Settings):
    """Adam (Kingma and Ba, 2015). Weight decay is coupled: it acts as an L2 penalty."""

    name: Literal["adam"] = "adam"

    lr: float = Field(0.001, gt=0)
    """Initial learning rate of the schedule; with warm-up or `one_cycle`, its maximum."""

    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty: this times the weight is added to the gradient."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), strict=False
    )
    """Decay rates of the running averages of the gradient and of its square."""


class AdamWSettings(AdamSettings):
    """AdamW (Loshchilov and Hutter, 2019). Weight decay is decoupled from the gradient."""

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]

    weight_decay: float = Field(0.01, ge=0)
    """Each step subtracts this times the learning rate times the weight."""


class SGDSettings(Settings):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"

    lr: float = Field(0.1, gt=0)
    """Initial learning rate of the schedule; with warm-up or `one_cycle`, its maximum."""

    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum factor; 0 turns momentum off."""

    nesterov: bool = False
    """Use Nesterov momentum."""

    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty: this times the weight is added to the gradient."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGDSettings:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is true, which needs a momentum above 0; found 0")
        return self


class ConstantSchedule(Settings):
    """The learning rate is constant."""

    name: Literal["constant"] = "constant"


class StepSchedule(Settings):
    """The learning rate is multiplied by `gamma` every `step_size` epochs."""

    name: Literal["step"] = "step"

    step_size: int = Field(20, ge=1)
    """Number of epochs between two reductions."""

    gamma: float = Field(0.5, gt=0, le=1)
    """Factor of each reduction."""


class CosineSchedule(Settings):
    """Cosine annealing from the learning rate to `final_lr` over the steps of the run (Loshchilov, 2017)."""

    name: Literal["cosine"] = "cosine"

    warmup_epochs: float = Field(0.0, ge=0)
    """The learning rate first rises linearly from 0 over this many epochs."""

    final_lr: float = Field(0.0, ge=0)
    """Learning rate at the end of the run."""


class OneCycleSchedule(Settings):
    """The learning rate rises along a cosine and falls along another, once per run (Smith and Topin, 2018).

    Like PyTorch's `OneCycleLR`, but the momentum is not cycled.
    """

    name: Literal["one_cycle"] = "one_cycle"

    warmup_share: float = Field(0.3, gt=0, lt=1)
    """Fraction of the steps in which the learning rate rises."""

    div_factor: float = Field(25.0, ge=1)
    """The learning rate starts at the optimizer's `lr` divided by this."""

    final_div_factor: float = Field(10_000.0, ge=1)
    """The learning rate ends at its initial value divided by this."""


class OwnLossSettings(SettingsWithOptions):
    """Your own loss; further keys of the table are passed to the function as keyword arguments."""

    name: str = Field(pattern=IMPORT_PATH)
    """Import path `package.module:function`. The function is called in each step as
    `function(logits, labels, **other_keys)`, with logits [N, num_classes] and labels [N], and returns the
    mean loss of the batch as a tensor with a gradient."""


class OwnOptimizerSettings(SettingsWithOptions):
    """Your own optimizer, or another one of PyTorch's; further keys are passed to the class."""

    name: str = Field(pattern=IMPORT_PATH)
    """Import path `package.module:Class` of a `torch.optim.Optimizer`, such as `torch.optim:RMSprop`. The
    class is called as `Class(parameters, lr=..., **other_keys)`."""

    lr: float = Field(0.001, gt=0)
    """Initial learning rate of the schedule; with warm-up or `one_cycle`, its maximum."""


class OwnScheduleSettings(SettingsWithOptions):
    """Your own schedule; further keys of the table are passed to the function as keyword arguments."""

    name: str = Field(pattern=IMPORT_PATH)
    """Import path `package.module:function`. The function is called as
    `function(step, num_steps, **other_keys)`, with steps counted from 0 over the whole run, and returns the
    factor by which the optimizer's `lr` is multiplied in this step."""


Loss = Annotated[
    Annotated[CrossEntropySettings, Tag("cross_entropy")] | Annotated[OwnLossSettings, Tag("import path")],
    by_name(CrossEntropySettings().name),
]

Optimizer = Annotated[
    Annotated[AdamSettings, Tag("adam")]
    | Annotated[AdamWSettings, Tag("adamw")]
    | Annotated[SGDSettings, Tag("sgd")]
    | Annotated[OwnOptimizerSettings, Tag("import path")],
    by_name(),
]

Schedule = Annotated[
    Annotated[ConstantSchedule, Tag("constant")]
    | Annotated[StepSchedule, Tag("step")]
    | Annotated[CosineSchedule, Tag("cosine")]
    | Annotated[OneCycleSchedule, Tag("one_cycle")]
    | Annotated[OwnScheduleSettings, Tag("import path")],
    by_name(),
]

LOSSES: dict[str, type[BaseModel]] = {"cross_entropy": CrossEntropySettings}

OPTIMIZERS: dict[str, type[BaseModel]] = {"adam": AdamSettings, "adamw": AdamWSettings, "sgd": SGDSettings}

SCHEDULES: dict[str, type[BaseModel]] = {
    "constant": ConstantSchedule,
    "step": StepSchedule,
    "cosine": CosineSchedule,
    "one_cycle": OneCycleSchedule,
}
