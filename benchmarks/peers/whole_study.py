"""`bakeoff run` as a whole: from image files and an empty cache to the report, and where its time goes."""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS_BETWEEN = 0.2
"""Of looking at the memory of the processes."""


def whole_study(
    folder: Path, seeds: int, epochs: int, recipes: Sequence[str], *, check: bool = True
) -> dict[str, float]:
    """Run `lenet5-stl10` and measure it from outside.

    Returns
    -------
    dict
        `seconds` of wall time; of these `decoding` (with the start of Python and the check of the models),
        `training` (until the last run's results; the images are checked meanwhile) and `report`, by the times
        of the study folder's files; `processor` seconds of all processes; `epochs_seconds`, the sum over all
        runs of the epochs' training and validation, as history.csv has it, and `epoch`, their median;
        `peak_worker` and `peak_driver`, MiB.
    """
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        root = Path(scratch, "study")
        words = ["lenet5-stl10", "--data", f"splits:{folder}", "--out", str(root)]
        words += ["--seeds", str(seeds), "--epochs", str(epochs), "--recipes", ",".join(recipes)]
        words += [] if check else ["--no-check"]
        before, start, start_of_files = os.times(), time.perf_counter(), time.time()
        process = subprocess.Popen(
            [sys.executable, "-m", "bakeoff", "run", *words],
            env={**os.environ, "BAKEOFF_CACHE": f"{scratch}/cache"},
            stdout=subprocess.DEVNULL,
        )
        peaks: dict[int, float] = {}
        watching = threading.Thread(target=watch_memory, args=(process, peaks))
        watching.start()
        if process.wait():
            raise RuntimeError("bakeoff run failed; its message is above")
        seconds, after = time.perf_counter() - start, os.times()
        watching.join()
        decoded, trained, reported = (
            max(path.stat().st_mtime for path in root.glob(pattern)) - start_of_files
            for pattern in ("data.json", "runs/*/*/predictions.npz", "report/index.html")
        )
        epochs_seconds = [
            float(row["seconds"])
            for path in root.glob("runs/*/*/history.csv")
            for row in csv.DictReader(path.open(encoding="utf-8"))
        ]
    children = [after.children_user - before.children_user, after.children_system - before.children_system]
    return {
        "seeds": seeds,
        "epochs": epochs,
        "recipes": len(recipes),
        "seconds": seconds,
        "processor": sum(children),
        "decoding": decoded,
        "training": trained - decoded,
        "report": reported - trained,
        "epochs_seconds": sum(epochs_seconds),
        "epoch": statistics.median(epochs_seconds),
        "peak_driver": peaks.pop(process.pid, 0.0),
        "peak_worker": max(peaks.values(), default=0.0),
    }


def watch_memory(process: subprocess.Popen[bytes], peaks: dict[int, float]) -> None:
    """Keep the most memory (MiB, resident) of a process and of its children, by process id, while it runs."""
    while process.poll() is None:
        for pid in (process.pid, *children_of(process.pid)):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmHWM"):
                    peaks[pid] = int(line.split()[1]) / 1024
        time.sleep(SECONDS_BETWEEN)


def children_of(pid: int) -> list[int]:
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(word) for text in tasks for word in text.split()]
