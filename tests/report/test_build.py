"""Reports of whole studies and of comparisons: what is on the page, and which files are written."""

import csv
import html
import html.parser
import io
import json
import re
import shutil
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from tests.digests import forget_digests
from tests.prediction_files.sample import predictions
from tests.report.pages import section

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.audit import Audit, Finding, ImageName, Pair
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.report import build_report
from bakeoff.report.build import write_comparison_report
from bakeoff.report.figures.comparison import difference_forest
from bakeoff.store import Layout, load_study_folder, save_audit
from bakeoff.terminal.comparison import print_comparison


def test_the_same_results_give_the_same_bytes(page: Path, study_dir: Path) -> None:
    files = [path for path in page.parent.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert build_report(study_dir) == page
    assert {path: path.read_bytes() for path in files} == before


def test_table_of_recipes_has_accuracy_of_each_seed_and_published(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    accuracies = np.array(
        [(run.test_logits.argmax(1) == stored.test_labels).mean() for run in stored.runs_of("plain")]
    )
    row = re.search(r'<th scope="row">plain</th>(<td class="runs">.*?)</tr>', section(page, "comparison"))
    assert row
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1])
    assert cells[0] == " · ".join(f"{100 * value:.1f}" for value in accuracies)
    assert cells[1] == f"{100 * accuracies.mean():.1f}"
    assert cells[2] == f"{100 * accuracies.std(ddof=1):.2f}"
    assert cells[3] == "50.0"


def test_costs_stand_beside_the_scores_and_what_is_not_known_is_a_dash(page: Path) -> None:
    text = section(page, "comparison")
    costs = text[text.index('<h3 id="costs">') :]
    rows = {
        name: re.findall(r"<td[^>]*>(.*?)</td>", cells)
        for name, cells in re.findall(r'<th scope="row">(\w+)</th>(<td data-name.*?)</tr>', costs)
    }
    assert rows["plain"][1:4] == ["62,006", "0.65", "0.013"]
    assert rows["normed"][2:4] == ["–", "–"]
    assert "in batches of 32 on one thread (a &lt;b&gt;processor&lt;/b&gt;, cpu)" in costs
    assert "A dash: not measured" in costs
    assert re.search(r"<p>(No recipe is dominated|Dominated, )", costs)
    table = list(csv.DictReader((page.parent / "tables/costs.csv").read_text("utf-8").splitlines()))
    assert [row["multiply_accumulates"] for row in table] == ["651720", ""]


