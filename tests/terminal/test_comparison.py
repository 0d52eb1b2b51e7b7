"""A comparison on the screen: all of it in 80 columns, less in fewer."""

import io
import re

import pytest
from rich.console import Console
from tests.prediction_files.sample import NAMES, predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.terminal.comparison import print_comparison


@pytest.fixture(scope="module")
def result() -> Comparison:
    return compare(predictions(), published={"lenet5": 0.45, "lenet5_batch_norm": 0.99})


def printed(comparison: Comparison, width: int = 80) -> str:
    screen = io.StringIO()
    print_comparison(comparison, Console(file=screen, width=width))
    return screen.getvalue()


def test_the_screen_shows_recipes_pairs_replication_and_conclusion_in_80_columns(result: Comparison) -> None:
    text = printed(result)
    assert max(map(len, text.splitlines())) <= 80
    flat = re.sub(r"\s+", " ", text)
    assert result.conclusion in flat
    for name in NAMES:
        assert f" {name} " in flat
    for pair in result.pairs:
        told = f"{pair.b} against {pair.a}: {pair.what_it_takes}"
        assert (told in flat) == (pair.verdict == "undecided")
        assert pair.verdict in flat
    assert re.search(
        r"lenet5_batch_norm: the published 99.0 % lies outside .* not consistent with a run of this recipe",
        flat,
    )
    assert re.search(r"lenet5: the published 45.0 % lies (inside|outside) the prediction interval", flat)


@pytest.mark.parametrize("width", [60, 79, 80, 200])
def test_a_narrow_terminal_shows_fewer_columns_and_whole_names(width: int) -> None:
    text = printed(compare(predictions(("plain", "random_crop_padded_by_4"))), width)
    assert max(map(len, text.splitlines())) <= width
    for line in ("  random_crop_padded_by_4  ", "  against plain  "):
        assert any(shown.startswith(line) for shown in text.splitlines()), text
    assert ("std (seeds)" in text) == ("fixed/" in text) == (width > 60)
    assert "95 % interval" in text
    assert "verdict" in text


def test_markup_in_a_recipes_name_is_text_on_the_screen() -> None:
    assert "[red]x[/red]" in printed(compare(predictions(("[red]x[/red]", "plain"))))


def test_many_pairs_are_cut_to_the_clearest_on_the_screen() -> None:
    many = compare(predictions(tuple(f"r{number}" for number in range(8)), num_images=100))
    text = printed(many)
    assert "The 15 pairs with the smallest p-values of 28 are shown." in text
    assert text.count("against") == 15
