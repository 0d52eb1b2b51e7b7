"""Throughput and memory of `bakeoff predict` on folders of STL-10 images.

    BAKEOFF_STL10=FOLDER python benchmarks/predict.py STUDY_DIR [--copies 1 10]

Each number of copies is a folder of its own with links to the 8,000 PNG images (96 x 96) of FOLDER. The
models are all finished seeds of the recipe that `bakeoff predict` takes. Images a second are counted without
the time of a command that classifies one image.

Measured on two cores of an AMD EPYC that a training run shared (load 2.5), LeNet-5 with two seeds: 80,000
images at 2,217 a second, 2,040 per second of processor time; peak 384 MiB, 375 for 8,000 images, 304 for one.
On two cores of an Intel Xeon (Sapphire Rapids class), other work stopped, LeNet-5 with five seeds: 32,000
images at 2,070, 2,081 and 2,143 a second, 2,076 to 2,146 per second of processor time; peak 357 MiB.
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


def link_images(stl10: Path, folder: Path, copies: int) -> int:
    """Give the number of images."""
    files = sorted(stl10.resolve().rglob("*.png"))
    for copy in range(copies):
        (folder / f"{copy:04d}").mkdir(parents=True)
        for file in files:
            (folder / f"{copy:04d}" / f"{file.parent.name}-{file.name}").symlink_to(file)
    return copies * len(files)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study_dir", type=Path)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = run([options.study_dir, next(Path(os.environ["BAKEOFF_STL10"]).rglob("*.png"))], folder)
        for copies in options.copies:
            root = Path(folder) / f"images-{copies}"
            number = link_images(Path(os.environ["BAKEOFF_STL10"]), root, copies)
            wall, processor, peak = run([options.study_dir, root], folder)
            seconds, work = wall - empty[0], processor - empty[1]
            print(
                f"{number:,} images: {number / seconds:,.0f} images/s, {number / work:,.0f} per processor "
                f"second; peak {peak:.0f} MiB ({empty[2]:.0f} for one image); {empty[0]:.1f} s to start; "
                f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
            )


def run(arguments: list[Path], folder: str) -> tuple[float, float, float]:
    """Seconds of wall time, seconds of processor time, and peak memory in MiB of one command."""
    command = [sys.executable, "-m", "bakeoff", "predict", *map(str, arguments), "--csv", f"{folder}/out.csv"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = f"import resource, subprocess, sys; subprocess.run({command!r}, check=True, stdout=-3); "
    measured += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", measured], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, int(done.stdout) / 1024


if __name__ == "__main__":
    main()
