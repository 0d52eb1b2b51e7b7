"""Time and memory of `audit()`, after decoding.

    BAKEOFF_STL10=FOLDER python benchmarks/data_check.py [--image-size 96] [--images 60000]

The images: the 8,000 STL-10 images that FOLDER lists in splits/*.txt, and as training images besides, up to
the number wanted (13,000), parts of them: first the centers (64 x 64), resized to 96 x 96, then others that
overlap little. They are real pictures, few of which are copies at this scale.
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

BOXES = [(16, 16, 80, 80), (0, 0, 48, 48), (48, 0, 96, 48), (0, 48, 48, 96), (48, 48, 96, 96)]
BOXES += [(24, 24, 72, 72), (0, 24, 40, 64)]
"""Left, top, right and bottom of each part."""


def write_source(stl10: Path, directory: Path, num_images: int) -> None:
    """Write a `splits:` source of the images and their parts."""
    (directory / "splits").mkdir()
    (directory / "parts").mkdir()
    (directory / "stl10").symlink_to(stl10.resolve())
    lines = {
        name: [f"stl10/{line}" for line in (stl10 / "splits" / f"{name}.txt").read_text().splitlines()]
        for name in ("train", "val", "test")
    }
    whole = [line for name in lines for line in lines[name]]
    wanted = [(box, line) for box in BOXES for line in whole][: num_images - len(whole)]
    for number, (box, line) in enumerate(wanted):
        path, label = line.rsplit(maxsplit=1)
        with Image.open(directory / path) as image:
            part = image.crop(box).resize((96, 96))
        part.save(directory / "parts" / f"{number}.png", compress_level=1)
        lines["train"].append(f"parts/{number}.png {label}")
    for name, names in lines.items():
        (directory / "splits" / f"{name}.txt").write_text("\n".join(names) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--images", type=int, default=13_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BAKEOFF_CACHE"] = f"{folder}/cache"
        source = Path(folder) / "source"
        source.mkdir()
        write_source(Path(os.environ["BAKEOFF_STL10"]), source, options.images)
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
