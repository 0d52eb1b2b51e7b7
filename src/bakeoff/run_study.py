"""run_study(): from a study and its images to a folder of finished runs, at once or in rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

from bakeoff.analysis.comparison.looks import Looks
from bakeoff.analysis.comparison.of_study import study_looks
from bakeoff.analysis.comparison.tuning import Tuning
from bakeoff.analysis.scores.by_name import check_num_classes
from bakeoff.audit import Audit, load_grouped
from bakeoff.audit.auditing import audit_source
from bakeoff.data import ImageArrays, load_data
from bakeoff.data.drawing import check_draws, groups_digest, pool_groups
from bakeoff.data.image_data import ImageData
from bakeoff.data.labeled import check_labeled
from bakeoff.engines import Engine, Event, Job, ProcessEngine, RunFailed, RunFinished, Task
from bakeoff.environment import describe_environment
from bakeoff.errors import BakeoffError
from bakeoff.models.weights_file import weights_digest
from bakeoff.own_code import source_digest, trust
from bakeoff.store import (
    Layout,
    StoredCost,
    check_runs,
    check_still_there,
    check_study_files,
    failure_reason,
    keep_chosen,
    load_costs,
    load_study_folder,
    lock_folder,
    prepare_folder,
    read_weights,
    remove_leftovers,
    remove_trial,
    run_identity,
    run_state,
    save_audit,
    save_costs,
    save_failure,
    stored_audit,
)
from bakeoff.study import Recipe, Study
from bakeoff.study.settings.data import NEAR_DUPLICATES
from bakeoff.text import counted, list_some
from bakeoff.trainers import check_trainer
from bakeoff.training import TRAINING_VERSION, check_training
from bakeoff.training.cost import prediction_cost
from bakeoff.tuning import refuse_another_choice, tune_study


class Display:
    """Called as a study progresses; this base class shows nothing."""

    def decoding(self, text: str, done: int, total: int) -> None:
        """While images are read."""

    def waiting(self, text: str) -> None:
        """While another process uses the folder; `text` describes it."""

    def audited(self, audit: Audit) -> None:
        """After the images were checked, while the first runs train."""

    def not_captured(self, recipe: str, reason: str) -> None:
        """Before the first round: a recipe's model is called as it is, not layer by layer for CPU kernels."""

    def begin(
        self,
        study: Study,
        data: ImageData,
        seeds: Mapping[str, int],
        todo: list[Task],
        num_workers: int,
        *,
        of_trials: bool = False,
        of_sizes: bool = False,
    ) -> None:
        """Before the first run of a round: seeds requested by recipe, and the runs not finished yet.

        Likewise before the first trial, if recipes are tuned, and before the first run with fewer training
        images: then `seeds` are the numbers of these.
        """

    def tuned(self, tuning: Tuning) -> None:
        """After the last trial."""

    def looked(self, looks: Looks) -> None:
        """After a round, if seeds are added until decided."""

    def handle(self, event: Event) -> None:
        """At each event of the engine."""


@dataclass(frozen=True)
class StudyRuns:
    """The runs of a study when it ended.

    Attributes
    ----------
    finished_before
        Runs that the folder contained already.
    finished
        Runs that finished now.
    failed
        Runs without a result, with the reason.
    """

    root: Path
    finished_before: tuple[Task, ...]
    finished: tuple[Task, ...]
    failed: tuple[RunFailed, ...]


