"""bakeoff.prediction_files.compare: files in, a comparison on the screen and a report on disk out."""

import csv
import html.parser
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.prediction_files.sample import CLASSES, predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.errors import BakeoffError
from bakeoff.files import to_json
from bakeoff.prediction_files.compare import compare_files
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.report.build import write_comparison_report
from bakeoff.terminal.comparison import print_comparison


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


@pytest.fixture(scope="module")
def result() -> Comparison:
    return compare(predictions(), published={"lenet5": 0.45, "lenet5_batch_norm": 0.99})


def printed(comparison: Comparison, width: int = 80) -> str:
    screen = io.StringIO()
    print_comparison(comparison, Console(file=screen, width=width))
    return screen.getvalue()


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


class Page(html.parser.HTMLParser):
    """Tags, ids and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_page_with_figures_tables_and_data(result: Comparison, tmp_path: Path) -> None:
    index = write_comparison_report(result, tmp_path / "out")
    text = index.read_text("utf-8")
    page = Page(text)
    figures = {"accuracies", "differences", "class_differences", "reliability"}
    assert {path.stem for path in (tmp_path / "out" / "figures").glob("*.svg")} == figures
    assert {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")} == figures
    assert sum(tag == "svg" for tag, _ in page.tags) == sum(tag == "figcaption" for tag, _ in page.tags) == 4
    assert all(attributes["aria-label"] for tag, attributes in page.tags if tag == "svg")
    flat = re.sub(r"\s+", " ", page.text)
    assert result.conclusion in flat
    for pair in result.pairs:
        assert pair.what_it_takes in flat
    assert json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8")) == result.to_dict()

    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    outside = [
        value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")
    ]
    assert all(value and value.startswith(("#", "data:")) for value in outside)
    assert not any(tag == "script" for tag, _ in page.tags)
    assert "$cat_1$" in text

    with (tmp_path / "out" / "tables" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["difference"]) for row in rows] == [pair.difference for pair in result.pairs]
    assert [float(row["high"]) for row in rows] == [pair.interval[1] for pair in result.pairs]


def test_every_accuracy_and_difference_on_the_page_stands_with_its_interval(
    result: Comparison, tmp_path: Path
) -> None:
    flat = re.sub(r"\s+", " ", Page(write_comparison_report(result, tmp_path).read_text("utf-8")).text)
    for recipe in result.recipes:
        low, high = (f"{100 * end:.1f}" for end in recipe.interval)
        assert f"{100 * recipe.accuracy:.1f} ({low} to {high})" in flat
    for pair in result.pairs:
        low, high = (f"{100 * end:.1f}" for end in pair.interval)
        assert f"{100 * pair.difference:.1f} ({low} to {high}) {pair.verdict}" in flat


def test_the_same_comparison_gives_the_same_bytes(result: Comparison, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        write_comparison_report(result, tmp_path / name)
        files = sorted((tmp_path / name).rglob("*.*"))
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert contents[0] == contents[1]


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_one_recipe_and_few_seeds_have_a_page_too(num_seeds: int, tmp_path: Path) -> None:
    for names in (("alone",), ("a", "b")):
        found = compare(predictions(names, num_seeds, 60), published={names[0]: 0.5})
        text = re.sub(r"\s+", " ", Page(write_comparison_report(found, tmp_path).read_text("utf-8")).text)
        assert found.conclusion in text
        assert ("not to be judged from one seed" in text) == (num_seeds == 1)
        assert printed(found)


def test_many_recipes_classes_and_no_probabilities_have_a_page_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 30
    recipes = tuple(
        RecipePredictions(f"_r{number}", (0, 1), np.where(rng.random((2, 300)) < 0.5, labels, 0))
        for number in range(8)
    )
    given = Predictions(labels, tuple(map(str, range(300))), tuple(f"c{i}" for i in range(30)), recipes)
    text = write_comparison_report(compare(given), tmp_path).read_text("utf-8")
    assert "20 of 28 are drawn; the table has all." in text
    assert "Do the probabilities mean" not in text


def test_the_json_text_is_the_result(result: Comparison) -> None:
    assert json.loads(to_json(result.to_dict())) == result.to_dict()


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
