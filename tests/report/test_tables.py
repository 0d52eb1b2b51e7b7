"""The tables of a report as CSV."""

import csv
from pathlib import Path

import pytest

from bakeoff.store import load_study_folder


def test_formulas_in_csv_are_harmless(page: Path) -> None:
    cells = []
    for path in (page.parent / "tables").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells += [cell for row in csv.reader(file) for cell in row]
    assert "'=HYPERLINK(0)" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "\t"))]


def test_csv_tables_hold_the_numbers(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    with (page.parent / "tables" / "curves.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 2
    assert float(rows[1]["val_loss"]) == stored.runs[0].history["val_loss"][1]
    with (page.parent / "tables" / "confusion.csv").open(newline="", encoding="utf-8") as file:
        counts = [float(row["mean_count"]) for row in csv.DictReader(file)]
    assert len(counts) == 2 * 100
    assert sum(counts) == pytest.approx(2 * len(stored.test_labels))