def run_study(
    study: Study,
    root: Path,
    *,
    engine: Engine | None = None,
    display: Display | None = None,
    wait: bool = False,
    check: bool = True,
    arrays: ImageArrays | None = None,
) -> StudyRuns:
    """Train every recipe with every seed that the study folder does not contain yet.

    Recipes with a search space are tuned before. With `until = "decided"`, in rounds, with an interim look at
    the comparison after each.

    Parameters
    ----------
    study
        With all defaults filled in.
    root
        The study folder, created if missing.
    engine
        Executes the runs; by default processes on this machine, one per core.
    display
        Shows the progress.
    wait
        If another process uses the folder, wait for it; otherwise an error is raised.
    check
        Whether to check the images for duplicates, leaks and other problems while the first runs train;
        problems are shown, stored and reported, but do not stop the study.
    arrays
        The images, if the study's source is `arrays`.

    Raises
    ------
    BakeoffError
        If the data or a model is invalid, or the folder contains results of other settings.
    """
    engine = engine or ProcessEngine()
    display = display or Display()
    load = load_grouped if study.data.groups == NEAR_DUPLICATES else load_data
    data = load(study.data, arrays=arrays, progress=display.decoding)
    for key, metric in {"compare.metric": study.compare.metric, "tune.metric": study.tune_metric}.items():
        try:
            check_num_classes(metric, len(data.class_names))
        except BakeoffError as error:
            raise BakeoffError(f"{key}: {error}") from error
    not_captured: dict[str, str] = {}
    for name, recipe in study.recipes.items():
        try:
            if recipe.trainer is not None:
                check_trainer(recipe, data)
            elif reason := check_training(recipe, data):
                not_captured[name] = reason
                display.not_captured(name, reason)
        except BakeoffError as error:
            raise BakeoffError(f"recipes.{name}: {error}") from error
    for name, test in study.tests.items():
        try:
            check_labeled(test.as_data, data.class_names)
        except BakeoffError as error:
            raise BakeoffError(f"tests.{name}: {error}") from error
    _check_draws(study, data)
    with lock_folder(root, on_wait=display.waiting if wait else None):
        environment = describe_environment(engine.num_workers, engine.device)
        own_code = {path: source_digest(path) for path in sorted(study.own_classes)}
        trust(own_code.values())
        if own_code:
            environment["own_code"] = own_code
        weights = {name: weights_digest(name) for name in sorted(study.weights)}
        if weights:
            environment["weights"] = weights
        if not_captured:
            environment["not_captured"] = not_captured
        layout = Layout(root)
        check_study_files(layout, may_be_missing=True)
        check_runs(starmap(layout.run, study.all_runs))
        study = keep_chosen(layout, study)
        layout = prepare_folder(root, study, data, environment)
        digests = own_code | weights
        running = StudyRun(study, data, layout, engine, display, digests=digests, check=check)
        if study.num_trials:
            running.tune()
            prepare_folder(root, running.study, data, environment)
        if study.until == "decided":
            running.until_decided()
        else:
            running.round(dict.fromkeys(study.recipes, study.seeds))
        if study.train_sizes:
            running.learning_curve()
        running.measure_costs(environment["processor"])
        return running.runs


def _check_draws(study: Study, data: ImageData) -> None:
    """Check, before anything is trained, that runs can draw the images that they train on."""
    sizes, num_train = study.train_sizes or (), len(data.train)
    if sizes and sizes[-1] > num_train:
        raise BakeoffError(
            f"train_sizes: found {sizes[-1]:,}, but {data.source} has "
            f"{counted(num_train, 'training image')}; expected numbers up to that"
        )
    groups = pool_groups(data)
    seeds = range(study.seeds)
    for name, recipe in study.recipes.items():
        own_split = recipe.draws_split
        try:
            if own_split and groups:  # without groups, classes keep their numbers of images
                check_draws(data, seeds, own_split=True, size=None, groups=groups)
        except BakeoffError as error:
            raise BakeoffError(f"recipes.{name}.vary: {error}") from error
        try:
            if sizes and sizes[0] < num_train:
                check_draws(data, seeds, own_split=own_split, size=sizes[0], groups=groups)
        except BakeoffError as error:
            raise BakeoffError(f"train_sizes: {error}") from error


