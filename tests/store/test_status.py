"""How far the runs of a study folder are."""

import json
import subprocess
import sys

import pytest
from tests.digests import forget_digests

from bakeoff.errors import BakeoffError
from bakeoff.store import UnfinishedRun, count_unfinished, lock_folder, save_failure, save_run, study_status


def test_each_run_has_its_state(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    UnfinishedRun(layout.unfinished("lenet5", 1), "a").save(b"state", 7, 0.25)
    save_failure(layout, "lenet5_batch_norm", 0, "a", "loss is nan", try_again=False)
    found, statuses = study_status(layout.root)
    assert found == study
    assert [(s.recipe, s.seed, s.state, s.epochs, s.val_accuracy, s.reason) for s in statuses] == [
        ("lenet5", 0, "finished", 1, pytest.approx(run.history[0].val_accuracy), ""),
        ("lenet5", 1, "unfinished", 7, 0.25, ""),
        ("lenet5_batch_norm", 0, "failed", 0, None, "loss is nan"),
        ("lenet5_batch_norm", 1, "waiting", 0, None, ""),
    ]
    assert count_unfinished(layout.root, study) == 3


def test_seeds_that_were_added_until_decided_are_listed(layout, study, data):
    forget_digests(layout.root)
    layout.study.write_text(
        layout.study.read_text()
        .replace("seeds = 2", "seeds = 3", 1)
        .replace('until = "all_seeds"', 'until = "decided"')
    )
    save_failure(layout, "lenet5", 5, "a", "it broke", try_again=True)
    _, statuses = study_status(layout.root)
    assert [s.seed for s in statuses if s.recipe == "lenet5"] == [0, 1, 2, 5]
    assert [s.seed for s in statuses if s.recipe == "lenet5_batch_norm"] == [0, 1, 2]


def test_a_damaged_history_is_told(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    forget_digests(layout.root)
    layout.history("lenet5", 0).write_text("epoch,val_accuracy\n1,0.5\n")
    with pytest.raises(BakeoffError, match=r"seed-0 is damaged .*history\.csv has no column"):
        study_status(layout.root)


def test_an_unfinished_run_is_running_while_a_live_process_holds_the_lock(layout, study):
    UnfinishedRun(layout.unfinished("lenet5", 1), "a").save(b"state", 7, 0.25)

    def states():
        return [status.state for status in study_status(layout.root)[1]]

    with lock_folder(layout.root):
        assert states() == ["waiting", "running", "waiting", "waiting"]
    assert states() == ["waiting", "unfinished", "waiting", "waiting"]


def test_a_holder_that_was_killed_runs_nothing(layout, study):
    UnfinishedRun(layout.unfinished("lenet5", 1), "a").save(b"state", 7, 0.25)
    code = "import sys; from pathlib import Path; from bakeoff.store import lock_folder\n"
    code += "with lock_folder(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, layout.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "locked\n"
        assert study_status(layout.root)[1][1].state == "running"
        holder.kill()
    assert json.loads((layout.root / ".lock-holder.json").read_text())["process"] == holder.pid
    assert study_status(layout.root)[1][1].state == "unfinished"
    # Its number may be that of another process now.
    text = (layout.root / ".lock-holder.json").read_text()
    (layout.root / ".lock-holder.json").write_text(text.replace(str(holder.pid), "1"))
    assert study_status(layout.root)[1][1].state == "unfinished"
