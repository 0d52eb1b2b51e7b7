"""bakeoff.prediction_files.compare: files in, a comparison on the screen and a report on disk out."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from tests.prediction_files.sample import CLASSES, predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.compare import compare_files
from bakeoff.predictions import Predictions


def write_csv(path: Path, given: Predictions) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["recipe", "seed", "image", "label", "prediction", *(f"p_{name}" for name in CLASSES)]
        )
        for recipe in given.recipes:
            assert recipe.probabilities is not None
            for run, seed in enumerate(recipe.seeds):
                for image, name in enumerate(given.image_ids):
                    writer.writerow(
                        [
                            recipe.name,
                            seed,
                            name,
                            CLASSES[given.labels[image]],
                            CLASSES[recipe.predicted[run, image]],
                            *(f"{p:.6f}" for p in recipe.probabilities[run, image]),
                        ]
                    )
    return path


def test_files_give_the_same_comparison_as_arrays(tmp_path: Path) -> None:
    given = predictions()
    found = compare_files([write_csv(tmp_path / "p.csv", given)], "lenet5", 0.02, 0.9)
    expected = compare(given, baseline="lenet5", margin=0.02, confidence=0.9)
    assert [pair.difference for pair in found.pairs] == pytest.approx(
        [pair.difference for pair in expected.pairs]
    )
    assert found.conclusion == expected.conclusion
    left, right = found.recipes[0].calibration, expected.recipes[0].calibration
    assert left is not None
    assert right is not None
    assert left.log_loss == pytest.approx(right.log_loss, rel=1e-4)


def test_mistakes_in_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match="no file or folder"):
        compare_files([tmp_path / "nothing.csv"])


def test_comparing_and_reporting_start_without_torch(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", predictions(num_images=30))
    code = """
import sys
from pathlib import Path
from rich.console import Console
from bakeoff.files import to_json
from bakeoff.prediction_files.compare import compare_files
from bakeoff.report.build import write_comparison_report
from bakeoff.terminal.comparison import print_comparison
found = compare_files([Path(sys.argv[1])])
print_comparison(found, Console())
assert "matplotlib" not in sys.modules
write_comparison_report(found, Path(sys.argv[2]))
assert not {"torch", "sklearn", "pandas"} & set(sys.modules), set(sys.modules)
"""
    subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "out")], check=True, capture_output=True
    )
