"""The page: settings side by side, published losses, names as text, references that lead somewhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.comparison.test_tuning import failed, trial
from tests.analysis.comparison.test_tuning import study as tuned_study
from tests.report.pages import FIGURES, section

from bakeoff.analysis.comparison.tuning import study_tuning
from bakeoff.report.figures.tuning import tuning_figures
from bakeoff.report.page import render, without_folders
from bakeoff.store import load_study_folder


def test_no_id_stands_twice_on_the_page_and_every_reference_has_one(page: Path) -> None:
    tags = re.findall(r"<[^<>]*>", page.read_text("utf-8"))
    ids = [found for tag in tags for found in re.findall(r'\sid="([^"]*)"', tag)]
    assert len(ids) == len(set(ids))
    references = {
        found for tag in tags for found in re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', tag)
    }
    assert references <= set(ids)


def test_published_loss_stands_beside_ours(page: Path, study_dir: Path) -> None:
    losses = [run.history["train_loss"][0] for run in load_study_folder(study_dir).runs_of("plain")]
    assert f"<td>2.2500</td><td>{np.mean(losses):.4f}</td>" in section(page, "curves")


def test_names_and_reasons_with_markup_are_text(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.lower().count("<script") == 2  # the page's own
    assert "<script>document.title" not in text
    assert "<b>nan" not in text
    assert "training loss is &lt;b&gt;nan&lt;/b&gt; in epoch 1" in text
    assert text.count("</svg>") == len(FIGURES)


@pytest.mark.parametrize(
    ("text", "shortened"),
    [
        ("splits:/home/ada/data/stl10", "splits:stl10"),
        ('source = "folder:/srv/my images/x"', 'source = "folder:x"'),
        ("weights = '~/models/a.pt'", "weights = 'a.pt'"),
        ("C:\\Users\\ada\\set.csv was not read", "set.csv was not read"),
        ("cat / dog, 3/4, https://example.org/a/b", "cat / dog, 3/4, https://example.org/a/b"),
    ],
)
def test_paths_are_shortened_to_their_last_part(text: str, shortened: str) -> None:
    assert without_folders(text) == shortened


def test_differing_settings_are_marked(page: Path) -> None:
    rows = re.findall(r"<tr( class=\"differs\")?><th[^>]*>([^<]*)</th>", section(page, "method"))
    assert {key for marked, key in rows if marked} == {"model.batch_norm", "optimizer.lr"}
    shared = re.findall(r"<dt>(.*?)</dt>", section(page, "method"))
    assert "batch_<wbr>size" in shared


def test_the_section_on_tuning_names_edges_failures_and_budgets() -> None:
    of = tuned_study(a=200, b=4)
    number = next(n for n in range(200) if of.trial_values("a", n)["optimizer.lr"] > 0.6)
    trials = [trial("a", number, 90), failed("a", 199), trial("b", 0, 80), trial("b", 1, 70)]
    tuning = study_tuning(of, trials)
    assert tuning is not None
    text = " ".join(
        render("training/tuning.html.j2", tuning=tuning, tuning_figures=tuning_figures(tuning)).split()
    )
    assert (
        "The budgets of tuning differ: b is tuned with 4 trials, a is tuned with 200 trials, and plain"
        in text
    )
    assert "a difference between recipes may come from the search" in text
    assert "<td>0.001 to 1, logarithmic</td>" in text
    assert "<td>upper: widen it</td>" in text
    assert "a: 1 trial failed and could not be chosen. Trial 199: loss is nan." in text
    assert "By the expected best accuracy of the validation images, a leads" in text
    assert text.count("<svg") == 3
