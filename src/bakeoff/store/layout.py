"""The names of the files in a study folder, and the identity of a run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bakeoff.files import final_name
from bakeoff.study import Recipe
from bakeoff.study.recipe import FIXED_SEED

FORMAT_VERSION = 1
"""Version of the study folder's format, written to data.json."""

MANIFEST = "files.json"
"""The sizes and digests of the other files in its folder: of a study, of a run, of a report."""

PREDICTIONS, HISTORY, FAILURE = "predictions.npz", "history.csv", "failure.json"

MARKS = (PREDICTIONS, FAILURE)
"""The files of a run that are put in place last: it is finished, or it failed."""

OWN_FILE = re.compile(
    r"""
    \.lock.*
    | study\.toml | (data|audit|costs|environment|files)\.json | (test|train)_images\.npz
    | runs/[^/]+/seed-\d+/(history\.csv | (predictions|features|attributions)\.npz
                         | best\.safetensors | model\.pt2 | unfinished\.state | (failure|files)\.json)
    | sizes/\d+/[^/]+/seed-\d+/(history\.csv | predictions\.npz | unfinished\.state | (failure|files)\.json)
    | tune/[^/]+/trial-\d+/(history\.csv | predictions\.npz | unfinished\.state | (failure|files)\.json)
    | tests/[^/]+/(images\.npz | files\.json)
    | tests/[^/]+/[^/]+/seed-\d+/(predictions\.npz | files\.json)
    | report/(index\.html | (summary|comparison|files)\.json
             | figures/[\w.-]+\.(svg|png) | tables/[\w.-]+\.csv)
    """,
    re.VERBOSE,
)
"""The files that Bakeoff writes to a study folder, by their path in it; without those of TensorBoard."""


class _InFolder:
    """An attribute of a layout: the path of this name in the study folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, layout: Layout, owner: object) -> Path:
        return layout.root / self.name


class _InRun:
    """A method of a layout: the path of this name in the folder of a run, by recipe and seed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, layout: Layout, owner: object) -> Callable[[str, int], Path]:
        return lambda recipe, seed: layout.run(recipe, seed) / self.name


@dataclass(frozen=True)
class Layout:
    """Paths of the files in the study folder at `root`.

    Attributes
    ----------
    of_trials
        Whether the paths of runs are those of trials, whose number takes the place of the seed.
    of_test
        The name of other test images, if the paths of runs are those of their predictions for these.
    size
        Whether they are those of runs with this number of training images, fewer than all.
    """

    root: Path
    of_trials: bool = False
    of_test: str | None = None
    size: int | None = None

    study = _InFolder("study.toml")
    data = _InFolder("data.json")
    audit = _InFolder("audit.json")
    costs = _InFolder("costs.json")
    environment = _InFolder("environment.json")
    test_images = _InFolder("test_images.npz")
    train_images = _InFolder("train_images.npz")
    tensorboard = _InFolder("tensorboard")
    report = _InFolder("report")
    new_report = _InFolder(".report.new")
    old_report = _InFolder(".report.old")
    report_page = _InFolder("report/index.html")
    report_summary = _InFolder("report/summary.json")
    report_comparison = _InFolder("report/comparison.json")
    report_files = _InFolder(f"report/{MANIFEST}")

    history = _InRun(HISTORY)
    predictions = _InRun(PREDICTIONS)
    features = _InRun("features.npz")
    attributions = _InRun("attributions.npz")
    weights = _InRun("best.safetensors")
    exported = _InRun("model.pt2")
    unfinished = _InRun("unfinished.state")
    failure = _InRun(FAILURE)

    @property
    def keeps_weights(self) -> bool:
        """Whether runs are kept with weights and features: not trials, nor runs with fewer images."""
        return not self.of_trials and self.size is None

    def at_size(self, size: int) -> Layout:
        """The same folder, with the runs with this number of training images in place of those with all."""
        return replace(self, size=size)

    @property
    def trials(self) -> Layout:
        """The same folder, with the trials in place of the runs."""
        return replace(self, of_trials=True)

    def test(self, name: str) -> Layout:
        """The same folder, with what the runs predicted for other test images in place of the runs."""
        return replace(self, of_test=name)

    @property
    def runs(self) -> Path:
        if self.of_test is not None:
            return self.root / "tests" / self.of_test
        if self.size is not None:
            return self.root / "sizes" / str(self.size)
        return self.root / ("tune" if self.of_trials else "runs")

    @property
    def other_images(self) -> Path:
        """The labels of other test images."""
        return self.runs / "images.npz"

    def report_figure(self, name: str, suffix: str) -> Path:
        return self.report / "figures" / f"{name}.{suffix}"

    def report_table(self, name: str) -> Path:
        return self.report / "tables" / f"{name}.csv"

    def is_own(self, path: Path) -> bool:
        """Whether a path in the folder is that of a file that Bakeoff writes, or its temporary name."""
        name = path.with_name(final_name(path.name)).relative_to(self.root).as_posix()
        return OWN_FILE.fullmatch(name) is not None

    def run(self, recipe: str, seed: int) -> Path:
        return self.runs / recipe / self._name_of_run(seed)

    def run_tensorboard(self, recipe: str, seed: int) -> Path:
        folder = self.tensorboard / self.runs.relative_to(self.root)
        folder = folder if not self.keeps_weights else self.tensorboard
        return folder / recipe / self._name_of_run(seed)

    def _name_of_run(self, seed: int) -> str:
        return f"trial-{seed}" if self.of_trials else f"seed-{seed}"


def run_identity(
    recipe: Recipe,
    seed: int,
    *,
    data_fingerprint: str,
    training_version: int,
    model_source: str,
    metric: str = "accuracy",
    groups: str = "",
    size: int | None = None,
) -> str:
    """SHA-256, in hexadecimal, of everything that determines the results of a run.

    Parameters
    ----------
    recipe, seed
        What is trained, and the seed of its random numbers.
    data_fingerprint
        Fingerprint of the decoded images.
    training_version
        Version of the training code.
    model_source
        Digests of the files with the user's own model and augmentation, and of those of pretrained weights,
        one after another; "" where there are none.
    metric
        Of the study; it counts only where it selects the checkpoint.
    groups
        A digest of the groups of images; it counts only where the run draws its images.
    size
        The number of training images, if not all.
    """
    # Without what is not set: settings that are new leave the identity of runs without them.
    parts = {
        "recipe": recipe.without_search.model_dump(mode="json", exclude_none=True),
        "seed": seed,
        "data": data_fingerprint,
        "training_version": training_version,
        "model_source": model_source,
    }
    if recipe.checkpoint == "best_val_score":
        parts["metric"] = metric
    if recipe.vary is not None:
        parts["fixed_seed"] = FIXED_SEED
    if size is not None:
        parts["train_size"] = size
    if groups and (recipe.draws_split or size is not None):
        parts["groups"] = groups
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
