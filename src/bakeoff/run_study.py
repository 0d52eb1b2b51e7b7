"""run_study(): from a study and its images to a folder of finished runs, at once or in rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from bakeoff.analysis.comparison.looks import Looks
from bakeoff.analysis.comparison.of_study import study_looks
from bakeoff.audit import Audit
from bakeoff.audit.auditing import audit_source
from bakeoff.data import ImageArrays, load_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines import Engine, Event, Job, ProcessEngine, RunFailed, RunFinished, Task
from bakeoff.environment import describe_environment
from bakeoff.errors import BakeoffError
from bakeoff.models import check_model, model_source_digest
from bakeoff.own_code import source_digest
from bakeoff.store import (
    Layout,
    check_folder,
    check_still_there,
    failure_reason,
    load_study_folder,
    lock_folder,
    prepare_folder,
    remove_leftovers,
    run_identity,
    run_state,
    save_audit,
    save_failure,
    stored_audit,
)
from bakeoff.study import Study
from bakeoff.study.recipe import Recipe
from bakeoff.text import list_some
from bakeoff.training import TRAINING_VERSION, check_augmentation


class Display(Protocol):
    """Who shows how a study goes on."""

    def decoding(self, text: str, done: int, total: int) -> None:
        """While images are read."""

    def audited(self, audit: Audit) -> None:
        """After the images were checked, in the midst of the first runs."""

    def begin(
        self, study: Study, data: ImageData, seeds: Mapping[str, int], todo: list[Task], num_workers: int
    ) -> None:
        """Before the first run of a round; `seeds` are wanted by recipe, `todo` the runs not finished yet."""

    def looked(self, looks: Looks) -> None:
        """After a round, where seeds are added until decided."""

    def handle(self, event: Event) -> None:
        """At each event of the engine."""


@dataclass(frozen=True)
class Outcome:
    """How a study ended.

    Attributes
    ----------
    taken_up
        Runs that were finished before.
    finished
        Runs that were finished now.
    failed
        Runs without a result, with the reason.
    """

    root: Path
    taken_up: tuple[Task, ...]
    finished: tuple[Task, ...]
    failed: tuple[RunFailed, ...]


def run_study(
    study: Study,
    root: Path,
    *,
    engine: Engine | None = None,
    display: Display | None = None,
    on_wait: Callable[[str], None] | None = None,
    check: bool = True,
    arrays: ImageArrays | None = None,
    when_idle: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train every recipe with every seed that the study folder does not hold yet.

    Where the study says `until = "decided"`, in rounds, with a look at the comparison after each.

    Parameters
    ----------
    study
        Resolved.
    root
        The study folder, made if it is not there.
    engine
        Who does the runs; by default processes on this machine, one a core.
    display
        Shows the progress.
    on_wait
        If another process works in the folder, this is told so and the study waits; without it, the folder is
        refused.
    check
        Look for duplicates, leaks and other trouble among the images while the first runs train; what is
        found is shown, stored and reported, and stops nothing.
    arrays
        The images themselves, where the study's source is `arrays`.
    when_idle
        Called when fewer runs are left than go on at once: this process may use a core that nothing needs.

    Raises
    ------
    BakeoffError
        If the data or a model cannot be used, or the folder holds results of other settings.
    """
    engine = engine or ProcessEngine()
    progress: Callable[[str, int, int], None] | None = display.decoding if display else None
    data = load_data(study.data, arrays=arrays, progress=progress)
    for name, recipe in study.recipes.items():
        try:
            check_model(recipe.model, num_classes=data.num_classes, image_size=data.image_size)
            check_augmentation(recipe.augmentation, data.train.images[:4])
        except BakeoffError as error:
            raise BakeoffError(f"recipes.{name}: {error}") from error
    check_folder(root)
    with lock_folder(root, on_wait=on_wait):
        layout = prepare_folder(root, study, data, describe_environment(engine.num_workers, engine.device))

        @cache
        def check_images() -> None:
            if check and stored_audit(layout, data.fingerprint) is None:
                audit = audit_source(study.data, data)
                save_audit(layout, audit.to_dict())
                if display:
                    display.audited(audit)

        def do_round(seeds: Mapping[str, int]) -> Outcome:
            return _run_all(study, seeds, layout, data, engine, display, check_images, when_idle)

        if study.until == "all_seeds":
            return do_round(dict.fromkeys(study.recipes, study.seeds))
        looked = display.looked if display else lambda _: None
        return _together(run_until_decided(study, layout.root, do_round, looked))


def _together(rounds: list[Outcome]) -> Outcome:
    """Each run once, as its last round left it; runs of a later round were taken up by those after it."""
    finished = {task: None for outcome in rounds for task in outcome.finished}
    taken_up = {task: None for outcome in rounds for task in outcome.taken_up if task not in finished}
    failed = {run.task: run for outcome in rounds for run in outcome.failed if run.task not in finished}
    return Outcome(rounds[-1].root, tuple(taken_up), tuple(finished), tuple(failed.values()))