class StudyRun:
    """A study in its locked folder: executes rounds of runs and records how each run ended.

    Parameters
    ----------
    study, data
        The study and its data.
    layout
        The folder, prepared for this study.
    engine
        Executes the runs.
    display
        Shows the progress.
    digests
        Of the files of each class of the user's own, by its import path, and of pretrained weights, by name.
    check
        Whether to check the images.
    """

    def __init__(
        self,
        study: Study,
        data: ImageData,
        layout: Layout,
        engine: Engine,
        display: Display,
        *,
        digests: Mapping[str, str],
        check: bool,
    ) -> None:
        self.study, self.data, self.layout = study, data, layout
        self.engine, self.display = engine, display
        self._to_check = check
        self._digests = digests
        self._finished_before: dict[Task, None] = {}
        self._finished: dict[Task, None] = {}
        self._failed: dict[Task, RunFailed] = {}
        self._untrainable: dict[str, str] = {}
        draws = study.train_sizes or any(recipe.draws_split for recipe in study.recipes.values())
        self._groups = pool_groups(data) if draws else None

    @property
    def runs(self) -> StudyRuns:
        """Each run once, with its state after the last round."""
        return StudyRuns(
            self.layout.root,
            tuple(self._finished_before),
            tuple(self._finished),
            tuple(self._failed.values()),
        )

    def tune(self) -> None:
        """Execute the missing trials, and go on with the setting that they choose for each recipe."""
        study, num_workers = self.study, self.engine.num_workers

        def begin(todo: list[Task]) -> None:
            self.display.begin(study, self.data, study.num_trials, todo, num_workers, of_trials=True)

        tuned = tune_study(
            study,
            self.layout,
            self.engine,
            data_directory=self.data.directory,
            identify=self._identity,
            begin=begin,
            on_event=self._handle_trial,
        )
        refuse_another_choice(self.layout, study, tuned)
        self.study, self._untrainable = tuned.study, tuned.failed
        self.display.tuned(tuned.tuning)

    def _handle_trial(self, event: Event) -> None:
        self.display.handle(event)
        self.check_images()

    def until_decided(self) -> None:
        """Execute rounds until every pair is decided, more seeds cannot help, or `max_seeds` is reached.

        The next round depends only on the results in the study folder, so an interrupted study continues
        where it stopped, and one that is run again with a larger `max_seeds` repeats its interim looks.
        """
        requested: Mapping[str, int] = dict.fromkeys(self.study.recipes, self.study.seeds)
        while True:
            self.round(requested)
            stored = load_study_folder(self.layout.root)
            looks = study_looks(stored, stored.predictions())
            assert looks is not None
            self.display.looked(looks)
            # The same request again: results were deleted meanwhile; the next call trains them.
            if looks.stopped or looks.wanted == requested:
                return
            requested = looks.wanted

    def round(self, seeds: Mapping[str, int]) -> None:
        """Execute the missing runs of seeds 0 to n - 1 of each recipe, with n by recipe in `seeds`."""
        todo = self._sort_tasks(seeds)
        self.display.begin(self.study, self.data, seeds, todo, self.engine.num_workers)
        if todo:
            self._execute(todo)
        self.check_images()
        for task in [*self._finished_before, *self._finished]:
            if run_state(task.layout(self.layout.root), task.recipe, task.seed, task.identity) != "finished":
                self._finished_before.pop(task, None)
                self._finished.pop(task, None)
                reason = "its results were deleted while the study ran"
                self._record(RunFailed(task, reason, try_again=True))

    def measure_costs(self, processor: str) -> None:
        """Measure what a prediction of each recipe costs that the folder does not say yet.

        Now that no run trains: other work would delay what is timed. Recipes of other trainers have none.
        """
        recipes = self.study.recipes
        known = load_costs(self.layout, recipes)
        measured: dict[str, StoredCost] = {}
        for task in [*self._finished_before, *self._finished]:
            name = task.recipe
            if name in known or name in measured or recipes[name].trainer is not None or task.size:
                continue
            weights = read_weights(self.layout, name, task.seed).tensors
            if cost := prediction_cost(recipes[name], self.data, weights):
                measured[name] = StoredCost(
                    seed=task.seed, identity=task.identity, processor=processor, **vars(cost)
                )
        if measured:
            costs = known | measured
            save_costs(self.layout, {name: costs[name] for name in recipes if name in costs})

    def check_images(self) -> None:
        """Check the images once, unless the folder contains the result of an earlier check."""
        if self._to_check and stored_audit(self.layout, self.data.fingerprint) is None:
            audit = audit_source(self.study.data, self.data)
            save_audit(self.layout, audit.to_dict())
            self.display.audited(audit)
        self._to_check = False

    def _record(self, event: Event) -> None:
        self.display.handle(event)
        task = event.task
        if isinstance(event, RunFinished):
            self._finished[task] = None
            self._failed.pop(task, None)
        elif isinstance(event, RunFailed):
            self._failed[task] = event
            save_failure(
                task.layout(self.layout.root),
                task.recipe,
                task.seed,
                task.identity,
                event.reason,
                try_again=event.try_again,
            )

    def learning_curve(self) -> None:
        """Execute the missing runs with fewer training images; those of other settings are replaced."""
        todo: list[Task] = []
        wanted = dict.fromkeys(self.study.recipes, 0)
        for size, name, seed in self.study.sized_runs(len(self.data.train)):
            if name in self._untrainable:
                continue
            wanted[name] += 1
            layout = self.layout.at_size(size)
            task = Task(name, seed, self._identity(self.study.recipes[name], seed, size), size=size)
            match run_state(layout, name, seed, task.identity):
                case "missing":
                    todo.append(task)
                case "finished":
                    self._finished_before[task] = None
                case "failed":
                    self._failed[task] = RunFailed(task, failure_reason(layout, name, seed), try_again=False)
                case "other":
                    remove_trial(layout, name, seed)
                    todo.append(task)
        self.display.begin(self.study, self.data, wanted, todo, self.engine.num_workers, of_sizes=True)
        if todo:
            self._execute(todo)

    def _execute(self, todo: list[Task]) -> None:
        events = self.engine.do(todo, Job(self.study, self.data.directory, self.layout.root, self._groups))
        try:
            for event in events:
                self._record(event)
                # While the first runs train: no core is idle, and their events wait in their pipes.
                self.check_images()
        finally:
            events.close()
            remove_leftovers(self.layout)
        check_still_there(self.layout)

    def _identity(self, recipe: Recipe, seed: int, size: int | None = None) -> str:
        return run_identity(
            recipe,
            seed,
            data_fingerprint=self.data.fingerprint,
            training_version=TRAINING_VERSION,
            model_source="".join(self._digests[name] for name in recipe.own_files),
            metric=self.study.compare.metric,
            groups=groups_digest(self._groups),
            size=size,
        )

    def _sort_tasks(self, seeds: Mapping[str, int]) -> list[Task]:
        """Return the runs to execute, all recipes with seed 0 first; record those that ended before."""
        todo: list[Task] = []
        outdated: list[str] = []
        for seed in range(max(seeds.values())):
            for name, recipe in self.study.recipes.items():
                if seed >= seeds[name]:
                    continue
                task = Task(name, seed, self._identity(recipe, seed))
                if name in self._untrainable:
                    self._record(RunFailed(task, self._untrainable[name], try_again=True))
                    continue
                match run_state(self.layout, name, seed, task.identity):
                    case "missing":
                        todo.append(task)
                    case "finished":
                        if task not in self._finished:
                            self._finished_before[task] = None
                    case "failed":
                        # The same settings would fail in the same way again.
                        reason = failure_reason(self.layout, name, seed)
                        self._failed[task] = RunFailed(task, reason, try_again=False)
                    case "other":
                        outdated.append(f"{name}, seed {seed}")
        if outdated:
            raise BakeoffError(
                f"{self.layout.root} contains runs of another version of the training code, or of a model, "
                f"augmentation or pretrained weights whose file has changed since:\n{list_some(outdated)}\n"
                "choose another folder, or delete this one to start again",
                parameter="path",
            )
        return todo
