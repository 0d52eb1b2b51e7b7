"""Worker processes: when they start, how long they stay, and that they leave with their engine."""

import multiprocessing

import pytest

from bakeoff.engines import ProcessEngine, open_engine
from bakeoff.running.run_study import run_study
from bakeoff.study import load_study

STUDY = load_study("quickstart", epochs=1, seeds=1, recipes=["lenet5", "lenet5_batch_norm"])


def workers() -> set[int]:
    return {child.pid for child in multiprocessing.active_children()}


def test_an_engine_starts_no_more_workers_than_runs_and_keeps_them_from_study_to_study(tmp_path):
    before = workers()
    with open_engine(jobs=3, num_runs=2) as engine:
        started = workers() - before
        assert len(started) == 2
        for name in ("first", "second"):
            assert len(run_study(STUDY, tmp_path / name, engine=engine, check=False).finished) == 2
            assert workers() - before == started
        with_more = STUDY.changed(seeds=2)
        assert len(run_study(with_more, tmp_path / "more", engine=engine, check=False).finished) == 4
        assert len(workers() - before) == 3
    assert workers() == before


class Told:
    """Keeps the names of what a display is told, and may stop the study."""

    def __init__(self, stop_at=None):
        self.names, self.stop_at = [], stop_at

    def tell(self, name):
        self.names.append(name)
        if name == self.stop_at:
            raise KeyboardInterrupt

    def begin(self, *_):
        self.tell("begin")

    def audited(self, audit):
        self.tell("audited")

    def handle(self, event):
        self.tell(type(event).__name__)

    def decoding(self, *_):
        pass


def test_images_are_checked_once_while_the_first_runs_train(tmp_path):
    told = Told()
    run_study(STUDY.changed(seeds=2), tmp_path, display=told)
    assert told.names[:3] == ["begin", "RunStarted", "audited"]
    assert told.names.count("audited") == 1
    (audit,) = tmp_path.glob("audit.json")
    audit.unlink()
    told = Told()
    run_study(STUDY.changed(seeds=2), tmp_path, display=told)  # nothing is left to train
    assert told.names == ["begin", "audited"]


def test_without_a_block_no_worker_outlives_its_study(tmp_path):
    before = workers()
    assert len(run_study(STUDY, tmp_path, engine=ProcessEngine(2), check=False).finished) == 2
    assert workers() == before


@pytest.mark.parametrize("moment", ["RunStarted", "audited", "EpochDone"])
def test_a_study_that_is_stopped_leaves_no_worker_with_a_run(tmp_path, moment):
    before = workers()
    with ProcessEngine(2) as engine:
        with pytest.raises(KeyboardInterrupt):
            run_study(STUDY, tmp_path, engine=engine, display=Told(stop_at=moment))
        assert workers() == before


def test_what_a_stopped_worker_had_begun_to_write_is_removed(tmp_path):
    half = tmp_path / "runs" / "lenet5" / "seed-0" / ".predictions.npz.1.tmp"

    class StopsWhileAWorkerWrites(Told):
        def handle(self, event):
            half.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(b"half of it")
            super().handle(event)

    with pytest.raises(KeyboardInterrupt):
        run_study(STUDY, tmp_path, display=StopsWhileAWorkerWrites("EpochDone"), check=False)
    assert half.parent.is_dir()
    assert not list(tmp_path.rglob("*.tmp"))
