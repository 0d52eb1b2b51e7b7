"""Event files of a study, as TensorBoard reads them."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.logs.test_content import STUDY, log_of

from bakeoff.logs.event_files import write_event_files
from bakeoff.store import load_study_folder


def test_each_run_has_its_curves_once(tmp_path):
    study, stored = log_of(), load_study_folder(STUDY)
    assert write_event_files(study, stored, tmp_path) == len(study.runs)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert write_event_files(study, stored, tmp_path) == 0
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == files
    for run in study.runs:
        found = EventAccumulator(str(tmp_path / run.recipe / f"seed-{run.seed}")).Reload()
        for tag, metric in (("loss/val", "val_loss"), ("accuracy/train", "train_accuracy")):
            events = found.Scalars(tag)
            assert [event.step for event in events] == list(range(1, len(run.epochs[metric]) + 1))
            assert [event.value for event in events] == pytest.approx(run.epochs[metric].tolist())
        (tested,) = found.Scalars("accuracy/test")
        assert tested.value == pytest.approx(run.scores["test_accuracy"])
        assert tested.step == run.scores["best_epoch"]
    (tensor,) = (
        EventAccumulator(str(tmp_path / "comparison" / study.content))
        .Reload()
        .Tensors("comparison/text_summary")
    )
    assert study.conclusion in tensor.tensor_proto.string_val[0].decode()
