"""All results in a study folder as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.files import read_json, read_text
from bakeoff.predictions import Predictions, RunMaps, predictions_from_logits
from bakeoff.store.arrays import MemoryBudget, read_arrays, read_groups
from bakeoff.store.checks import DataFacts, StoredCost, check_data, check_images, read_object
from bakeoff.store.cost_file import load_costs
from bakeoff.store.layout import FORMAT_VERSION, HISTORY, PREDICTIONS, Layout
from bakeoff.store.other_images import StoredTest, load_tests
from bakeoff.store.report_folder import restore_report
from bakeoff.store.run_files import (
    FailedRun,
    StoredRun,
    failure_reason,
    load_attributions,
    load_features,
    load_run,
    stored_identity,
)
from bakeoff.store.trial_files import SizedRun, StoredTrial, load_sized_runs, load_trials
from bakeoff.store.verify import check_runs, check_study_files, not_a_study
from bakeoff.study import Study, study_from_toml
from bakeoff.text import shorten


@dataclass(frozen=True)
class StoredStudy:
    """All results in a study folder.

    Attributes
    ----------
    data
        The content of data.json: source, fingerprint, image_size, class_names, counts (one list per split, in
        class order), mean, std, notes.
    environment
        The content of environment.json.
    audit
        The content of audit.json, or None where the images were not checked.
    runs, failures
        In the order of the study's recipes, then by seed. Runs in neither have not finished yet.
    test_images
        uint8 [num_test_images, size, size, 3], at most 64 pixels wide; gray ones have three equal channels.
    test_labels, test_ids, test_groups
        Labels, ids and groups of the test images; None if they have no groups.
    train_images, train_labels
        The same for the training images; None in a folder of a version that did not store them.
    trials
        Those that ended, of recipes with a search space.
    sized_runs
        Those that finished with fewer than all training images, of a study with `train_sizes`.
    costs
        What a prediction costs, by recipe; without recipes of other trainers, and empty in a folder of a
        version that did not measure it.
    tests
        What the runs predicted for the other images of the study.
    """

    root: Path
    study: Study
    data: dict[str, Any]
    environment: dict[str, Any]
    runs: tuple[StoredRun, ...]
    failures: tuple[FailedRun, ...]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    test_ids: tuple[str, ...]
    train_images: NDArray[np.uint8] | None = None
    train_labels: NDArray[np.int64] | None = None
    audit: dict[str, Any] | None = None
    test_groups: tuple[str, ...] | None = None
    trials: tuple[StoredTrial, ...] = ()
    sized_runs: tuple[SizedRun, ...] = ()
    costs: Mapping[str, StoredCost] = field(default_factory=dict)
    tests: tuple[StoredTest, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.data["class_names"])

    def data_facts(self) -> DataFacts:
        """`data` with types."""
        return check_data(self.data)

    def runs_of(self, recipe: str) -> tuple[StoredRun, ...]:
        return tuple(run for run in self.runs if run.recipe == recipe)

    def missing_seeds(self, recipe: str, num_seeds: int) -> list[int]:
        """Seeds below `num_seeds` whose run neither finished nor failed."""
        done = {run.seed for run in self.runs if run.recipe == recipe}
        done |= {failure.seed for failure in self.failures if failure.recipe == recipe}
        return [seed for seed in range(num_seeds) if seed not in done]

    def features_of(self, recipe: str) -> tuple[list[NDArray[np.float16]], list[NDArray[np.float16]]] | None:
        """Features of the test and of the training images, one float16 [num_images, num_features] per seed.

        None if a finished run has none, see `load_features`.
        """
        layout = Layout(self.root)
        budget = MemoryBudget()
        features = [load_features(layout, recipe, run.seed, budget) for run in self.runs_of(recipe)]
        stored = [pair for pair in features if pair is not None]
        if not stored or len(stored) < len(features):
            return None
        return [test for test, _ in stored], [train for _, train in stored]

    def attributions_of(self, recipe: str) -> Iterable[RunMaps] | None:
        """Attribution maps of the test images that each run misclassifies, one entry per seed.

        They are read one after another, because all runs together may take more memory than there is. None
        if a finished run has none, see `load_attributions`.
        """
        layout, seeds = Layout(self.root), [run.seed for run in self.runs_of(recipe)]
        if not seeds or not all(layout.attributions(recipe, seed).exists() for seed in seeds):
            return None
        return (load_attributions(layout, recipe, seed, len(self.test_labels)) for seed in seeds)

    def predictions(self) -> Predictions:
        """The finished runs' predictions of the test images; recipes without a finished run are left out."""
        return self._predictions({name: self.runs_of(name) for name in self.study.recipes}, self.overlaps)

    def predictions_at(self, size: int) -> Predictions:
        """The same of the runs with this number of training images, fewer than all."""
        runs = [run for run in self.sized_runs if run.size == size]
        pool = sum(sum(self.data["counts"][name]) for name in ("train", "val"))
        overlaps = dict.fromkeys(self.overlaps, size / (pool - size))
        return self._predictions(
            {name: [run for run in runs if run.recipe == name] for name in self.study.recipes}, overlaps
        )

    def _predictions(
        self, runs_of: Mapping[str, Sequence[StoredRun | SizedRun]], overlaps: Mapping[str, float]
    ) -> Predictions:
        logits = {name: {run.seed: run.test_logits for run in runs} for name, runs in runs_of.items() if runs}
        return predictions_from_logits(
            self.test_labels, self.test_ids, self.class_names, logits, self.test_groups, overlaps
        )

    @property
    def overlaps(self) -> dict[str, float]:
        """Training images per validation image, by recipe, where each run draws its own."""
        counts = self.data["counts"]
        return {
            name: float(sum(counts["train"]) / sum(counts["val"]))
            for name, recipe in self.study.recipes.items()
            if recipe.draws_split
        }


