"""`bakeoff compare` at scale: 10 recipes x 10 seeds x 10,000 images as one CSV of 1,000,000 rows.

Reads, compares and prints in a process of its own; reports wall time and peak memory of the whole process.

    python benchmarks/compare_scale.py [--probabilities] [--images N]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def write_predictions(path: Path, *, recipes: int, seeds: int, images: int, probabilities: bool) -> None:
    """Write predictions whose recipes, seeds and images differ as those of trained models do."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CLASSES), images)
    ease = rng.normal(1.5, 1.5, images)
    with path.open("w", encoding="utf-8") as file:
        extra = "".join(f",p_{name}" for name in CLASSES) if probabilities else ""
        file.write(f"recipe,seed,image,label,prediction{extra}\n")
        for recipe in range(recipes):
            for seed in range(seeds):
                logits = rng.normal(0, 1, (images, len(CLASSES)))
                logits[np.arange(images), labels] += ease + 0.05 * recipe + rng.normal(0, 0.05)
                chances = np.exp(logits)
                chances /= chances.sum(axis=1, keepdims=True)
                for image, (label, guess) in enumerate(zip(labels, logits.argmax(axis=1), strict=True)):
                    row = (
                        f"recipe_{recipe},{seed},test/image_{image:05d}.png,{CLASSES[label]},{CLASSES[guess]}"
                    )
                    if probabilities:
                        row += "," + ",".join(f"{chance:.6f}" for chance in chances[image])
                    file.write(row + "\n")


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
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.csv"
        write_predictions(
            path, recipes=10, seeds=10, images=options.images, probabilities=options.probabilities
        )
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, str(path)], check=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak, cpu_seconds = used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
        print(
            f"{100 * options.images:,} rows, {path.stat().st_size / 1e6:.0f} MB: {seconds:.1f} s "
            f"({cpu_seconds:.1f} s of processor), peak {peak:.0f} MiB, {os.cpu_count()} cores"
        )


if __name__ == "__main__":
    main()
