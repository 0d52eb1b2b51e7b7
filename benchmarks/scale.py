"""How the cost of a study grows with its runs and with its images.

    python benchmarks/scale.py DIR [--parts runs,images] [--epochs 2]

DIR holds splits/{train,val,test}.txt and the images they name. `runs`: the three recipes of lenet5-stl10 with
1 seed and with 34, 3 and 102 runs. `images`: 3 runs with the images once and ten times (links to the same
files, all three splits), without the check of the images, which looks for just such copies.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from peers.whole_study import whole_study

RECIPES = ("lenet5", "lenet5_l2_regularization", "lenet5_batch_norm")


def link_copies(source: Path, folder: Path, copies: int) -> int:
    """Write splits with each image several times, by names of their own; give the number in train and val."""
    (folder / "splits").mkdir(parents=True)
    number = 0
    for split in ("train", "val", "test"):
        lines = (source / "splits" / f"{split}.txt").read_text("utf-8").splitlines()
        number += 0 if split == "test" else copies * len(lines)
        with (folder / "splits" / f"{split}.txt").open("w", encoding="utf-8") as file:
            for copy in range(copies):
                for line in lines:
                    path, label = line.rsplit(" ", 1)
                    link = folder / f"{copy}" / path
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(source / path)
                    file.write(f"{copy}/{path} {label}\n")
    return number


def say(name: str, found: Mapping[str, float], divisor: float, unit: str, scale: float) -> None:
    stages = ("seconds", "processor", "decoding", "training", "epochs_seconds", "report")
    shares = ", ".join(f"{stage} {scale * found[stage] / divisor:.3f}" for stage in stages)
    print(f"{name}: {unit}: {shares}; worker {found['peak_worker']:.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", default="runs,images")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {options.epochs} epochs")
    source = options.folder.resolve()
    if "runs" in options.parts:
        for seeds in (1, 34):
            found = whole_study(source, seeds, options.epochs, RECIPES)
            runs = seeds * len(RECIPES)
            say(f"{runs} runs", found, runs, "s a run", 1)
    if "images" in options.parts:
        for copies in (1, 10):
            with tempfile.TemporaryDirectory() as folder:
                number = link_copies(source, Path(folder, "images"), copies)
                found = whole_study(Path(folder, "images"), 1, options.epochs, RECIPES, check=False)
            say(f"{number:,} images of train and val", found, number, "ms an image", 1e3)


if __name__ == "__main__":
    main()
