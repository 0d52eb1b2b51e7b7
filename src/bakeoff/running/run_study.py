"""run_study(): from a study and its images to a folder of finished runs, at once or in rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import NamedTuple

from bakeoff.analysis.comparison.looks import Looks
from bakeoff.analysis.comparison.of_study import study_looks
from bakeoff.analysis.comparison.tuning import Tuning
from bakeoff.audit import Audit, load_grouped
from bakeoff.audit.auditing import audit_source
from bakeoff.data import ImageArrays, load_data
from bakeoff.data.drawing import groups_digest, pool_groups
from bakeoff.data.image_data import ImageData
from bakeoff.engines import Engine, Event, Job, ProcessEngine, RunFailed, RunFinished, Task
from bakeoff.environment import describe_environment
from bakeoff.errors import BakeoffError
from bakeoff.models.weights_file import weights_digest
from bakeoff.own_code import source_digest, trust
from bakeoff.running.check_study import check_study
from bakeoff.running.tuned_study import choose_settings, refuse_another_choice
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
from bakeoff.study import Study
from bakeoff.study.settings.data import NEAR_DUPLICATES
from bakeoff.text import list_some
from bakeoff.training import TRAINING_VERSION
from bakeoff.training.cost import prediction_cost


class Round(NamedTuple):
    """The runs of a round, and those of them that are not finished yet.

    `later` are the runs that will follow; in the end, all are tested on other images, too.
    """

    study: Study
    data: ImageData
    tasks: Sequence[Task]
    todo: Sequence[Task]
    num_workers: int
    later: Sequence[Task] = ()
    num_other_images: int = 0


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

    def begin(self, coming: Round) -> None:
        """Before the first run of a round.

        Likewise before the first trial, if recipes are tuned, and before the first run with fewer training
        images.
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
    checked = check_study(study, data)
    for name, reason in checked.not_captured.items():
        display.not_captured(name, reason)
    with lock_folder(root, on_wait=display.waiting if wait else None):
        environment = describe_environment(engine.num_workers, engine.device)
        own_code = {path: source_digest(path) for path in sorted(study.own_classes)}
        trust(own_code.values())
        if own_code:
            environment["own_code"] = own_code
        weights = {name: weights_digest(name) for name in sorted(study.weights)}
        if weights:
            environment["weights"] = weights
        if checked.not_captured:
            environment["not_captured"] = checked.not_captured
        layout = Layout(root)
        check_study_files(layout, may_be_missing=True)
        check_runs(starmap(layout.run, study.all_runs))
        study = keep_chosen(layout, study)
        layout = prepare_folder(root, study, data, environment)
        running = StudyRun(
            study,
            data,
            layout,
            engine,
            display,
            digests=own_code | weights,
            check=check,
            num_other_images=checked.num_other_images,
        )
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
    num_other_images
        On which finished runs will be tested, too.
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
        num_other_images: int = 0,
    ) -> None:
        self.study, self.data, self.layout = study, data, layout
        self.engine, self.display = engine, display
        self._to_check, self._num_other_images = check, num_other_images
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
        study = self.study
        later = [Task(name, seed, "") for seed in range(study.seeds) for name in study.recipes]
        trials = [self._task(name, number, trial=True) for name, number in study.all_trials]
        self._execute(trials, [*later, *self._sized_tasks()])
        tuned = choose_settings(study, self.layout)
        refuse_another_choice(self.layout, study, tuned)
        self.study, self._untrainable = tuned.study, tuned.failed
        self.display.tuned(tuned.tuning)

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
        names = [(name, seed) for seed in range(max(seeds.values())) for name in seeds if seed < seeds[name]]
        tasks = [self._task(name, seed) for name, seed in names]
        for task in tasks:
            if reason := self._untrainable.get(task.recipe):
                self._record(RunFailed(task, reason, try_again=True))
        trainable = [task for task in tasks if task.recipe not in self._untrainable]
        self._execute(trainable, self._unfinished(self._sized_tasks()))
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
        to_measure: dict[str, Task] = {}
        for task in [*self._finished_before, *self._finished]:
            if task.recipe not in known and recipes[task.recipe].trainer is None and not task.size:
                to_measure.setdefault(task.recipe, task)
        measured: dict[str, StoredCost] = {}
        for name, task in to_measure.items():
            weights = read_weights(self.layout, name, task.seed).tensors
            if cost := prediction_cost(recipes[name], self.data, weights, len(to_measure)):
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

    def learning_curve(self) -> None:
        """Execute the missing runs with fewer training images; those of other settings are replaced."""
        self._execute(self._sized_tasks())

    def _sized_tasks(self) -> list[Task]:
        runs = self.study.sized_runs(len(self.data.train))
        return [
            self._task(name, seed, size=size) for size, name, seed in runs if name not in self._untrainable
        ]

    def _task(self, name: str, seed: int, *, trial: bool = False, size: int | None = None) -> Task:
        task = Task(name, seed, "", trial, size)
        recipe = task.recipe_in(self.study)
        identity = run_identity(
            recipe,
            task.seed_in(self.study),
            data_fingerprint=self.data.fingerprint,
            training_version=TRAINING_VERSION,
            model_source="".join(self._digests[file] for file in recipe.own_files),
            metric=self.study.compare.metric,
            groups=groups_digest(self._groups),
            size=size,
        )
        return replace(task, identity=identity)

    def _execute(self, tasks: list[Task], later: Sequence[Task] = ()) -> None:
        """Execute those of the tasks that have no result; record how the others ended."""
        todo = self._unfinished(tasks)
        workers = self.engine.num_workers
        self.display.begin(Round(self.study, self.data, tasks, todo, workers, later, self._num_other_images))
        if not todo:
            return
        own_code = {path: self._digests[path] for path in self.study.own_classes}
        job = Job(self.study, self.data.directory, self.layout.root, self._groups, own_code)
        events = self.engine.do(todo, job)
        try:
            for event in events:
                self._record(event)
                # While the first runs train: no core is idle, and their events wait in their pipes.
                self.check_images()
        finally:
            events.close()
            remove_leftovers(self.layout)
        check_still_there(self.layout)

    def _unfinished(self, tasks: list[Task]) -> list[Task]:
        """The tasks to execute; what ended with other settings is replaced, but complete runs are not."""
        todo: list[Task] = []
        outdated: list[Task] = []
        for task in tasks:
            layout = task.layout(self.layout.root)
            state = run_state(layout, task.recipe, task.seed, task.identity)
            if state == "other" and not layout.keeps_weights:
                remove_trial(layout, task.recipe, task.seed)
                state = "missing"
            match state:
                case "missing":
                    todo.append(task)
                case "other":
                    outdated.append(task)
                case "finished" if not task.trial and task not in self._finished:
                    self._finished_before[task] = None
                case "failed" if not task.trial:
                    # The same settings would fail in the same way again.
                    reason = failure_reason(layout, task.recipe, task.seed)
                    self._failed[task] = RunFailed(task, reason, try_again=False)
        if outdated:
            raise BakeoffError(
                f"{self.layout.root} contains runs of another version of the training code, or of a model, "
                "augmentation or pretrained weights whose file has changed since:\n"
                f"{list_some([*map(str, outdated)])}\n"
                "choose another folder, or delete this one to start again",
                parameter="path",
            )
        return todo

    def _record(self, event: Event) -> None:
        self.display.handle(event)
        task = event.task
        if isinstance(event, RunFailed):
            save_failure(
                task.layout(self.layout.root),
                task.recipe,
                task.seed,
                task.identity,
                event.reason,
                try_again=event.try_again,
            )
        if task.trial:
            return
        if isinstance(event, RunFinished):
            self._finished[task] = None
            self._failed.pop(task, None)
        elif isinstance(event, RunFailed):
            self._failed[task] = event
