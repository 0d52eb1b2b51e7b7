"""Recipe: everything that determines how one model is trained."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from bakeoff.own_code import import_path
from bakeoff.study.problems import explain, validate
from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.study.settings.base import Settings, refuse_unwritable
from bakeoff.study.settings.model import ALL_BUT_HEAD, CustomModelSettings, Model
from bakeoff.study.settings.optimization import CosineSchedule, Loss, Optimizer, Schedule
from bakeoff.study.settings.tables import (
    DEFAULT_LOSS,
    DEFAULT_MODEL,
    DEFAULT_OPTIMIZER,
    DEFAULT_SCHEDULE,
    NAMED_TABLES,
    OF_TRAINER,
    PLAIN_TABLES,
    named_table_keys,
)
from bakeoff.study.settings.trainer import OwnTrainerSettings, SklearnSettings, Trainer
from bakeoff.study.settings.tune import MAX_TRIALS, Space
from bakeoff.study.tables import Table, merge_recipe

SOURCES = ("weights", "order", "augmentation", "layers")
"""What the seed of a run decides."""

SPLIT = "split"
"""What it decides too, if asked for: which images of the pool a run trains on."""

FIXED_SEED = 2**29
"""Whose random numbers a run has where its recipe does not let them vary. No run has this seed, nor has a
trial of a search: that run would be one run of every recipe with `vary`."""

_MEANS = {"augmentation": "augmentation", "layers": "dropout"}


class Recipe(Settings):
    """Everything that determines how one model is trained."""

    model: Model = DEFAULT_MODEL
    """The model: the name of a built-in model, or an import path, with its options."""

    epochs: int = Field(100, ge=1)
    """Number of passes over the training images."""

    batch_size: int = Field(128, ge=1)
    """Images per step; the last batch of an epoch may be smaller."""

    sampling: Literal["balanced"] | None = None
    """Which training images an epoch shows. By default each one once; `balanced` draws as many at random,
    with replacement, so that all classes are equally frequent on average."""

    augmentation: AugmentationSettings = AugmentationSettings()
    """Random changes to training images."""

    loss: Loss = DEFAULT_LOSS
    """The function that is minimized."""

    optimizer: Optimizer = DEFAULT_OPTIMIZER
    """How the weights are updated."""

    gradient_clipping: float = Field(0.0, ge=0)
    """Maximum norm of the gradient over all weights: a larger one is scaled down to it. 0 turns it off."""

    schedule: Schedule = DEFAULT_SCHEDULE
    """How the learning rate changes during the run."""

    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Evaluate and keep an exponential moving average of the weights with this decay per step (less in the
    first steps). 0 turns it off."""

    checkpoint: Literal["best_val_accuracy", "best_val_loss", "best_val_score", "last"] = "best_val_accuracy"
    """The epoch whose weights are kept and tested; of several equally good ones, the earliest.
    `best_val_score` is by `compare.metric` of the study."""

    test_time_augmentation: Literal["none", "horizontal_flip"] = "none"
    """Averaging in validation, test and prediction: `horizontal_flip` averages the logits of an image and its
    mirror image."""

    train_mode: Literal["every_epoch", "first_epoch_only"] = "every_epoch"
    """When the model is put into training mode. `first_epoch_only` reproduces a fault of the published study:
    from epoch 2 on, batch normalization trains with frozen running statistics. Do not use it otherwise."""

    vary: tuple[Literal["weights", "order", "augmentation", "layers", "split"], ...] | None = Field(
        None, strict=False
    )
    """What differs between the runs of the recipe: initial weights, order of the training images,
    augmentation, and layers with random numbers of their own, such as dropout. By default all of these; what
    is left out is the same for every seed. With `split`, each seed also draws its own training and
    validation images from those of both, in the same numbers; the test images stay. A recipe with a trainer
    varies all five, or `split` alone."""

    patience: int | None = Field(None, ge=1)
    """Stop a run after this many epochs without a better one, by `checkpoint` (with `last`, by validation
    accuracy). The schedule is still that of all `epochs`."""

    max_minutes: float | None = Field(None, gt=0)
    """Stop a run after the epoch in which its training has taken this long, so that recipes can be compared
    at equal cost. How many epochs that are depends on the machine."""

    trainer: Trainer | None = None
    """Other training code than Bakeoff's: `sklearn`, or the import path of a function. A recipe with a
    trainer has no other settings than `settings`, and none of [defaults]."""

    settings: dict[str, Any] | None = None
    """For a trainer of your own, which gets them as a dict."""

    search: dict[str, Space] | None = None
    """The settings to tune before the recipe is compared, by their path in the recipe, such as
    `"optimizer.lr" = { low = 0.001, high = 1.0, log = true }`."""

    trials: int | None = Field(None, ge=1, le=MAX_TRIALS)
    """Number of trials of this recipe's search, if not `tune.trials`; the report then says that the budgets
    differ."""

    @field_validator("vary")
    @classmethod
    def _in_order(cls, sources: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """One spelling of what is the same: in a fixed order, and None for all but the split."""
        if sources and len({*sources}) < len(sources):
            repeated = next(source for source in sources if sources.count(source) > 1)
            raise ValueError(f"found {repeated!r} more than once; expected each once")
        if sources is None or set(sources) == set(SOURCES):
            return None
        if not sources:
            raise ValueError(
                "found [], with which all runs would be the same; expected one or more of "
                f"{', '.join(SOURCES)}, {SPLIT}, or no vary, with which all of them but {SPLIT} differ"
            )
        return tuple(source for source in (*SOURCES, SPLIT) if source in sources)

    @field_validator("search", mode="before")
    @classmethod
    def _by_path(cls, tables: Any) -> Any:
        return _spaces(tables) if isinstance(tables, dict) else tables

    @model_validator(mode="wrap")
    @classmethod
    def _trainer_alone(cls, tables: Any, handler: ModelWrapValidatorHandler[Recipe]) -> Recipe:
        if isinstance(tables, dict) and tables.get("trainer") is not None:
            others = [key for key in tables if key not in OF_TRAINER]
            if others:
                raise ValueError(
                    f"{others[0][:100]} is a setting of Bakeoff's training, but the recipe has a trainer; "
                    "remove one of them (what your own trainer needs stands in the table settings)"
                )
            tables = {**tables, "epochs": 1}
        recipe = handler(tables)
        if recipe.trainer and recipe.vary not in (None, (SPLIT,), (*SOURCES, SPLIT)):
            raise ValueError(
                f"vary: found {', '.join(recipe.vary or ())}, but what a trainer draws from its seed cannot "
                f'be told apart; expected ["{SPLIT}"], or all of {", ".join((*SOURCES, SPLIT))}'
            )
        if recipe.vary and not recipe.varied:
            raise ValueError(
                f"vary: found only {' and '.join(recipe.vary)}, which this recipe does not have, so all its "
                'runs would be the same; expected "weights" or "order" as well, or a recipe with '
                f"{' or '.join(_MEANS[source] for source in recipe.vary)}"
            )
        if recipe.settings is not None and not isinstance(recipe.trainer, OwnTrainerSettings):
            raise ValueError("settings is for a trainer of your own, and the recipe has none")
        refuse_unwritable(recipe.settings or {})
        if recipe.trials is not None and recipe.search is None:
            raise ValueError("trials is the number of trials of a search, and the recipe has none")
        if recipe.search == {}:
            raise ValueError('search is empty; expected settings such as "optimizer.lr" = { low, high }')
        for key, space in (recipe.search or {}).items():
            if key in ("search", "trials", "trainer"):
                raise ValueError(f"search: {key} cannot be searched")
            for value in space.limits:
                try:
                    with_values(recipe, {key: value})
                except ValueError as error:
                    raise ValueError(f"search: {error}") from None
        return recipe

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what does not apply: the identity of earlier runs does not know of trainers."""
        tables: dict[str, Any] = handler(self)
        applies = OF_TRAINER if self.trainer else tables.keys()
        return {key: value for key, value in tables.items() if key in applies and value is not None}

    @property
    def without_search(self) -> Recipe:
        """The recipe as it is trained: what was searched, and how, is not part of it."""
        return self.model_copy(update={"search": None, "trials": None})

    @property
    def varied(self) -> tuple[str, ...]:
        """What differs between runs of Bakeoff's training: of `vary`, what the recipe has."""
        return tuple(source for source in self.vary or SOURCES if self._has(source))

    @property
    def draws_split(self) -> bool:
        """Whether each run draws its own training and validation images."""
        return SPLIT in (self.vary or ())

    def _has(self, source: str) -> bool:
        if source == "augmentation":
            return self.augmentation != AugmentationSettings()
        if source == "layers":  # a model of the user's own may have any
            return isinstance(self.model, CustomModelSettings) or getattr(self.model, "dropout", 0) > 0
        return True

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The import paths of the user's own classes and functions, in a fixed order; () without any."""
        if isinstance(self.trainer, SklearnSettings):
            paths = [self.trainer.estimator, self.trainer.features]
        elif self.trainer is not None:
            paths = [self.trainer.name]
        else:
            parts = (self.loss, self.optimizer, self.schedule)
            is_library = isinstance(self.model, CustomModelSettings) and self.model.library
            model = "" if is_library else self.model.name
            paths = [model, self.augmentation.custom, *(part.name for part in parts)]
        return tuple(path for path in paths if ":" in path)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on settings that are valid and hardly meant."""
        schedule = self.schedule
        if self.trainer or not isinstance(schedule, CosineSchedule) or schedule.warmup_epochs < self.epochs:
            return ()
        return (
            f"the warm-up of {schedule.warmup_epochs:g} epochs takes the whole run of {self.epochs}: "
            "the learning rate only rises.",
        )

    @property
    def weights(self) -> str | None:
        """The file of pretrained weights, if the model has one."""
        return self.model.weights if isinstance(self.model, CustomModelSettings) else None

    @property
    def own_files(self) -> tuple[str, ...]:
        """What of the user's files decides the results: `own_classes`, and the file of pretrained weights."""
        return (*self.own_classes, *([self.weights] if self.weights else []))

    @property
    def is_pretrained(self) -> bool:
        """Whether the model has pretrained weights, frozen ones, or a head with another learning rate."""
        return isinstance(self.model, CustomModelSettings) and self.model.is_pretrained

    @property
    def trains_on_features(self) -> bool:
        """Whether all of the model but its head is frozen, and gets the same images in each epoch."""
        return (
            isinstance(self.model, CustomModelSettings)
            and self.model.freeze == ALL_BUT_HEAD
            and self.augmentation == AugmentationSettings()
            and self.test_time_augmentation == "none"
        )

    def trains(self, model: str) -> bool:
        """Whether Bakeoff trains this built-in model."""
        return self.trainer is None and self.model.name == model

    def changed(self, **settings: Any) -> Recipe:
        """Return a recipe with other settings; tables are merged key by key, like [defaults] of a file.

        `recipe.changed(epochs=20, optimizer={"lr": 0.01}, augmentation={"horizontal_flip": True})`. A model
        may be your own class: `recipe.changed(model=Net)`.

        Raises
        ------
        BakeoffError
            If a setting is unknown or wrong.
        """
        settings = {key: _with_paths(key, value) for key, value in settings.items()}
        before = {} if "trainer" in settings else self.model_dump(mode="json")
        tables = merge_recipe(before, settings)
        return validate(Recipe, tables, "changed recipe", recipe_keys)


def recipe_keys(path: list[str], recipe: Table) -> list[str]:
    """The valid keys of a recipe's table at this path; [] if there can be no table."""
    match path:
        case []:
            return list(Recipe.model_fields)
        case ["search", _]:
            return list(Space.model_fields)
        case [table] if table in PLAIN_TABLES:
            return list(PLAIN_TABLES[table].model_fields)
        case [table] if table in NAMED_TABLES:
            return named_table_keys(table, recipe[table].get("name"))
        case _:
            return []


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with these settings, by their dotted path; its search stays as it is.

    Raises
    ------
    ValueError
        If it cannot have them; the message names the setting.
    """
    tables = _merge_values(recipe, values)
    try:
        changed = Recipe.model_validate(tables)
    except ValidationError as error:
        raise ValueError(explain(error, tables, tables, recipe_keys)[0]) from None
    return changed.model_copy(update={"search": recipe.search, "trials": recipe.trials})


def _merge_values(recipe: Recipe, values: Mapping[str, Any]) -> Table:
    changes: Table = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        table = changes
        for part in parents:
            child = table.setdefault(part, {})
            table[part] = table = {"name": child} if isinstance(child, str) else child
        table[last] = {"name": value} | table[last] if isinstance(table.get(last), dict) else value
    return merge_recipe(recipe.without_search.model_dump(mode="json", exclude_none=True), changes)


def _spaces(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Spaces by dotted path: TOML reads `optimizer.lr = {...}`, without quotes, as nested tables."""
    spaces: dict[str, Any] = {}
    for key, value in tables.items():
        nested = isinstance(value, dict) and value and not Space.model_fields.keys() & value.keys()
        nested = nested and all(isinstance(child, dict) for child in value.values())
        spaces |= _spaces(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return spaces


def _with_paths(key: str, value: Any) -> Any:
    """Replace a user's own class or function by its import path."""
    place = "custom" if key == "augmentation" else "name"
    if _is_own(value):
        return {place: import_path(value)}
    if isinstance(value, dict) and key != "settings":
        return {name: import_path(part) if _is_own(part) else part for name, part in value.items()}
    return value


def _is_own(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe's settings by dotted path, such as `optimizer.lr`, in the order of declaration.

    Without its search, which decides nothing about a model once it has been made.
    """
    return _flatten(recipe.without_search.model_dump(mode="json", exclude_none=True))


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
