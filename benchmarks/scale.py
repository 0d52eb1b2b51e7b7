"""Whether the cost of a study grows as its runs and its images do: seconds a run, milliseconds an image.

    python benchmarks/scale.py DIR [--parts runs,images] [--epochs 5] [--seeds 2,18,34] [--copies 1,3,10]

DIR holds splits/{train,val,test}.txt and the images they name. Each measurement is a whole `bakeoff run`
with an empty cache, as many runs at a time as there are cores. `runs`: the three recipes of lenet5-stl10 with
2, 18 and 34 seeds (6, 54 and 102 runs: with 3, a core of two would wait). `images`: the first recipe with two
seeds, and all images once, 3 and 10 times (links to the same files, all three splits), without the check of
the images, which looks for just such copies. The smallest is measured before and after each of the others,
and its median taken.

What a study costs once (start, decoding) is given apart and is part of the whole. "Each further" is
what the step from the size before cost, divided by the runs or images it added: nothing that is paid once is
in it, so it is what has to be flat.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from peers.whole_study import whole_study

RECIPES = ("lenet5", "lenet5_l2_regularization", "lenet5_batch_norm")
SEEDS_FOR_IMAGES = 2

Found = dict[str, float]


def link_copies(source: Path, folder: Path, copies: int) -> int:
    """Write splits with each image several times, by names of their own; give the number in train."""
    (folder / "splits").mkdir(parents=True)
    number = 0
    for split in ("train", "val", "test"):
        lines = (source / "splits" / f"{split}.txt").read_text("utf-8").splitlines()
        number += copies * len(lines) if split == "train" else 0
        with (folder / "splits" / f"{split}.txt").open("w", encoding="utf-8") as file:
            for copy in range(copies):
                for line in lines:
                    path, label = line.rsplit(" ", 1)
                    link = folder / f"{copy}" / path
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(source / path)
                    file.write(f"{copy}/{path} {label}\n")
    return number


def with_copies(source: Path, copies: int, epochs: int) -> tuple[int, Found]:
    with tempfile.TemporaryDirectory() as folder:
        number = link_copies(source, Path(folder, "images"), copies)
        return number, whole_study(Path(folder, "images"), SEEDS_FOR_IMAGES, epochs, RECIPES[:1], check=False)


def measure(sizes: list[int], one: Callable[[int], tuple[int, Found]]) -> dict[int, Found]:
    """By number of runs or images; of the smallest, measured around each of the others, the median."""
    smallest, *others = sorted(sizes)
    order = [smallest] + [size for other in others for size in (other, smallest)]
    found: dict[int, list[Found]] = {}
    for size in order:
        number, measured = one(size)
        found.setdefault(number, []).append(measured)
        print(
            f"  {number:,}: {measured['seconds']:.2f} s, processor {measured['processor']:.2f} s", flush=True
        )
    return {
        number: {key: statistics.median(one[key] for one in several) for key in several[0]}
        for number, several in found.items()
    }


def say(of: str, unit: str, scale: float, found: dict[int, Found]) -> None:
    """A row a size, and by how much the last step to a larger one differs from the first."""
    print(
        f"\n| {of} | seconds | once | training | report | end | processor | {unit} each: wall "
        f"| processor | epochs | each further: wall | processor | epoch, s | driver, MiB | worker, MiB |\n"
        f"|{' --- |' * 15}"
    )
    further: dict[str, list[float]] = {"seconds": [], "processor": []}
    before: tuple[int, Found] | None = None
    for number, one in found.items():
        parts = [one["decoding"], one["training"], one["report"]]
        cells = [one["seconds"], *parts, one["seconds"] - sum(parts), one["processor"]]
        cells += [scale * one[key] / number for key in (*further, "epochs_seconds")]
        words = [f"{cell:.2f}" for cell in cells[:6]] + [f"{cell:.3f}" for cell in cells[6:]]
        for key, values in further.items():
            if before:
                values.append(scale * (one[key] - before[1][key]) / (number - before[0]))
            words.append(f"{values[-1]:.3f}" if before else "")
        words += [f"{one['epoch']:.3f}", f"{one['peak_driver']:.0f}", f"{one['peak_worker']:.0f}"]
        print(f"| {number:,} | {' | '.join(words)} |")
        before = number, one
    for key, values in further.items():
        if len(values) > 1:
            print(f"each further one's {key}, last step over first: {values[-1] / values[0] - 1:+.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", default="runs,images")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", default="2,18,34", help="of the part `runs`")
    parser.add_argument("--copies", default="1,3,10", help="of the part `images`")
    options = parser.parse_args()
    source = options.folder.resolve()
    seeds, copies = ([int(word) for word in text.split(",")] for text in (options.seeds, options.copies))
    print(f"{os.cpu_count()} cores, {options.epochs} epochs")
    if "runs" in options.parts:

        def with_seeds(number: int) -> tuple[int, Found]:
            return number * len(RECIPES), whole_study(source, number, options.epochs, RECIPES)

        say("runs", "s", 1, measure(seeds, with_seeds))
    if "images" in options.parts:
        say(
            "training images",
            "ms",
            1e3,
            measure(copies, lambda number: with_copies(source, number, options.epochs)),
        )


if __name__ == "__main__":
    main()
