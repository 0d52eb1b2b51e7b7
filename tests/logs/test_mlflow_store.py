"""A study in MLflow, read from its database, which MLflow has no part in."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.logs.test_content import STUDY, log_of

from bakeoff.errors import BakeoffError
from bakeoff.logs.mlflow_store import log_to_mlflow


def log(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", "log", *words, "--to", "mlflow", "--at", "sqlite:///runs.db"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(folder: Path, question: str, *values: object) -> list[tuple]:
    with sqlite3.connect(folder / "runs.db") as database:
        return database.execute(question, values).fetchall()


@pytest.mark.slow
@pytest.mark.needs("mlflow")
def test_runs_are_there_once_with_what_the_study_folder_has(tmp_path):
    shutil.copytree(STUDY, tmp_path / "study")
    study = log_of(tmp_path / "study")
    last = study.runs[-1]
    away = tmp_path / "study" / "runs" / last.recipe / f"seed-{last.seed}"
    away.rename(tmp_path / "away")
    assert f"{len(study.runs) - 1} runs logged" in log(tmp_path, "study")
    (tmp_path / "away").rename(away)
    assert f"1 run logged to experiment {study.name} of MLflow; {len(study.runs) - 1} run" in log(
        tmp_path, "study"
    )
    assert "0 runs logged" in log(tmp_path, "study")

    ids = {
        key: (run, name, status)
        for run, key, name, status in ask(
            tmp_path,
            "select runs.run_uuid, tags.value, runs.name, runs.status from runs join tags using (run_uuid) "
            "where tags.key = 'bakeoff.key'",
        )
    }
    assert {*ids} == {study.key, *(run.key for run in study.runs)}
    assert {status for _, _, status in ids.values()} == {"FINISHED"}
    parent = ids[study.key][0]
    for run in study.runs:
        uuid, name, _ = ids[run.key]
        assert name == run.name
        of_parent = "select value from tags where run_uuid=? and key='mlflow.parentRunId'"
        assert ask(tmp_path, of_parent, uuid) == [(parent,)]
        params = dict(ask(tmp_path, "select key, value from params where run_uuid=?", uuid))
        assert params == {key: str(value)[:500] for key, value in run.settings.items()}
        losses = "select value from metrics where run_uuid=? and key='val_loss' order by step"
        assert [value for (value,) in ask(tmp_path, losses, uuid)] == run.epochs["val_loss"].tolist()
        accuracy = "select value, step from metrics where run_uuid=? and key='test_accuracy'"
        assert ask(tmp_path, accuracy, uuid) == [(run.scores["test_accuracy"], len(run.epochs["val_loss"]))]
    scores = dict(ask(tmp_path, "select key, value from latest_metrics where run_uuid=?", parent))
    assert scores == {
        f"{what}/{name}": value for what, values in study.scores.items() for name, value in values.items()
    }
    tags = dict(ask(tmp_path, "select key, value from tags where run_uuid=?", parent))
    assert study.conclusion in tags["mlflow.note.content"]
    for pair, verdict in study.verdicts.items():
        assert tags[f"bakeoff.verdict.{pair}"] == verdict
    written = next(path for path in tmp_path.rglob("comparison.json") if "artifacts" in path.parts)
    assert json.loads(written.read_text()) == json.loads(json.dumps(dict(study.comparison)))


def test_without_mlflow_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(BakeoffError, match=r"MLflow cannot be imported .*\.\[mlflow\]"):
        log_to_mlflow(log_of(), None)
