"""Study: recipes x seeds on one data set."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from itertools import islice, starmap
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from bakeoff.errors import BakeoffError
from bakeoff.study.problems import validate
from bakeoff.study.recipe import Recipe, flatten_settings, recipe_keys, with_values
from bakeoff.study.search import as_text, trial_recipe, trial_seed, trial_values
from bakeoff.study.settings.base import Settings
from bakeoff.study.settings.compare import CompareSettings
from bakeoff.study.settings.data import DataSettings, OtherImages
from bakeoff.study.settings.tune import TuneSettings
from bakeoff.study.tables import MAX_RUNS, Table, merge_defaults, refuse_many_recipes
from bakeoff.text import shorten

RecipeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]

Share = Annotated[float, Field(ge=0, le=1)]

MIN_FIRST_SEEDS = 3
"""With two, the variance over seeds is too imprecise for valid interim looks (docs/statistics/looks.md)."""

SAME_SIZE = 0.01
"""Training sets whose sizes differ by this share are taken as the same, such as 4,999 and 5,000 images."""

_MERGED = ("compare", "data", "tune", "tests", "recipes", "published")
"""Tables of a study of which `changed` replaces single entries."""

EpochKey = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,6}$")]


class Published(Settings):
    """Results reported elsewhere for a recipe, to be shown beside those of the study."""

    test_accuracy: Share | None = None
    """Test accuracy, 0..1."""

    class_accuracies: dict[str, Share] = Field(default_factory=dict)
    """Test accuracy of single classes, by class name."""

    train_loss: dict[EpochKey, float] = Field(default_factory=dict)
    """Mean training loss of single epochs; the key is the epoch, counted from 1."""

    test_images: int | None = Field(None, ge=1)
    """Number of test images on which the accuracy was measured."""

    class_names: tuple[str, ...] | None = Field(None, strict=False, min_length=2)
    """Classes of the data on which the results were measured, in any order. On data with other classes, they
    are neither compared nor shown."""

    train_images: int | None = Field(None, ge=1)
    """Number of training images of these data. If the study's differs by more than one percent, the results
    are neither compared nor shown."""

    source: str = ""
    """Where the results were reported."""

    def other_data(self, class_names: tuple[str, ...], train_images: int) -> str | None:
        """How the data on which the results were measured differ from these; None if they do not."""
        if self.class_names is not None and set(self.class_names) != set(class_names):
            return f"of the classes {_some(self.class_names)}"
        if self.train_images is not None and abs(train_images / self.train_images - 1) > SAME_SIZE:
            return f"with {self.train_images:,} training images instead of {train_images:,}"
        return None

    @property
    def losses(self) -> list[tuple[int, float]]:
        """`train_loss` as pairs of epoch and value, ascending in epoch."""
        return sorted((int(epoch), value) for epoch, value in self.train_loss.items())


class Study(Settings):
    """Recipes x seeds on one data set: the complete input of `bakeoff run`."""

    name: RecipeName
    """Name of the study and its folder; letters, digits, - and _."""

    description: str = ""
    """The question in one line."""

    seeds: int = Field(5, ge=1, le=10_000)
    """Number of runs per recipe, with the seeds 0, 1, 2 ...; with fewer than 5, results are exploratory."""

    until: Literal["all_seeds", "decided"] = "all_seeds"
    """When to stop: `decided` starts with `seeds` runs per recipe, compares the recipes (an interim look),
    and adds seeds to the recipes of undecided pairs that more seeds may decide."""

    max_seeds: int = Field(20, ge=1, le=10_000)
    """With `until = "decided"`: the maximum number of runs per recipe. It also determines how strict each
    interim look is, so choose it before the first one."""

    baseline: str | None = None
    """The recipe that the others are compared with; without it, all pairs are compared."""

    margin: float = Field(0.01, gt=0, lt=1)
    """The smallest difference that matters, 0..1, in the unit of `compare.metric`: 0.01 of accuracy is one
    percentage point. Smaller differences count as equivalent."""

    confidence: float = Field(0.95, ge=0.5, le=0.999)
    """Confidence level of all intervals."""

    train_sizes: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(None, strict=False, min_length=1)
    """Numbers of training images with which each recipe is trained too, such as `[500, 1000, 2000]`, for a
    learning curve: parts of the training images, with the same share of each class. A larger part contains
    the smaller ones of its seed."""

    all_attributions: bool = False
    """Whether a run computes attribution maps of all test images that it misclassifies. By default it
    computes at most as many as take about a tenth of its training, spread evenly over the test images."""

    compare: CompareSettings = CompareSettings()
    """By what the recipes are compared."""

    data: DataSettings = DataSettings()
    """The images."""

    tune: TuneSettings | None = None
    """How recipes with a `search` are tuned before they are compared."""

    tests: dict[RecipeName, OtherImages] = Field(default_factory=dict)
    """Other labeled images, by a name for them: at the end, every finished run is tested on these too."""

    recipes: dict[RecipeName, Recipe] = Field(min_length=1)
    """The recipes by name, each complete: [defaults] of the file are already merged in."""

    published: dict[str, Published] = Field(default_factory=dict)
    """Results reported elsewhere, by recipe."""

    @field_validator("train_sizes", mode="before")
    @classmethod
    def _different_sizes(cls, sizes: Any) -> Any:
        if not isinstance(sizes, (list, tuple)):
            return sizes
        expected = "expected whole numbers of images from 1, each once, such as [500, 1000]"
        if not sizes:
            raise ValueError(f"found [], {expected}, or no train_sizes")
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"found {shorten(size)}, {expected}")
        if repeated := [size for size in sizes if sizes.count(size) > 1]:
            raise ValueError(f"found {repeated[0]:,} more than once, {expected}")
        return sizes

    @field_validator("train_sizes")
    @classmethod
    def _ascending(cls, sizes: tuple[int, ...] | None) -> tuple[int, ...] | None:
        return None if sizes is None else tuple(sorted(sizes))

    @model_validator(mode="after")
    def _names_known(self) -> Study:
        if self.baseline is not None and self.baseline not in self.recipes:
            raise ValueError(
                f"baseline {shorten(self.baseline)} is not one of the recipes: {_some(self.recipes)}"
            )
        for name in self.published:
            if name not in self.recipes:
                raise ValueError(f"published.{name[:100]}: no such recipe; there are {_some(self.recipes)}")
        if self.until == "decided" and self.max_seeds < self.seeds:
            raise ValueError(
                f"max_seeds is {self.max_seeds}, less than the {self.seeds} seeds of the first interim look; "
                "increase max_seeds, or reduce seeds"
            )
        if self.until == "decided" and self.seeds < MIN_FIRST_SEEDS:
            raise ValueError(
                f'seeds is {self.seeds}; with until = "decided", the first interim look needs '
                f"{MIN_FIRST_SEEDS} seeds or more"
            )
        num_sizes = len(self.train_sizes or ())
        if (self.most_seeds + num_sizes * self.seeds) * len(self.recipes) > MAX_RUNS:
            sizes = f" and {num_sizes} train_sizes" if num_sizes else ""
            raise ValueError(
                f"{len(self.recipes):,} recipes with {self.most_seeds:,} seeds{sizes} are more than "
                f"{MAX_RUNS:,} runs"
            )
        for name, number in self.all_trials:
            try:
                self.trial_recipe(name, number)
            except ValueError as error:
                values = as_text(self.trial_values(name, number))
                raise ValueError(
                    f"recipes.{name}.search: {values} are each possible, but not together: {error}"
                ) from None
        return self

    @property
    def most_seeds(self) -> int:
        """Maximum number of runs per recipe: `seeds`, or `max_seeds` if seeds are added until decided."""
        return self.max_seeds if self.until == "decided" else self.seeds

    @property
    def all_runs(self) -> list[tuple[str, int]]:
        """Recipe and seed of each run that the study may have."""
        return [(name, seed) for name in self.recipes for seed in range(self.most_seeds)]

    def sized_runs(self, num_train: int) -> list[tuple[int, str, int]]:
        """Size, recipe and seed of each run with fewer than all training images, seed 0 of all first."""
        return [
            (size, name, seed)
            for seed in range(self.seeds)
            for size in self.train_sizes or ()
            for name in self.recipes
            if size < num_train
        ]

    @property
    def num_trials(self) -> dict[str, int]:
        """The number of trials of each recipe that is tuned."""
        default = self.tuning.trials
        trials = {name: recipe.trials or default for name, recipe in self.recipes.items() if recipe.search}
        return {name: number for name, number in trials.items() if number}

    @property
    def all_trials(self) -> list[tuple[str, int]]:
        """Recipe and number of each trial, counted from 0; trial 0 of all recipes first."""
        most = max(self.num_trials.values(), default=0)
        return [(name, n) for n in range(most) for name, trials in self.num_trials.items() if n < trials]

    @property
    def tuning(self) -> TuneSettings:
        """`tune`, or its defaults."""
        return self.tune or TuneSettings()

    @property
    def tune_metric(self) -> str:
        """The score of the validation images that chooses among trials."""
        return self.tuning.metric or self.compare.metric

    def trial_values(self, name: str, number: int) -> dict[str, Any]:
        """The values that a trial of a recipe draws, by dotted path."""
        return trial_values(self.recipes[name], name, number, self.tuning.seed)

    def trial_recipe(self, name: str, number: int) -> Recipe:
        """The recipe of a trial, complete."""
        return trial_recipe(self.recipes[name], name, number, self.tuning.seed)

    def trial_seed(self, name: str, number: int) -> int:
        """The seed of a trial, which no final run can have."""
        return trial_seed(name, number, self.tuning.seed)

    def with_values(self, values: Mapping[str, Mapping[str, Any]]) -> Study:
        """The study with these settings, by recipe and dotted path, such as those that tuning chose."""
        tuned = {name: with_values(self.recipes[name], chosen) for name, chosen in values.items()}
        return self.model_copy(update={"recipes": self.recipes | tuned})

    def with_trials(self, trials: int) -> Study:
        """The study with this number of trials for every recipe that has a search space.

        Raises
        ------
        BakeoffError
            If no recipe has one, or the number is out of range.
        """
        searched = {
            name: recipe.model_copy(update={"trials": None})
            for name, recipe in self.recipes.items()
            if recipe.search
        }
        if not searched:
            raise BakeoffError(
                f"trials is {trials}, but no recipe of {self.name} has a search space; add a table "
                "[recipes.NAME.search]",
                "trials",
            )
        return self.changed(tune={"trials": trials}, recipes=searched)

    @property
    def own_classes(self) -> set[str]:
        """The import paths of the user's own models and augmentations that the recipes name."""
        return {path for recipe in self._trained_recipes for path in recipe.own_classes}

    @property
    def weights(self) -> set[str]:
        """The files of pretrained weights that the recipes name."""
        return {recipe.weights for recipe in self._trained_recipes if recipe.weights}

    @property
    def _trained_recipes(self) -> list[Recipe]:
        """The recipes, and those of the trials, whose models may be other ones."""
        return [*self.recipes.values(), *starmap(self.trial_recipe, self.all_trials)]

    def changed(self, **settings: Any) -> Study:
        """Return a study with other settings: tables merged by key, `recipes` and `tests` by name.

        `study.changed(seeds=10, recipes={"wide": recipe})` adds or replaces a recipe; `{"wide": None}`
        removes it. With another `name`, the description is dropped unless one is given.

        Raises
        ------
        BakeoffError
            If a setting is unknown or wrong.
        """
        tables = self.model_dump(mode="json", exclude_none=True)
        for key, value in settings.items():
            if key in _MERGED and isinstance(value, dict):
                merged = {**tables.get(key, {}), **{name: _as_table(part) for name, part in value.items()}}
                tables[key] = {name: part for name, part in merged.items() if part is not None}
            elif value is None:
                tables.pop(key, None)
            else:
                tables[key] = value
        # What belongs to a removed recipe is removed with it.
        names = tables["recipes"] if isinstance(tables["recipes"], dict) else {}
        tables["published"] = {name: entry for name, entry in tables["published"].items() if name in names}
        # A description belongs to the study of that name.
        if settings.get("name", self.name) != self.name and "description" not in settings:
            tables.pop("description", None)
        if "baseline" not in settings and tables.get("baseline") not in names:
            tables.pop("baseline", None)
        return study_from_tables(tables, "changed study")

    def __repr__(self) -> str:
        recipes, source = _some(self.recipes), self.data.source
        return f"Study({self.name!r}: recipes {recipes}; seeds {self.seeds}; data {source})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Show the recipes side by side in a notebook, the differing settings first."""
        return study_html(self)