def _run_all(
    study: Study,
    seeds: Mapping[str, int],
    layout: Layout,
    data: ImageData,
    engine: Engine,
    display: Display | None,
    check_images: Callable[[], None],
    when_idle: Callable[[], None],
) -> Outcome:
    todo, taken_up, failed = _sort_tasks(study, seeds, data, layout)
    if display:
        display.begin(study, data, seeds, todo, engine.num_workers)
    finished: list[Task] = []

    def take(event: Event) -> None:
        if display:
            display.handle(event)
        if isinstance(event, RunFinished):
            finished.append(event.task)
        elif isinstance(event, RunFailed):
            failed.append(event)
            task = event.task
            save_failure(
                layout, task.recipe, task.seed, task.identity, event.reason, try_again=event.try_again
            )

    if todo:
        events = engine.do(todo, Job(study, data.directory, layout.root))
        try:
            for event in events:
                take(event)
                # While the first runs train: no core waits, and what the runs tell waits in their pipes.
                check_images()
                if isinstance(event, RunFinished) and len(todo) - len(finished) < engine.num_workers:
                    when_idle()
        finally:
            events.close()
            remove_leftovers(layout)
        check_still_there(layout)
    check_images()
    for runs in (taken_up, finished):
        for task in runs.copy():
            if run_state(layout, task.recipe, task.seed, task.identity) != "finished":
                runs.remove(task)
                take(RunFailed(task, "its results were deleted while the study ran", try_again=True))
    return Outcome(layout.root, tuple(taken_up), tuple(finished), tuple(failed))


def _own_code_digest(recipe: Recipe) -> str:
    """Of the files with the user's own model and augmentation; "" where the recipe has none."""
    custom = recipe.augmentation.custom
    return model_source_digest(recipe.model) + (source_digest(custom, "augmentation") if custom else "")


def _sort_tasks(
    study: Study, seeds: Mapping[str, int], data: ImageData, layout: Layout
) -> tuple[list[Task], list[Task], list[RunFailed]]:
    """Runs to do (all recipes with seed 0 first), runs done before, runs that failed before."""
    todo: list[Task] = []
    taken_up: list[Task] = []
    failed: list[RunFailed] = []
    outdated: list[str] = []
    digests = {name: _own_code_digest(recipe) for name, recipe in study.recipes.items()}
    for seed in range(max(seeds.values())):
        for name, recipe in study.recipes.items():
            if seed >= seeds[name]:
                continue
            identity = run_identity(
                recipe,
                seed,
                data_fingerprint=data.fingerprint,
                training_version=TRAINING_VERSION,
                model_source=digests[name],
            )
            task = Task(name, seed, identity)
            match run_state(layout, name, seed, identity):
                case "missing":
                    todo.append(task)
                case "finished":
                    taken_up.append(task)
                case "failed":
                    # The same settings fail the same way again.
                    failed.append(RunFailed(task, failure_reason(layout, name, seed), try_again=False))
                case "other":
                    outdated.append(f"{name}, seed {seed}")
    if outdated:
        raise BakeoffError(
            f"{layout.root} holds runs of another version of the training code, or of a model or "
            f"augmentation whose file has changed since:\n{list_some(outdated)}\n"
            "choose another folder with --out, or delete this one to start anew"
        )
    return todo, taken_up, failed


_Outcome = TypeVar("_Outcome")


def run_until_decided(
    study: Study,
    root: Path,
    do_round: Callable[[Mapping[str, int]], _Outcome],
    on_look: Callable[[Looks], None],
) -> list[_Outcome]:
    """Do rounds of runs until every pair is decided, more seeds cannot help, or there are `max_seeds`.

    What the next round is follows from the results in the study folder alone, so a study that was stopped
    goes on where it was, and one that is run again with a larger `max_seeds` takes its looks anew.

    Parameters
    ----------
    study
        With `until = "decided"`.
    root
        The study folder.
    do_round
        Does what is missing of seeds 0 to n - 1 of each recipe given, with its n.
    on_look
        Told after each round.

    Returns
    -------
    list
        What each round gave.
    """
    wanted: Mapping[str, int] = dict.fromkeys(study.recipes, study.seeds)
    rounds = [do_round(wanted)]
    while True:
        stored = load_study_folder(root)
        looks = study_looks(stored, stored.predictions())
        assert looks is not None
        on_look(looks)
        # Wanted again after its round: results were taken away meanwhile; the next `bakeoff run` does them.
        if looks.stopped or looks.wanted == wanted:
            return rounds
        wanted = looks.wanted
        rounds.append(do_round(wanted))
