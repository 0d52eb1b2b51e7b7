"""`bakeoff compare` at scale: 10 recipes x 10 seeds x 10,000 images, by default as one CSV of 1,000,000 rows.

Reads, compares and prints in a process of its own; reports wall time and peak memory of the whole process.

    python benchmarks/compare_scale.py [--probabilities | --npz] [--recipes N] [--seeds N] [--images N]
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
from pathlib import Path

import numpy as np

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def write_predictions(
    folder: Path, *, recipes: int, seeds: int, images: int, probabilities: bool, npz: bool
) -> Path:
    """Write predictions whose recipes, seeds and images differ as those of trained models do."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CLASSES), images)
    ease = rng.normal(1.5, 1.5, images)
    ids = [f"test/image_{image:05d}.png" for image in range(images)]
    runs = itertools.product(range(recipes), range(seeds))

    def logits(recipe: int) -> np.ndarray:
        of_run = rng.normal(0, 1, (images, len(CLASSES)))
        of_run[np.arange(images), labels] += ease + 0.05 * recipe + rng.normal(0, 0.05)
        return of_run

    if npz:
        for recipe, seed in runs:
            path = folder / "runs" / f"recipe_{recipe}" / f"seed-{seed}" / "predictions.npz"
            path.parent.mkdir(parents=True)
            np.savez(
                path,
                recipe=np.array(f"recipe_{recipe}"),
                seed=np.array(seed),
                class_names=np.array(CLASSES),
                test_logits=logits(recipe).astype(np.float32),
                test_labels=labels,
                test_ids=np.array(ids),
            )
        return folder
    with (folder / "predictions.csv").open("w", encoding="utf-8") as file:
        extra = "".join(f",p_{name}" for name in CLASSES) if probabilities else ""
        file.write(f"recipe,seed,image,label,prediction{extra}\n")
        for recipe, seed in runs:
            chances = np.exp(logits(recipe))
            chances /= chances.sum(axis=1, keepdims=True)
            for image, label, guess, row in zip(ids, labels, chances.argmax(axis=1), chances, strict=True):
                numbers = "".join(f",{chance:.6f}" for chance in row) if probabilities else ""
                file.write(f"recipe_{recipe},{seed},{image},{CLASSES[label]},{CLASSES[guess]}{numbers}\n")
    return folder / "predictions.csv"


COMMAND = """
import sys
from pathlib import Path
from rich.console import Console
from bakeoff.prediction_files.compare import compare_files
from bakeoff.terminal.comparison import print_comparison
print_comparison(compare_files([Path(sys.argv[1])]), Console())
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probabilities", action="store_true", help="with ten p_CLASS columns")
    parser.add_argument(
        "--npz", action="store_true", help="a file per run, as Bakeoff writes it, with logits"
    )
    for name, number in (("recipes", 10), ("seeds", 10), ("images", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_predictions(Path(folder), **vars(options))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.*"))
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, str(path)], check=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak, cpu_seconds = used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
        num_rows = options.recipes * options.seeds * options.images
        print(
            f"{num_rows:,} rows, {size / 1e6:.0f} MB: {seconds:.1f} s "
            f"({cpu_seconds:.1f} s of processor), peak {peak:.0f} MiB, {os.cpu_count()} cores"
        )


if __name__ == "__main__":
    main()
