"""A worker: what it does with a connection, and that it leaves when nobody listens any more."""

import multiprocessing

import numpy as np

from bakeoff.data import load_data
from bakeoff.engines.engine import Job, RunFinished, Task
from bakeoff.engines.worker import _open_images, work
from bakeoff.store import prepare_folder, run_state
from bakeoff.study import load_study
from bakeoff.training.loop import build_parts


def test_a_worker_does_its_runs_and_leaves_with_its_driver(tmp_path):
    study = load_study("quickstart", epochs=1, seeds=1, recipes=["lenet5"])
    data = load_data(study.data)
    layout = prepare_folder(tmp_path / "study", study, data, {})
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,))
    process.start()
    theirs.close()
    for seed in (0,):
        ours.send((Task("lenet5", seed, "identity"), Job(study, data.directory, layout.root)))
        events = []
        while not isinstance(events[-1:][0] if events else None, RunFinished):
            assert ours.poll(60)
            events.append(ours.recv())
        assert run_state(layout, "lenet5", seed, "identity") == "finished"
    ours.close()
    process.join(20)
    assert process.exitcode == 1


def test_a_worker_trains_on_the_mapped_images_without_a_copy():
    study = load_study("quickstart")
    data = _open_images(load_data(study.data).directory, with_test=True)
    inputs = build_parts(study.recipes["lenet5"], 0, data).inputs
    for name in ("train", "val", "test"):
        images = getattr(inputs, name)
        assert images is data.split(name).images
        assert isinstance(images, np.memmap)
        assert not images.flags.writeable
