"""Time and memory from a source of images to data ready to train: listed, decoded, opened again.

The cache is empty at first.

    python benchmarks/load_data.py idx:/usr/share/datasets/fashion-mnist --image-size 28
    python benchmarks/load_data.py small-files --images 100000 --classes 1000 --check

`small-files` writes PNG files of 40 x 40 pixels into class folders first: random patterns, each different,
with a little noise. With `--check`, the data check follows. `again` is a second call, which finds the images
in the cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from bakeoff.audit import audit
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings


def write_small_files(directory: Path, num_images: int, num_classes: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 16, (97, 40, 40, 3), np.uint8)
    for number in range(num_images):
        label = number % num_classes
        folder = directory / f"class {label}"
        if number == label:
            folder.mkdir(parents=True)
        pattern = rng.integers(0, 240, (8, 8, 3), np.uint8)
        pixels = pattern.repeat(5, axis=0).repeat(5, axis=1) + noise[number % 97]
        Image.fromarray(pixels).save(folder / f"{number}.png", compress_level=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="small-files, or a source as in a study file")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--images", type=int, default=100_000, help="with small-files")
    parser.add_argument("--classes", type=int, default=1000, help="with small-files")
    parser.add_argument("--check", action="store_true", help="check the data, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BAKEOFF_CACHE"] = f"{folder}/cache"
        source = options.source
        if source == "small-files":
            write_small_files(Path(folder) / "images", options.images, options.classes)
            source = f"folder:{folder}/images"
        settings = DataSettings(source=source, image_size=options.image_size)
        data = None
        for step in ("load", "again", *(["check"] if options.check else [])):
            wall, processor = time.perf_counter(), time.process_time()
            if step == "check":
                assert data is not None
                audit(data)
            else:
                data = load_data(settings)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{step:<6} {wall:7.1f} s  {processor:7.1f} s of CPU time  at most {peak:,.0f} MiB so far")
        assert data is not None
        counts = " / ".join(f"{len(data.split(name)):,}" for name in ("train", "val", "test"))
        print(f"{counts} images of {data.num_classes} classes, {data.image_size} x {data.image_size}")


if __name__ == "__main__":
    main()
