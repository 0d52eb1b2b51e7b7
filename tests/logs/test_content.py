"""What is logged of a study: the numbers of its files."""

import json
from pathlib import Path

from tests.golden.commands import GOLDEN

from bakeoff.analysis.summary.study import Summary
from bakeoff.files import read_text
from bakeoff.logs.content import StudyLog, study_log
from bakeoff.store import load_study_folder

STUDY = GOLDEN / "plain" / "study"


def log_of(folder: Path = STUDY) -> StudyLog:
    return study_log(Summary(load_study_folder(folder)))


def test_numbers_are_those_of_the_files():
    study = log_of()
    summary = Summary(load_study_folder(STUDY))
    comparison = json.loads(json.dumps(summary.comparison.to_dict()))
    assert study.comparison == summary.comparison.to_dict()
    for recipe in comparison["recipes"]:
        logged = study.scores[recipe["name"]]
        assert logged == {
            "accuracy": recipe["score"],
            "low": recipe["interval"][0],
            "high": recipe["interval"][1],
        }
        for run in recipe["runs"]:
            (one,) = [log for log in study.runs if (log.recipe, log.seed) == (recipe["name"], run["seed"])]
            assert one.scores["test_accuracy"] == run["accuracy"]
            rows = read_text(STUDY / "runs" / one.recipe / f"seed-{one.seed}" / "history.csv").splitlines()
            losses = [float(row.split(",")[rows[0].split(",").index("val_loss")]) for row in rows[1:]]
            assert one.epochs["val_loss"].tolist() == losses
    assert set(study.verdicts) == {f"{pair['b']} - {pair['a']}" for pair in comparison["pairs"]}
    assert study.runs[0].settings["seed"] == 0
    assert study.runs[0].settings["model.name"] == summary.study.recipes[study.runs[0].recipe].model.name


def test_runs_have_keys_of_their_own_that_stay():
    first, again = log_of(), log_of()
    keys = [run.key for run in first.runs]
    assert len({*keys, first.key}) == len(first.runs) + 1
    assert [run.key for run in again.runs] == keys
    assert (again.key, again.content) == (first.key, first.content)
