"""Fonts for class names in any script: none is missing without a sign."""

import io
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from tests.prediction_files.sample import predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.report.build import write_comparison_report
from bakeoff.report.figures import fonts
from bakeoff.report.figures.fonts import FIRST, LAST_RESORT, characters_without_font, families_for, use_fonts

NAMES = ("飛行機", "とり", "자동차", "قطة صغيرة", "🐶 dog", "กวาง", "हिरण", "עברית", "шесть", "plain")


def test_names_in_any_script_are_drawn_without_a_warning_and_leave_a_mark() -> None:
    if LAST_RESORT not in fonts._fonts():
        pytest.skip("matplotlib before 3.11 has no font of last resort")
    for name in NAMES:
        figure = Figure(figsize=(4, 1))
        axes = figure.subplots()
        axes.set_yticks([0], [name])
        axes.set_title(name)
        use_fonts(figure)
        canvas = FigureCanvasAgg(figure)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            canvas.print_png(io.BytesIO())
        label = axes.get_yticklabels()[0]
        assert label.get_fontfamily()[0] in (FIRST, "sans-serif")


def test_what_the_first_font_has_needs_no_other() -> None:
    assert families_for("an airplane") == [FIRST]
    assert families_for("шесть été") == [FIRST]
    assert characters_without_font("шесть\tété\n") == ""


def test_a_font_of_the_machine_is_found_by_the_characters_it_has() -> None:
    first = set(FT2Font(findfont(FIRST)).get_charmap())
    others = {
        entry.name: set(FT2Font(entry.fname).get_charmap())
        for entry in fontManager.ttflist
        if entry.name.startswith("STIX") and entry.style == "normal" and entry.weight == 400
    }
    character = next(
        chr(code) for name in others for code in sorted(others[name]) if code not in first and code > 0x2000
    )
    if not character.isprintable():
        pytest.skip("the fonts of matplotlib have no printable character beyond those of the first")
    family = families_for(f"a {character}")[1]
    path = findfont(family, fallback_to_default=False)
    assert ord(character) in FT2Font(path).get_charmap()
    assert characters_without_font(character) == ""


def test_characters_that_no_font_has_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    only = {name: path for name, path in fonts._fonts().items() if name in (FIRST, LAST_RESORT)}
    monkeypatch.setattr(fonts, "_fonts", lambda: only)
    fonts._choose.cache_clear()
    try:
        assert characters_without_font("鳥 and 鳥 and 船") == "鳥船"
        assert families_for("鳥") == [FIRST, *(name for name in only if name == LAST_RESORT)]
    finally:
        fonts._choose.cache_clear()


def test_the_page_says_which_characters_are_boxes_in_its_png_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = predictions()
    comparison = compare(replace(sample, class_names=("飛行機", *sample.class_names[1:])))
    page = write_comparison_report(comparison, tmp_path / "some").read_text("utf-8")
    expected = characters_without_font("飛行機")
    assert ("boxes stand for" in page) == bool(expected)
    monkeypatch.setattr("bakeoff.report.build.characters_without_font", lambda text: "機" * text.count("機"))
    page = write_comparison_report(comparison, tmp_path / "one").read_text("utf-8")
    assert "boxes stand for 1 character that no font of the machine that drew them has: 機" in page
