"""choose_settings(): the setting that the trials of each recipe with a search space choose for it."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.analysis.comparison.tuning import Tuning, study_tuning
from bakeoff.errors import BakeoffError
from bakeoff.store import Layout, load_trials
from bakeoff.study import Study
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


def choose_settings(study: Study, layout: Layout) -> TunedStudy:
    """Choose a setting for each recipe that is tuned, now that its trials have ended.

    The choice depends on the trials alone, which follow from the study: a study that is killed while it is
    tuned, and run again, makes the same one.
    """
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