def read_study(layout: Layout) -> Study:
    """Read the resolved study of a folder.

    Raises
    ------
    BakeoffError
        If it is not a study folder, or its study.toml is damaged or is not as it was written.
    """
    check_study_files(layout, read=[layout.study.name])
    if not layout.study.is_file() or not layout.data.is_file():
        raise not_a_study(layout)
    restore_report(layout)
    try:
        return study_from_toml(read_text(layout.study), str(layout.study))
    except (OSError, ValueError) as error:
        raise BakeoffError(f"{layout.root} is a damaged study folder: {error}") from error


def read_data(layout: Layout) -> DataFacts:
    """What data.json says of a study's images.

    Raises
    ------
    BakeoffError
        If it is damaged.
    """
    try:
        return check_data(read_json(layout.data))
    except (OSError, ValueError) as error:
        raise BakeoffError(f"{layout.root} is a damaged study folder: {error}") from error


def stored_audit(layout: Layout, fingerprint: str) -> dict[str, Any] | None:
    """The findings of a check of the images with this fingerprint, or None if there was none."""
    content = read_object(layout.audit)
    return content if content.get("fingerprint") == fingerprint else None


def load_study_folder(root: Path, *, whole: bool = True) -> StoredStudy:
    """Read everything in a study folder that analysis and report need.

    Parameters
    ----------
    root
        The study folder.
    whole
        Whether to check every file of the runs; otherwise those that are read here.

    Raises
    ------
    BakeoffError
        If it is not a study folder, one of its files is damaged or is not as it was written, or no run in it
        is finished.
    """
    layout = Layout(root)
    check_study_files(layout)
    study = read_study(layout)
    check_runs(starmap(layout.run, study.all_runs), None if whole else (PREDICTIONS, HISTORY))
    check_runs(starmap(layout.trials.run, study.all_trials))
    try:
        data = read_json(layout.data)
        environment = read_json(layout.environment)
        if not isinstance(data, dict) or not isinstance(environment, dict):
            raise ValueError("data.json or environment.json is not a JSON object")
        if data.get("format_version") != FORMAT_VERSION:
            raise BakeoffError(
                f"{root} was written by another version of Bakeoff, in format "
                f"{shorten(data.get('format_version'))}; this one reads format {FORMAT_VERSION}; "
                "install that version, or run the study again in another folder"
            )
        num_train = sum(check_data(data).counts["train"])
        sized = study.sized_runs(num_train)
        check_runs(layout.at_size(size).run(name, seed) for size, name, seed in sized)
        images, labels, ids = read_arrays(layout.test_images, "images", "labels", "ids")
        check_images("test", len(data["class_names"]), images, labels, ids)
        groups = read_groups(layout.test_images)
        if groups is not None and len(groups) != len(labels):
            raise ValueError(f"{len(groups)} groups of {len(labels)} test images")
        train_images, train_labels = (
            read_arrays(layout.train_images, "images", "labels")
            if layout.train_images.exists()
            else (None, None)
        )
        if train_images is not None and train_labels is not None:
            check_images("train", len(data["class_names"]), train_images, train_labels)
    except (OSError, ValueError) as error:
        raise BakeoffError(f"{root} is a damaged study folder: {error}") from error
    test_shape = (len(labels), len(data["class_names"]))
    runs, failures, budget = [], [], MemoryBudget()
    for recipe, seed in study.all_runs:
        stored = stored_identity(layout, recipe, seed)
        if stored and stored[0] == "finished":
            runs.append(load_run(layout, recipe, seed, test_shape, budget))
        elif stored:
            failures.append(FailedRun(recipe, seed, failure_reason(layout, recipe, seed)))
    if not runs and not failures:
        raise BakeoffError(f"{root} has no finished run yet; run the study again to continue")
    if images.shape[3] == 1:
        images = np.repeat(images, 3, axis=3)
    if train_images is not None and train_images.shape[3] == 1:
        train_images = np.repeat(train_images, 3, axis=3)
    return StoredStudy(
        root=root,
        study=study,
        data=data,
        environment=environment,
        audit=stored_audit(layout, data["fingerprint"]),
        runs=tuple(runs),
        failures=tuple(failures),
        test_images=images,
        test_labels=labels,
        test_ids=tuple(ids.tolist()),
        train_images=train_images,
        train_labels=train_labels,
        test_groups=groups,
        trials=load_trials(layout, study),
        sized_runs=load_sized_runs(layout, study, num_train, test_shape, budget),
        costs=load_costs(layout, study.recipes),
        tests=load_tests(layout, study, len(data["class_names"]), budget),
    )
