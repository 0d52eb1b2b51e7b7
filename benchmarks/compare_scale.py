"""`bakeoff compare` at scale: 10 recipes x 10 seeds x 10,000 images, by default as one CSV of 1,000,000 rows.

With `--arrays`, `bakeoff.compare` of as many probabilities in memory (float32, 40 MB) instead.

Reads, compares and prints in a process of its own; reports wall time and peak memory of the whole process.
With `--json`, what the terminal does not show is computed too: calibration, other scores.

    python benchmarks/compare_scale.py [--probabilities | --npz | --arrays] [--metric macro_f1] [--json]
        [--recipes N] [--seeds N] [--images N]
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
from scipy.special import softmax

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def write_predictions(
    folder: Path, *, recipes: int, seeds: int, images: int, probabilities: bool, npz: bool, arrays: bool
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

    if arrays:
        chances = {
            f"recipe_{recipe}": np.stack([softmax(logits(recipe), axis=1) for _ in range(seeds)])
            for recipe in range(recipes)
        }
        as_floats = {name: values.astype(np.float32) for name, values in chances.items()}
        np.savez(folder / "predictions.npz", labels=labels, **as_floats)
        return folder / "predictions.npz"
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
            of_run = softmax(logits(recipe), axis=1)
            for image, label, guess, row in zip(ids, labels, of_run.argmax(axis=1), of_run, strict=True):
                numbers = "".join(f",{chance:.6f}" for chance in row) if probabilities else ""
                file.write(f"recipe_{recipe},{seed},{image},{CLASSES[label]},{CLASSES[guess]}{numbers}\n")
    return folder / "predictions.csv"


WITH_ARRAYS = """
import sys
import numpy as np
import bakeoff
arrays = dict(np.load(sys.argv[1]))
print(bakeoff.compare(arrays.pop("labels"), arrays, metric=sys.argv[2]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probabilities", action="store_true", help="with ten p_CLASS columns")
    parser.add_argument(
        "--npz", action="store_true", help="a file per run, as Bakeoff writes it, with logits"
    )
    parser.add_argument("--arrays", action="store_true", help="probabilities in memory, from Python")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--json", action="store_true", help="write comparison.json too")
    for name, number in (("recipes", 10), ("seeds", 10), ("images", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    metric, json = vars(options).pop("metric"), vars(options).pop("json")
    with tempfile.TemporaryDirectory() as folder:
        path = write_predictions(Path(folder), **vars(options))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.*"))
        command = ["-m", "bakeoff", "compare", str(path), "--metric", metric]
        if options.arrays:
            command = ["-c", WITH_ARRAYS, str(path), metric]
        elif json:
            command += ["--json", str(Path(folder) / "comparison.json")]
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True)
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
