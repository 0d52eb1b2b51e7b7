"""Training on images that are many and large: where the time of an epoch's first steps goes, and memory.

    python benchmarks/large_data.py SOURCE [--study lenet5-stl10] [--recipe lenet5] [--images 60000]
        [--size 96] [--batches 200]

The training images of SOURCE, shifted and mirrored until there are as many, lie in a memory-mapped file, as
in the cache. The first batches of an epoch, in its random order, are trained as a worker does it, on one
thread. Prints the parts of the processor time, and the process's memory before and after: its own, and its
pages of mapped files, which processes share.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from run_profile import Profile, wrap_training

from bakeoff.data import load_data
from bakeoff.data.image_data import Split
from bakeoff.study import load_study
from bakeoff.training import loop
from bakeoff.training.repeatable import denormals_as_zero
from bakeoff.training.state import TrainingState

PASSES = ("forward", "loss", "backward", "passes that PyTorch records")


def enlarge(images: NDArray[np.uint8], number: int, path: Path) -> NDArray[np.uint8]:
    """The images repeated: every second time mirrored, each time shifted further."""
    shape = (number, *images.shape[1:])
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for turn, start in enumerate(range(0, number, len(images))):
        some = images[: number - start]
        some = np.roll(some[:, :, ::-1] if turn % 2 else some, turn, axis=2)
        file[start : start + len(some)] = some
    file.flush()
    del file
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def memory() -> dict[str, int]:
    """MiB of this process: its own, and of mapped files."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    values = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    keys = {"own": "RssAnon", "mapped files": "RssFile"}
    return {name: int(values[key][0]) // 1024 for name, key in keys.items()}


@denormals_as_zero()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("--study", default="lenet5-stl10")
    parser.add_argument("--recipe", default="lenet5")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batches", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(options.study, source=options.source, overrides=[f"data.image_size={options.size}"])
    recipe = study.recipes[options.recipe]
    data = load_data(study.data)
    with tempfile.TemporaryDirectory() as scratch:
        number = options.images
        images = enlarge(data.train.images, number, Path(scratch, "images.npy"))
        labels = np.resize(data.train.labels, number)
        train = Split(images, labels, tuple(map(str, range(number))))
        data = replace(data, train=train)
        parts = loop.build_parts(recipe, 0, data)
        parts.model.train()
        state = TrainingState.new(recipe.epochs, number, len(data.val))
        profile = Profile(time.thread_time)
        wrap_training(profile)
        every = loop.split_into_batches

        def first(*arguments: Any) -> Iterator[NDArray[np.int64]]:
            return islice(every(*arguments), options.batches)

        loop.split_into_batches = first  # type: ignore[assignment]
        before = memory()
        with profile.part("rest"):
            loop.train_epoch(parts, 1, data.train, state, ())
        after = memory()
        print(f"{number} images, {images.nbytes >> 20} MiB; memory in MiB: {before}, then {after}")
    total = profile.seconds.total()
    steps = f"{options.batches} steps of {recipe.batch_size}"
    print(f"{options.recipe} of {options.study}, {steps}: {total:.2f} s of processor time")
    for name, seconds in profile.seconds.most_common():
        print(f"{name:28}{seconds:8.2f} s{seconds / total:7.1%}")
    print(f"outside of forward and backward: {1 - sum(profile.seconds[name] for name in PASSES) / total:.1%}")


if __name__ == "__main__":
    main()
