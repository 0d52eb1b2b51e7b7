"""The commands whose answers are kept beside each golden study, and how they are run."""

import json
import os
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent

# A folder that holds a recipe without a finished run is refused, its files one by one are not.
ROUNDS_RUNS = {"resnet": 4, "jittered": 4, "upside_down": 3}
COMPARED = {
    "plain": ["study"],
    "rounds": [
        f"study/runs/{recipe}/seed-{seed}/predictions.npz"
        for recipe, num_seeds in ROUNDS_RUNS.items()
        for seed in range(num_seeds)
    ],
}


def commands(study: str) -> dict[str, list[str]]:
    """The words after `bakeoff` of each command, in a folder with `study` and `digits`."""
    return {
        "status": ["status", "study"],
        "report": ["report", "study"],
        "predict": ["predict", "study", "digits", "--csv", "predictions.csv"],
        "compare": ["compare", *COMPARED[study], "--json", "compare.json"],
        "export": ["export", "study", "exported"],
    }


# One process for all: loading PyTorch, Matplotlib and the ONNX exporter takes half of the time.
IN_TURN = """
import contextlib, json, os, sys
from bakeoff.cli import app
for folder, words_by_command in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    for command, words in words_by_command.items():
        with open(f"{command}.txt", "w") as file, contextlib.redirect_stdout(file):
            code = app(words, standalone_mode=False)
        if code:
            sys.exit(f"{command}: exit code {code}")
"""


def ask(words: dict[Path, dict[str, list[str]]]) -> None:
    """Run commands in folders; what each prints is in COMMAND.txt then."""
    run(["-c", IN_TURN, json.dumps({str(folder): commands for folder, commands in words.items()})], GOLDEN)


def run(words: list[str], folder: Path, *, code: int = 0) -> None:
    """Run Python in a folder and check its exit code."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder, env={**os.environ, "COLUMNS": "100"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
