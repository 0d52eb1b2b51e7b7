"""Where the time of one run goes: seconds of each part of training, each second counted in one part alone.

    python benchmarks/run_profile.py SOURCE [--study lenet5-stl10] [--recipe lenet5] [--epochs 20]

SOURCE is a data source such as splits:DIR. The run is done as a worker does it: on one thread, with
TensorBoard and a state to resume from, and saved. Parts are timed by wrapping the functions that they are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from bakeoff.data import load_data
from bakeoff.environment import describe_environment
from bakeoff.kernels.plan import Plan
from bakeoff.store import UnfinishedRun, prepare_folder, save_run
from bakeoff.study import load_study
from bakeoff.training import EpochRecord, loop
from bakeoff.training import finish as finishing
from bakeoff.training.parts.loss import Loss
from bakeoff.training.step import Passes
from bakeoff.training.tensorboard import TensorBoardLog

RECORDED = "passes that PyTorch records"
INSIDE = ("forward", "loss", "backward", RECORDED, "optimizer", "validation and test")
"""The training steps and the evaluation."""


class Profile:
    """Seconds and calls by part; the time of a part inside another one is taken from that."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._open: list[str] = []
        self._since = clock()

    def _switch(self) -> None:
        now = self._clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._switch()
        self._open.append(name)
        self.calls[name] += 1
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def wrap(self, owner: Any, attribute: str, name: str, *, within: str = "") -> None:
        """Time a function where it is looked up; with `within`, only directly inside that part."""
        function: Callable[..., Any] = getattr(owner, attribute)

        def timed(*arguments: Any, **options: Any) -> Any:
            if within and self._open[-1] != within:
                return function(*arguments, **options)
            with self.part(name):
                return function(*arguments, **options)

        setattr(owner, attribute, timed)


def wrap_training(profile: Profile) -> None:
    """Of bakeoff.training.loop: what it calls by these names."""
    steps = "rest of the step"
    profile.wrap(loop, "train_epoch", steps)
    profile.wrap(Plan, "forward", "forward")
    profile.wrap(Plan, "backward", "backward")
    profile.wrap(Loss, "with_gradient", "loss")
    profile.wrap(Passes, "_recorded", RECORDED)
    for room in (loop, finishing):
        profile.wrap(room, "predict_logits", "validation and test")
    profile.wrap(loop, "loss_and_accuracy", "validation and test")
    profile.wrap(finishing, "penultimate_features", "features")
    profile.wrap(finishing, "attribute_wrong_answers", "attributions")
    profile.wrap(loop.StateSaver, "offer", "state to resume from")
    profile.wrap(loop.Preprocessing, "__call__", "gather and standardise", within=steps)
    profile.wrap(loop.BatchMemory, "gather", "gather and standardise")
    profile.wrap(loop.Augmentation, "pixels", "gather and standardise")
    profile.wrap(loop.Augmentation, "tensors", "gather and standardise")
    profile.wrap(loop.Stepper, "step", "optimizer")
    profile.wrap(TensorBoardLog, "on_step", "TensorBoard")
    profile.wrap(TensorBoardLog, "on_epoch", "TensorBoard")
    profile.wrap(TensorBoardLog, "on_tested", "TensorBoard")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("--study", default="lenet5-stl10")
    parser.add_argument("--recipe", default="lenet5")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(options.study, source=options.source, epochs=options.epochs, seeds=2)
    data = load_data(study.data)
    profile = Profile()
    wrap_training(profile)
    with tempfile.TemporaryDirectory() as scratch:
        layout = prepare_folder(Path(scratch, "study"), study, data, describe_environment(1))
        with profile.part("rest"):
            with TensorBoardLog(Path(scratch, "log")) as log:
                run = loop.train(
                    study.recipes[options.recipe],
                    0,
                    data,
                    observers=[log, _Silent()],
                    state_store=UnfinishedRun(Path(scratch, "unfinished"), "profile"),
                )
                log.on_tested({}, run.checkpoint_epoch, data.test.labels, run.test_logits, data.class_names)
            with profile.part("saving the run"):
                save_run(layout, study, options.recipe, 0, "profile", run, data)
    total = profile.seconds.total()
    print(f"{options.recipe}, {options.epochs} epochs, {len(data.train)} training images: {total:.2f} s")
    for name, seconds in profile.seconds.most_common():
        calls = profile.calls[name]
        print(f"{name:24}{seconds:8.2f} s{seconds / total:7.1%}{1e3 * seconds / calls:10.3f} ms x {calls}")
    inside = [name for name in INSIDE if profile.calls[name]]
    share = sum(profile.seconds[name] for name in inside) / total
    print(f"training steps and evaluation ({', '.join(inside)}): {share:.1%}")


class _Silent:
    """The place of the observer that tells the driver."""

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        pass


if __name__ == "__main__":
    main()
