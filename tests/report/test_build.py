import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

from bakeoff.audit import Audit, Finding, ImageName, Pair
from bakeoff.errors import BakeoffError
from bakeoff.files import to_json
from bakeoff.report import build_report
from bakeoff.store import Layout, load_study_folder, save_audit

FIGURES = {
    "loss-plain",
    "loss-normed",
    "accuracy-plain",
    "accuracy-normed",
    "confusion-plain",
    "confusion-normed",
    "class-accuracies",
    "comparison-accuracies",
    "comparison-differences",
    "comparison-class-differences",
    "comparison-reliability",
}


def section(page: Path, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', page.read_text("utf-8"), re.DOTALL)
    assert found, name
    return found[0]


def texts_of(svg: Path) -> list[str]:
    root = ElementTree.parse(svg).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_same_results_give_the_same_bytes(page: Path, study_dir: Path) -> None:
    files = [path for path in page.parent.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert build_report(study_dir) == page
    assert {path: path.read_bytes() for path in files} == before


def test_every_figure_is_a_file_of_each_kind(page: Path) -> None:
    folder = page.parent / "figures"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")
    }
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
    for path in folder.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 40


def test_no_id_stands_twice_on_the_page_and_every_reference_has_one(page: Path) -> None:
    tags = re.findall(r"<[^<>]*>", page.read_text("utf-8"))
    ids = [found for tag in tags for found in re.findall(r'\sid="([^"]*)"', tag)]
    assert len(ids) == len(set(ids))
    references = {
        found for tag in tags for found in re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', tag)
    }
    assert references <= set(ids)


def test_confusion_figure_shows_the_mean_counts(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    matrices = [
        confusion_matrix(stored.test_labels, run.test_logits.argmax(1), labels=range(10))
        for run in stored.runs_of("plain")
    ]
    mean = np.mean(matrices, axis=0)
    shown = texts_of(page.parent / "figures" / "confusion-plain.svg")
    numbers = [text for text in shown if re.fullmatch(r"\d+\.\d", text)]
    assert numbers == [f"{value:.1f}" for value in mean.ravel() if value > 0]
    assert {"true class", "predicted class", "seven", "шесть"} <= set(shown)

    errors = mean - np.diag(np.diag(mean))
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    names = stored.class_names
    sentence = (
        f"{names[true]} taken for {names[predicted]}, {errors.max():.1f} of {mean[true].sum():.0f} images"
    )
    assert sentence in html.unescape(section(page, "classes"))


def test_table_of_recipes_has_accuracy_of_each_seed_and_published(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    accuracies = np.array(
        [(run.test_logits.argmax(1) == stored.test_labels).mean() for run in stored.runs_of("plain")]
    )
    row = re.search(r'<th scope="row">plain</th>(.*?)</tr>', section(page, "comparison"))
    assert row
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1])
    assert cells[0] == " · ".join(f"{100 * value:.1f}" for value in accuracies)
    assert cells[1] == f"{100 * accuracies.mean():.1f}"
    assert cells[2] == f"{100 * accuracies.std(ddof=1):.2f}"
    assert cells[3] == "50.0"
    assert cells[6] == "62,006"


def test_published_loss_stands_beside_ours(page: Path, study_dir: Path) -> None:
    losses = [run.history["train_loss"][0] for run in load_study_folder(study_dir).runs_of("plain")]
    assert f"<td>2.2500</td><td>{np.mean(losses):.4f}</td>" in section(page, "curves")


def test_failed_cases_are_the_stored_images_in_their_colours(page: Path, study_dir: Path) -> None:
    stored = load_study_folder(study_dir)
    summary = json.loads((page.parent / "summary.json").read_text("utf-8"))
    shown = re.findall(
        r'<img (?:class="small" )?src="data:image/png;base64,([^"]+)"', section(page, "failed-cases")
    )
    doubts = summary["failures"]["label_doubts"]["doubts"][:10]
    cases = [{"image_index": doubt["index"]} for doubt in doubts] + summary["failed_cases"]
    assert len(shown) == len(cases) > 10
    for content, case in zip(shown, cases, strict=True):
        with Image.open(io.BytesIO(b64decode(content))) as image:
            np.testing.assert_array_equal(np.asarray(image), stored.test_images[case["image_index"]])


def test_names_and_reasons_with_markup_are_text(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.lower().count("<script") == 2  # the page's own
    assert "<script>document.title" not in text
    assert "<b>nan" not in text
    assert "training loss is &lt;b&gt;nan&lt;/b&gt; in epoch 1" in text
    assert text.count("</svg>") == len(FIGURES)


def test_a_recipe_that_failed_is_said_and_left_out(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "3 runs failed" in text
    assert "diverging has no finished run and is left out" in text
    assert "6 of 9 runs finished" in text
    assert "diverging" not in section(page, "curves") + section(page, "comparison")
    assert "diverging" in section(page, "method")


def test_differing_settings_are_marked(page: Path) -> None:
    rows = re.findall(r"<tr( class=\"differs\")?><th[^>]*>([^<]*)</th>", section(page, "method"))
    assert {key for marked, key in rows if marked} == {"model.batch_norm", "optimizer.lr"}
    assert len(rows) > 8


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


def test_summary_and_comparison_agree(page: Path) -> None:
    summary = json.loads((page.parent / "summary.json").read_text("utf-8"))
    assert json.loads((page.parent / "comparison.json").read_text("utf-8")) == summary["comparison"]
    assert html.escape(summary["comparison"]["conclusion"]) in page.read_text("utf-8")


def test_one_recipe_one_seed_one_epoch(tmp_path: Path, study_maker) -> None:
    page = build_report(study_maker(tmp_path / "one", recipes=("plain",), seeds=1, epochs=1))
    text = page.read_text("utf-8")
    assert "The only run finished" in text
    assert "After the one epoch" in section(page, "curves")
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


def test_what_an_earlier_report_wrote_of_a_recipe_that_left_is_removed(tmp_path: Path, study_maker) -> None:
    root = study_maker(tmp_path / "study", seeds=1, epochs=1)
    report = build_report(root).parent
    mine = report / "figures" / "loss-mine.png"
    mine.write_text("not Bakeoff's")
    first = {path.name for path in report.rglob("*.*")}
    assert {"loss-plain.svg", "loss-normed.svg", "comparison.json", "comparison-accuracies.png"} <= first

    study = root / "study.toml"
    study.write_text(
        re.sub(r"\[recipes\.normed\].*?(?=\n\[published)", "", study.read_text(), flags=re.DOTALL)
    )
    build_report(root)
    left = {path.name for path in report.rglob("*.*")}
    assert not [name for name in left if "normed" in name]
    assert {"loss-plain.svg", "loss-mine.png", "curves.csv", "index.html"} <= left
    assert "comparison.json" in left  # of one recipe: its interval


@pytest.mark.parametrize(
    "content",
    [
        '["../study.toml", "../runs/plain/seed-0/history.csv", "/etc/passwd", "figures/../index.html", 3]',
        '["figures/../../data.json", "index.html", "figures", "tables/..csv/x.csv", ""]',
        "{}", "[[", "[" * 100_000, "null",
    ],
)  # fmt: skip
def test_a_list_of_files_by_somebody_else_deletes_nothing(tmp_path: Path, study_maker, content: str) -> None:
    root = study_maker(tmp_path / "study", recipes=("plain",), seeds=1, epochs=1)
    build_report(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    (root / "report/files.json").write_text(content)
    build_report(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_leaks_are_told_at_the_top_with_their_pairs(tmp_path: Path, study_maker) -> None:
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
    save_audit(Layout(root), Audit("digits", "0" * 64, 1000, (leak, odd), ()).to_dict())
    text = html.unescape(build_report(root).read_text("utf-8"))
    top, pairs = text.index("1 test image is a near duplicate"), text.index("train/<7>.png")
    assert top < pairs < text.index('<section id="comparison">')
    assert "test/9.png (one): near, distance 0.04" in text
    assert "val/<3>.png (two)" in text[text.index("1 image is odd") :]


def test_a_hundred_classes(tmp_path: Path, study_maker) -> None:
    names = [f"class {index}" for index in range(100)]
    page = build_report(
        study_maker(tmp_path / "many", class_names=names, recipes=("plain",), seeds=1, epochs=1)
    )
    shown = texts_of(page.parent / "figures" / "confusion-plain.svg")
    assert len([text for text in shown if text.startswith("class ")]) == 2 * 34
    assert len(texts_of(page.parent / "figures" / "class-accuracies.svg")) > 100
    assert page.stat().st_size < 3_000_000


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match="is not a study folder"):
        build_report(tmp_path)


def test_json_keeps_lists_of_numbers_on_one_line_and_every_value() -> None:
    value = {"a": [1, 2.5, None], "b": ["x]y", "[\n", "  z "], "c": [[1, 2], [3]], "d": {"e": []}}
    text = to_json(value)
    assert json.loads(text) == value
    assert "[ 1, 2.5, null ]" in text
