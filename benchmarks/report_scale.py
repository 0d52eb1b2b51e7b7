"""`bakeoff report` at scale: 3 recipes x 10 seeds x 5,000 test images of ten classes, or other numbers.

Writes a study folder whose runs fail on about half of the images, as trained LeNet-5 do, with features,
training dynamics and attributions; then builds its report in a process of its own. Prints wall time, time of
the processor, peak memory and the size of the page.

    python benchmarks/report_scale.py [--recipes N] [--seeds N] [--classes N] [--images N] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from bakeoff.data.image_data import ImageData, Split
from bakeoff.environment import describe_environment
from bakeoff.store import Layout, prepare_folder, save_run
from bakeoff.study import study_from_toml
from bakeoff.training import EpochRecord, Preprocessing, TrainedRun
from bakeoff.training.attribution import Attributions

KINDS = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
NUM_TRAIN, NUM_VAL, SIZE, NUM_EPOCHS, NUM_FEATURES = 5_000, 1_000, 32, 100, 84
CHANGES = {"plain": "", "l2": "optimizer.weight_decay = 0.01", "normed": "model.batch_norm = true"}


def first(names: Iterable[str], count: int) -> tuple[str, ...]:
    """As many names: these, then each with a number behind it."""
    numbered = (f"{name}_{number}" for number in itertools.count(2) for name in names)
    return tuple(itertools.islice(itertools.chain(names, numbered), count))


def natural_images(rng: np.random.Generator, count: int) -> np.ndarray:
    """uint8 [count, 32, 32, 3] with a spectrum such that a JPEG takes what it takes of STL-10 at 32 x 32."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(count, 3, SIZE, SIZE))) / frequency**1.6
    luma, color = np.fft.irfft2(noise[:, :1], (SIZE, SIZE)), np.fft.irfft2(noise, (SIZE, SIZE))
    pixels = luma + 0.2 * color
    pixels = 128 + 55 * pixels / pixels.std(axis=(1, 2, 3), keepdims=True)
    return pixels.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def split(rng: np.random.Generator, name: str, count: int, num_classes: int) -> Split:
    ids = tuple(f"{name}/image_{index:05d}.png" for index in range(count))
    return Split(natural_images(rng, count), np.arange(count) % num_classes, ids)


def attributions(rng: np.random.Generator, wrong: np.ndarray) -> Attributions:
    maps = rng.normal(size=(len(wrong), 16, 16))
    maps *= np.exp(rng.normal(size=(len(wrong), 4, 4))).repeat(4, 1).repeat(4, 2)
    scale = np.abs(maps).max(axis=(1, 2)) / 127
    return Attributions(
        wrong.astype(np.int32),
        np.rint(maps / scale[:, None, None]).astype(np.int8),
        scale.astype(np.float32),
        np.full(len(wrong), 0.008, np.float32),
    )


def features(rng: np.random.Generator, logits: np.ndarray, mixing: np.ndarray) -> np.ndarray:
    """float16 [num_images, 84]: what the logits hold, mixed, as after a ReLU."""
    return np.maximum(logits @ mixing + rng.normal(size=(len(logits), NUM_FEATURES)), 0).astype(np.float16)


def trained_run(seed: int, data: ImageData, ease: np.ndarray) -> TrainedRun:
    rng = np.random.default_rng(seed)

    def logits(labels: np.ndarray, how_easy: np.ndarray) -> np.ndarray:
        found = rng.normal(0, 1.5, (len(labels), len(data.class_names)))
        found[np.arange(len(labels)), labels] += how_easy
        return found.astype(np.float32)

    test = logits(data.test.labels, ease)
    train = logits(data.train.labels, np.full(NUM_TRAIN, 3.0))
    mixing = rng.normal(size=(len(data.class_names), NUM_FEATURES))
    learning = rng.normal(0, 1, (NUM_EPOCHS, NUM_TRAIN)) + np.linspace(-2, 4, NUM_EPOCHS)[:, None]
    record = [
        EpochRecord(epoch, 0.001, 2 / epoch, 1 - 1 / epoch, 1.6, 0.45, 0.5)
        for epoch in range(1, NUM_EPOCHS + 1)
    ]
    return TrainedRun(
        weights={"weight": torch.zeros(1)},
        preprocessing=Preprocessing(data.mean, data.std, SIZE),
        history=record,
        checkpoint_epoch=40,
        val_logits=logits(data.val.labels, np.ones(NUM_VAL)),
        test_logits=test,
        train_true_probability=(1 / (1 + np.exp(-learning))).astype(np.float16),
        val_true_probability=np.zeros((NUM_EPOCHS, NUM_VAL), np.float16),
        num_parameters=62_006,
        test_features=features(rng, test, mixing),
        train_features=features(rng, train, mixing),
        attributions=attributions(rng, np.flatnonzero(test.argmax(axis=1) != data.test.labels)),
    )


def write_study(root: Path, num_recipes: int, num_seeds: int, num_classes: int, num_images: int) -> None:
    rng = np.random.default_rng(0)
    data = ImageData(
        train=split(rng, "train", NUM_TRAIN, num_classes),
        val=split(rng, "val", NUM_VAL, num_classes),
        test=split(rng, "test", num_images, num_classes),
        class_names=first(KINDS, num_classes),
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        source="made up",
        fingerprint="0" * 64,
        notes=(),
        directory=Path(),
    )
    changes = zip(first(CHANGES, num_recipes), itertools.cycle(CHANGES.values()))
    recipes = "".join(f"[recipes.{name}]\n{settings}\n" for name, settings in changes)
    text = f'name = "at-scale"\nseeds = {num_seeds}\n[defaults]\nepochs = {NUM_EPOCHS}\n{recipes}'
    study = study_from_toml(text, "report_scale.py")
    layout: Layout = prepare_folder(root, study, data, describe_environment(1))
    ease = rng.normal(2.2, 2.4, num_images)
    for place, name in enumerate(study.recipes):
        of_recipe = ease + rng.normal(0.05 * place, 0.5, num_images)
        for seed in range(num_seeds):
            run = trained_run(100 * place + seed, data, of_recipe)
            save_run(layout, study, name, seed, f"{name} {seed}", run, data)


COMMAND = "import sys, pathlib, bakeoff.report; bakeoff.report.build_report(pathlib.Path(sys.argv[1]))"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--keep", type=Path, help="write the study here, and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder) / "study"
        write_study(root, options.recipes, options.seeds, options.classes, options.images)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, str(root)], check=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        page = (root / "report" / "index.html").stat().st_size
        print(
            f"{options.recipes} recipes x {options.seeds} seeds x {options.images:,} test images of "
            f"{options.classes} classes: {seconds:.1f} s "
            f"({used.ru_utime + used.ru_stime:.1f} s of processor), peak {used.ru_maxrss / 1024:.0f} MiB, "
            f"page {page / 1e6:.1f} MB, {os.cpu_count()} cores"
        )


if __name__ == "__main__":
    main()