def test_failed_cases_are_the_stored_images_in_their_colours(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    summary = json.loads((page.parent / "summary.json").read_text("utf-8"))
    shown = re.findall(
        r'<img (?:class="small" )?src="data:image/png;base64,([^"]+)"', section(page, "failed-cases")
    )
    clearest: dict[int, dict] = {}
    for case in summary["failed_cases"]:
        key = (case["num_wrong"] / case["num_seeds"], case["predicted_probability"])
        if case["true"] not in clearest or key > clearest[case["true"]]["key"]:
            clearest[case["true"]] = case | {"key": key}
    doubts = summary["failures"]["label_doubts"]["doubts"][:10]
    cases = [clearest[label] for label in sorted(clearest)]
    cases += [{"image_index": doubt["index"]} for doubt in doubts]
    assert len(shown) == len(cases) > 10
    for content, case in zip(shown, cases, strict=True):
        with Image.open(io.BytesIO(b64decode(content))) as image:
            np.testing.assert_array_equal(np.asarray(image), stored.test_images[case["image_index"]])


def test_a_recipe_that_failed_is_said_and_left_out(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "3 runs failed" in text
    assert "diverging has no finished run and is omitted" in text
    assert "6 of 9 runs finished" in text
    assert "diverging" not in section(page, "curves") + section(page, "comparison")
    assert "diverging" in section(page, "method")


def test_summary_and_comparison_agree(page: Path) -> None:
    summary = json.loads((page.parent / "summary.json").read_text("utf-8"))
    assert json.loads((page.parent / "comparison.json").read_text("utf-8")) == summary["comparison"]
    assert html.escape(summary["comparison"]["conclusion"]) in page.read_text("utf-8")


def test_how_many_wrong_predictions_have_no_attribution_map_is_said(
    page: Path, tmp_path: Path, study_maker
) -> None:
    assert "have no map" not in page.read_text("utf-8")
    root = study_maker(tmp_path / "study", recipes=("plain",), all_attributions=False)
    text = html.unescape(build_report(root).read_text("utf-8"))
    missing, total = re.search(
        r"([\d,]+) of ([\d,]+) wrong predictions of its runs have no map", text
    ).groups()
    maps = next(iter(load_study_folder(root).attributions_of("plain")))
    assert len(maps.image_indices) == 2 * 400 // 160  # a tenth of 2 epochs, at 8 points of 2 passes
    assert 0 < int(missing) < int(total)
    assert "all_attributions = true" in text


def test_one_recipe_one_seed_one_epoch(tmp_path: Path, study_maker) -> None:
    page = build_report(study_maker(tmp_path / "one", recipes=("plain",), seeds=1, epochs=1))
    text = page.read_text("utf-8")
    assert "The only run finished" in text
    assert "After the only epoch" in section(page, "curves")
    assert "±" not in re.search(r"<tbody>.*?</tbody>", section(page, "classes"), re.DOTALL)[0]
    assert "nan" not in re.sub(r"<[^<>]*>", "", text).lower().split()


def test_a_study_whose_runs_all_failed_still_has_a_page(tmp_path: Path, study_maker) -> None:
    page = build_report(study_maker(tmp_path / "failed", recipes=("plain",), failing=("plain",)))
    text = page.read_text("utf-8")
    assert "No run of this study finished" in text
    assert text.count("training loss is &lt;b&gt;nan") == 3
    assert "<svg" not in text
    assert not (page.parent / "comparison.json").exists()
    assert 'id="method"' in text


def test_what_an_earlier_report_wrote_of_a_recipe_that_left_is_removed(
    page: Path, study_dir: Path, tmp_path: Path
) -> None:
    root = tmp_path / "study"
    shutil.copytree(study_dir, root)
    report = root / "report"
    (report / "figures" / "loss-mine.png").write_text("not Bakeoff's")
    first = {path.name for path in report.rglob("*.*")}
    assert {"loss-plain.svg", "loss-normed.svg", "comparison.json", "comparison-accuracies.png"} <= first

    forget_digests(root)
    study = root / "study.toml"
    text = re.sub(r"\[recipes\.normed\].*?(?=\n\[published)", "", study.read_text(), flags=re.DOTALL)
    study.write_text(text)
    build_report(root)
    left = {path.name for path in report.rglob("*.*")}
    assert not [name for name in left if "normed" in name]
    assert {"loss-plain.svg", "loss-mine.png", "curves.csv", "index.html"} <= left
    assert "comparison.json" in left  # of one recipe: its interval


def test_leaks_are_one_line_at_the_top_and_listed_with_the_data(tmp_path: Path, study_maker) -> None:
    root = study_maker(tmp_path / "study", recipes=("plain",), seeds=1, epochs=1)
    first, second = ImageName("train", "train/<7>.png", "one"), ImageName("test", "test/9.png", "one")
    leak = Finding(
        "leak", "near-train-test", 1, "1 test image is a near duplicate of an image of train.", "Remove it.",
        num_groups=1, pairs=(Pair(first, second, "near", 0.0421),),
    )  # fmt: skip
    odd = Finding(
        "warning",
        "odd-shapes",
        1,
        "1 image is odd.",
        "Crop it.",
        images=(ImageName("val", "val/<3>.png", "two"),),
    )
    twice = Finding("note", "near-within-test", 2, "2 test images repeat.", "They count twice.")
    save_audit(Layout(root), Audit("digits", "0" * 64, 1000, (leak, odd, twice), ()).to_dict())
    text = html.unescape(build_report(root).read_text("utf-8"))
    top = text[text.index('<header id="answer">') : text.index("</header>")]
    assert (
        "Data problems can change an accuracy by at most 0.2 points: "
        "1 of 400 test images (test/9.png) is repeated in train."
    ) in top
    data = text[text.index('<section id="data">') :]
    assert data.index("1 test image is a near duplicate") < data.index("train/<7>.png")
    assert "test/9.png (one): distance 0.04" in data
    assert "val/<3>.png (two)" in text[text.index("1 image is odd") :]
    assert "near-train-test" not in data
    assert data.index("by at most 0.2 points") < data.index("1 test image is a near duplicate")
    assert "<summary>1 note</summary>" in data  # a repeated test image does affect an accuracy


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match="is not a study folder"):
        build_report(tmp_path)


@pytest.fixture(scope="module")
def result() -> Comparison:
    return compare(predictions(), published={"lenet5": 0.45, "lenet5_batch_norm": 0.99})


def printed(comparison: Comparison, width: int = 80) -> str:
    screen = io.StringIO()
    print_comparison(comparison, Console(file=screen, width=width))
    return screen.getvalue()


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


def test_a_report_replaces_a_report_and_nothing_else(result: Comparison, tmp_path: Path) -> None:
    for _ in range(2):
        write_comparison_report(result, tmp_path / "out")
    (tmp_path / "images" / "tables").mkdir(parents=True)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>My site</title>")
    for name in ("images", "site"):
        with pytest.raises(BakeoffError, match="is not empty; choose a folder that is empty"):
            write_comparison_report(result, tmp_path / name)
        assert len(list((tmp_path / name).iterdir())) == 1


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
        assert ("unknown with one seed" in text) == (num_seeds == 1)
        assert printed(found)


def test_many_recipes_classes_and_no_probabilities_have_a_page_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 30
    recipes = tuple(
        RecipePredictions(f"_r{number}", (0, 1), np.where(rng.random((2, 300)) < number / 8, labels, 0))
        for number in range(8)
    )
    given = Predictions(labels, tuple(map(str, range(300))), tuple(f"c{i}" for i in range(30)), recipes)
    text = write_comparison_report(compare(given), tmp_path).read_text("utf-8")
    assert "20 of 28 are shown; the table has all." in text
    assert "4 of 28 are shown; the table has all." in text  # of the answer
    assert "2 of 28 are shown; the table has all." in text  # by class
    assert "23 more pairs" in text
    assert "Do the probabilities mean" not in text


def test_no_line_of_the_differences_crosses_a_label() -> None:
    axes = difference_forest(compare(predictions(("a", "b", "c"), 3, 60))).axes[0]
    zeros = [segment[:, 1] for lines in axes.collections for segment in lines.get_segments()]
    labels = [text.get_position()[1] for text in axes.texts]
    assert (len(zeros), len(labels)) == (3, 6)
    assert not any(low <= label <= high for low, high in zeros for label in labels)
    assert not any(line.get_visible() for line in axes.get_xgridlines())
