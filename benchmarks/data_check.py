"""Time and memory of `audit()` on 13,000 images, after decoding.

    BAKEOFF_STL10=FOLDER python benchmarks/data_check.py [--image-size 96]

The images: the 8,000 STL-10 images that FOLDER lists in splits/*.txt, and as training images besides the
centres (64 x 64) of the first 5,000 of them, resized: real pictures that are copies of nothing at this scale.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from PIL import Image

from bakeoff.audit import audit
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings

NUM_CENTRES = 5000


def write_source(stl10: Path, directory: Path) -> None:
    """Write a `splits:` source of the images and their centres."""
    (directory / "splits").mkdir()
    (directory / "centres").mkdir()
    (directory / "stl10").symlink_to(stl10.resolve())
    centres: list[str] = []
    for name in ("train", "val", "test"):
        lines = [f"stl10/{line}" for line in (stl10 / "splits" / f"{name}.txt").read_text().splitlines()]
        for line in lines[: NUM_CENTRES - len(centres)]:
            path, label = line.rsplit(maxsplit=1)
            with Image.open(directory / path) as image:
                centre = image.crop((16, 16, 80, 80)).resize((96, 96))
            centre.save(directory / "centres" / f"{len(centres)}.png", compress_level=1)
            centres.append(f"centres/{len(centres)}.png {label}")
        if name == "train":
            lines += centres
        (directory / "splits" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image-size", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BAKEOFF_CACHE"] = f"{folder}/cache"
        source = Path(folder) / "source"
        source.mkdir()
        write_source(Path(os.environ["BAKEOFF_STL10"]), source)
        data = load_data(DataSettings(source=f"splits:{source}", image_size=options.image_size))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start, processor = time.perf_counter(), time.process_time()
        result = audit(data)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{result.num_images:,} images of {options.image_size} x {options.image_size}: {seconds:.1f} s "
        f"({processor:.1f} s of processor time), peak {peak:.0f} MiB ({before:.0f} before it), "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(result.findings)} findings"
    )


if __name__ == "__main__":
    main()
