"""tune_study(): the trials of every recipe with a search space, and the setting that each is trained with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bakeoff.analysis.comparison.tuning import Tuning, study_tuning
from bakeoff.engines import Engine, Event, Job, RunFailed, Task
from bakeoff.errors import BakeoffError
from bakeoff.store import (
    Layout,
    check_still_there,
    load_trials,
    remove_leftovers,
    remove_trial,
    run_state,
    save_failure,
)
from bakeoff.study import Recipe, Study
from bakeoff.study.search import as_text
from bakeoff.text import counted


@dataclass(frozen=True)
class TunedStudy:
    """A study with the settings that tuning chose.

    Attributes
    ----------
    study
        With the chosen values; recipes of which every trial failed keep the file's.
    tuning
        All trials.
    failed
        Why a recipe has no setting, by its name.
    """

    study: Study
    tuning: Tuning
    failed: dict[str, str]


def tune_study(
    study: Study,
    layout: Layout,
    engine: Engine,
    *,
    data_directory: Path,
    identify: Callable[[Recipe, int], str],
    begin: Callable[[list[Task]], None],
    on_event: Callable[[Event], None],
) -> TunedStudy:
    """Execute the trials that the study folder does not contain yet, and choose a setting for each recipe.

    The choice depends on the trials alone, which follow from the study: a study that is killed while it is
    tuned, and run again, makes the same one.

    Parameters
    ----------
    study
        With at least one recipe that is tuned.
    layout
        The folder, prepared for this study.
    engine
        Executes the trials.
    data_directory
        The images; the engine opens those of the train and val splits alone.
    identify
        The identity of a run, from its recipe and seed.
    begin
        Called with the trials to execute.
    on_event
        Called at each event of the engine.
    """
    tasks = []
    for name, number in study.all_trials:
        identity = identify(study.trial_recipe(name, number), study.trial_seed(name, number))
        tasks.append(Task(name, number, identity, trial=True))
    states = {task: run_state(layout.trials, task.recipe, task.seed, task.identity) for task in tasks}
    for task, state in states.items():
        if state == "other":  # of another space, seed or recipe
            remove_trial(layout.trials, task.recipe, task.seed)
    todo = [task for task, state in states.items() if state in ("missing", "other")]
    begin(todo)
    if todo:
        _execute(todo, Job(study, data_directory, layout.root), layout, engine, on_event)
    tuning = study_tuning(study, load_trials(layout, study))
    assert tuning is not None
    chosen = {recipe.name: recipe.chosen.values for recipe in tuning.recipes if recipe.chosen}
    failed = {
        recipe.name: f"all of {counted(len(recipe.trials), 'trial')} failed: {recipe.failed[0].reason}"
        if recipe.failed
        else "the results of its trials were deleted while the study ran"
        for recipe in tuning.recipes
        if not recipe.chosen
    }
    return TunedStudy(study.with_values(chosen), tuning, failed)


def _execute(
    todo: list[Task], job: Job, layout: Layout, engine: Engine, on_event: Callable[[Event], None]
) -> None:
    events = engine.do(todo, job)
    try:
        for event in events:
            on_event(event)
            if isinstance(event, RunFailed):
                task = event.task
                save_failure(
                    layout.trials,
                    task.recipe,
                    task.seed,
                    task.identity,
                    event.reason,
                    try_again=event.try_again,
                )
    finally:
        events.close()
        remove_leftovers(layout)
    check_still_there(layout)


def refuse_another_choice(layout: Layout, before: Study, tuned: TunedStudy) -> None:
    """Check that runs which are there already were trained with the settings that tuning chooses now.

    Parameters
    ----------
    before
        The study with the settings of the runs that are there.

    Raises
    ------
    BakeoffError
        If they were not.
    """
    for recipe in tuned.tuning.recipes:
        name, chosen = recipe.name, recipe.chosen
        if chosen is None or not any((layout.runs / name).glob("*/*")):
            continue
        if before.recipes[name].without_search != tuned.study.recipes[name].without_search:
            raise BakeoffError(
                f"tuning now chooses {as_text(chosen.values)} for {name} (trial {chosen.number}), and the "
                f"runs in {layout.runs / name} were trained with another setting; delete this folder to "
                "train them with the new one, or tune with the trials and spaces as before"
            )
