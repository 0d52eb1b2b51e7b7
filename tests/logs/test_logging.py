"""The choice of a tracker."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.logs.test_content import STUDY

from bakeoff.analysis.summary.study import Summary
from bakeoff.errors import BakeoffError
from bakeoff.logs import log_study
from bakeoff.store import load_study_folder


def test_where_things_go_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary = Summary(load_study_folder(STUDY))
    logged = log_study(summary, "csv")
    assert logged == (f"{summary.study.name}.csv", len(summary.stored.runs), len(summary.stored.runs))
    assert Path(logged.place).is_file()
    logged = log_study(summary, "tensorboard", "events")
    assert logged.place == "events"
    assert log_study(summary, "tensorboard", "events").num_new == 0


def test_an_unknown_tracker_is_refused():
    with pytest.raises(BakeoffError, match="'comet' is unknown; expected mlflow, wandb, tensorboard, csv"):
        log_study(Summary(load_study_folder(STUDY)), "comet")


def test_trackers_are_not_imported_unless_asked_for(tmp_path):
    script = (
        "import sys; from bakeoff.cli import main\n"
        f"sys.argv[1:] = ['log', {str(STUDY)!r}, '--to', 'csv', '--at', {str(tmp_path / 'log.csv')!r}]\n"
        "main.__globals__['app'](standalone_mode=False)\n"
        "assert not {'mlflow', 'wandb', 'tensorboard', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
