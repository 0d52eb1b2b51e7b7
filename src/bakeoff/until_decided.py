"""run_until_decided(): seeds in rounds, with a look at the comparison after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bakeoff.analysis.comparison.looks import Looks
from bakeoff.analysis.comparison.of_study import study_looks
from bakeoff.store import load_study_folder
from bakeoff.study import Study

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