def _some(names: Iterable[str]) -> str:
    first = list(islice(names, 21))
    return ", ".join(first[:20]) + (", ..." if len(first) > 20 else "")


def study_html(study: Study) -> str:
    """An HTML table of the settings that differ between recipes, and the number of equal ones."""
    flat = {name: flatten_settings(recipe) for name, recipe in study.recipes.items()}
    keys = list(dict.fromkeys(key for settings in flat.values() for key in settings))
    differing = [key for key in keys if len({repr(settings.get(key)) for settings in flat.values()}) > 1]
    shown = differing or ["model.name", "epochs", "optimizer.name", "optimizer.lr"]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in flat)
    rows = "".join(
        f"<tr><th>{html.escape(key)}</th>"
        + "".join(f"<td>{html.escape(str(settings.get(key, '–')))}</td>" for settings in flat.values())
        + "</tr>"
        for key in shown
    )
    up_to = f" to {study.most_seeds}" if study.until == "decided" else ""
    about = f"{study.seeds}{up_to} seeds per recipe on {study.data.source}"
    alike = f"; {len(keys) - len(differing)} further settings are equal" if differing else ""
    return (
        f"<p><b>{html.escape(study.name)}</b> {html.escape(study.description)}<br>"
        f"{html.escape(about)}{alike}</p>"
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _as_table(part: Any) -> Any:
    return part.model_dump(mode="json", exclude_none=True) if hasattr(part, "model_dump") else part


def study_from_tables(tables: Table, origin: str) -> Study:
    """The study described by tables, as read from TOML; `origin` names them in messages.

    Raises
    ------
    BakeoffError
        If they are not a valid study.
    """
    refuse_many_recipes(tables, origin)
    return validate(Study, merge_defaults(tables), origin, study_keys, written=tables)


def study_keys(path: list[str], study: Table) -> list[str]:
    """The valid keys of a study's table at this path; [] if there can be no table."""
    match path:
        case []:
            return [*Study.model_fields, "defaults"]
        case ["compare"]:
            return list(CompareSettings.model_fields)
        case ["data"]:
            return list(DataSettings.model_fields)
        case ["tune"]:
            return list(TuneSettings.model_fields)
        case ["tests", _]:
            return list(OtherImages.model_fields)
        case ["published", _]:
            return list(Published.model_fields)
        case ["recipes", _]:
            return recipe_keys([], {})
        case ["recipes", name, *rest]:
            return recipe_keys(rest, study["recipes"][name])
        case _:
            return []
