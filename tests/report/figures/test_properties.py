"""The dot plot of where errors are more frequent."""

import numpy as np
import pytest

from bakeoff.analysis.failures.trends import EndContrast, Estimate, ImageProperty
from bakeoff.report.figures.drawing import MAX_RECIPES
from bakeoff.report.figures.properties import FEW_RECIPES, MAX_PROPERTIES, property_figure


def end(value: float) -> EndContrast:
    nothing = Estimate(np.nan, np.nan, np.nan)
    return EndContrast(
        False, 0.5, 25, 0.5, 0.5, nothing, Estimate(value, value - 0.05, value + 0.05), 0.5, 0.5
    )


def test_caption_counts_what_is_significant_and_names_the_largest() -> None:
    properties = [
        ImageProperty("darkest", {"a": end(0.1), "b": end(-0.125)}, frozenset("b")),
        ImageProperty("sharpest", {"a": end(0.02)}, frozenset()),
    ]
    figure = property_figure(properties, ["a", "b"])
    assert figure is not None
    assert "(1 of 3 differences, false discovery rate 5 %)" in figure.caption
    assert figure.caption.endswith("in the darkest quarter, errors of b are 12 points less frequent.")
    assert ">darkest</text>" in figure.svg
    # One marker is filled, two are hollow, so that the page can give them its own color.
    assert figure.svg.count("fill: #ffffff; stroke") == 2


def test_nothing_tested_gives_no_figure() -> None:
    assert property_figure([], ["a"]) is None


@pytest.mark.parametrize("count", [MAX_PROPERTIES + 2])
def test_more_than_can_be_shown_is_said(count: int) -> None:
    recipes = [f"r{place}" for place in range(MAX_RECIPES + 3)]
    properties = [
        ImageProperty(f"row {place}", dict.fromkeys(recipes, end(0.1)), frozenset()) for place in range(count)
    ]
    figure = property_figure(properties, recipes)
    assert figure is not None
    assert f"The {FEW_RECIPES} leading of {MAX_RECIPES + 3} recipes are shown" in figure.caption
    assert (
        f"The {MAX_PROPERTIES} quarters with the largest differences of {count} are shown." in figure.caption
    )
    assert f"row {MAX_PROPERTIES - 1}<" in figure.svg
    assert f"row {MAX_PROPERTIES}<" not in figure.svg
