import numpy as np
import pytest

from bakeoff.analysis.summary.study import Summary
from bakeoff.store import StoredStudy


def test_failed_cases_name_images_that_are_wrong(stored: StoredStudy) -> None:
    summary = Summary(stored).to_dict()
    assert {case["recipe"] for case in summary["failed_cases"]} == {"plain", "normed"}
    for case in summary["failed_cases"]:
        predicted = np.array([run.test_logits.argmax(1) for run in stored.runs_of(case["recipe"])])
        image = case["image_index"]
        assert case["true"] == stored.test_labels[image]
        assert case["num_wrong"] == (predicted[:, image] != stored.test_labels[image]).sum() > 0
        taken = (predicted[:, case["true"] == stored.test_labels] == case["predicted"]).sum(1).mean()
        assert case["confusion_count"] == pytest.approx(taken)
