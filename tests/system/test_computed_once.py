"""One command reads the study folder once and computes each part of the results once; so does `Result`."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import bakeoff
from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.looks import take_looks
from bakeoff.analysis.failures.evidence import gather_evidence
from bakeoff.cli import app
from bakeoff.store import StoredStudy, load_study_folder

WATCHED: tuple[Callable, ...] = (
    load_study_folder, StoredStudy.predictions, compare, take_looks, gather_evidence,
)  # fmt: skip


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Count how often the watched functions run within the block."""
    names = {function.__code__: function.__name__ for function in WATCHED}
    calls: Counter[str] = Counter()

    def on_event(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in names:
            calls[names[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[str]]:
    """A study that `bakeoff run` made in this process, and what that called."""
    root, path = tmp_path_factory.mktemp("once") / "study", sys.path.copy()
    words = ["quickstart", "--recipes", "lenet5,lenet5_batch_norm", "--seeds", "1", "--epochs", "1"]
    with counted_calls() as calls:
        app(["run", *words, "--jobs", "1", "--no-check", "--out", str(root)], standalone_mode=False)
    sys.path[:] = path  # the command adds the current folder
    return root, calls


ONCE = {"load_study_folder": 1, "predictions": 1, "compare": 1, "gather_evidence": 1}


def test_run_reads_and_compares_once_at_its_end(study_dir: tuple[Path, Counter[str]]) -> None:
    assert study_dir[1] == ONCE


def test_report_reads_and_compares_once(study_dir: tuple[Path, Counter[str]]) -> None:
    with counted_calls() as calls:
        app(["report", str(study_dir[0])], standalone_mode=False)
    assert calls == ONCE


def test_a_result_reads_and_compares_once_and_measures_failures_for_its_figures_alone(
    study_dir: tuple[Path, Counter[str]],
) -> None:
    with counted_calls() as calls:
        result = bakeoff.open_result(study_dir[0])
        assert result.comparison.conclusion in repr(result)
        assert result.confusion("lenet5").to_numpy().sum() == len(result.test_labels)
        assert calls == {"load_study_folder": 1, "predictions": 1, "compare": 1}
        assert len(result.figures) > len(result.pairs) > 0  # one shows error rates by property
        assert calls == {"load_study_folder": 1, "predictions": 1, "compare": 1, "gather_evidence": 1}
        result.report()
    assert calls == ONCE
