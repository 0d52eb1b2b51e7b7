"""How far the runs of a study folder are."""

import pytest
from tests.digests import forget_digests

from bakeoff.errors import BakeoffError
from bakeoff.store import UnfinishedRun, count_unfinished, save_failure, save_run, study_status


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
