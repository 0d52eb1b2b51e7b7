"""The validation curves of all recipes in one plot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.report.pages import section, texts_of

from bakeoff.analysis.summary.recipes import OverSeeds
from bakeoff.analysis.summary.study import Summary
from bakeoff.report.figures.drawing import MAX_RECIPES, legend_above, new_figure
from bakeoff.report.figures.validation_curves import validation_figures
from bakeoff.store import load_study_folder


@pytest.fixture(scope="module")
def finished(study_dir: Path):
    return Summary(load_study_folder(study_dir)).finished


def test_each_quantity_has_a_curve_per_recipe_and_its_best_epoch(finished) -> None:
    figures = validation_figures(finished)
    assert list(figures) == ["loss", "accuracy"]
    for recipe in finished:
        losses, accuracies = (recipe.results.curves.val_loss.mean, recipe.results.curves.val_accuracy.mean)
        assert f"{recipe.name} {losses.min():.2f} at epoch {losses.argmin() + 1}" in figures["loss"].caption
        assert f"{recipe.name} {100 * accuracies.max():.1f}" in figures["accuracy"].caption
        assert f">{recipe.name}<" in figures["loss"].svg
    assert figures["loss"].caption.endswith("Band: lowest to highest seed.")


def test_one_recipe_has_nothing_to_be_drawn_with(finished) -> None:
    assert validation_figures(finished[:1]) == {}


def test_of_many_the_leading_ones_are_drawn_and_runs_that_stopped_early_end(finished) -> None:
    first = finished[0]
    curves = first.results.curves
    short = OverSeeds(np.array([1.0, 0.5]), np.array([[1.0, 0.5], [1.0, np.nan]]))
    results = replace(first.results, curves=replace(curves, val_loss=short))
    many = [replace(first, name=f"recipe_{place}", results=results) for place in range(MAX_RECIPES + 2)]
    figure = validation_figures(many)["loss"]
    assert f"The {MAX_RECIPES} leading of {MAX_RECIPES + 2} recipes" in figure.caption
    assert f"recipe_{MAX_RECIPES - 1}" in figure.alt
    assert f"recipe_{MAX_RECIPES}" not in figure.svg


def test_the_page_shows_them_first_and_folds_the_accuracy_of_each(page: Path) -> None:
    text = section(page, "curves")
    assert text.index('aria-label="Validation curves of all recipes"') < text.index("<details>")
    assert "Training and validation accuracy of each recipe" in text
    assert {"plain", "normed", "epoch"} <= set(texts_of(page.parent / "figures/validation-loss.svg"))


def test_a_legend_has_as_many_columns_as_its_longest_name_leaves_room_for() -> None:
    for names, columns in ((["a", "b", "c", "d", "e"], 4), (["a" * 20, "b"], 2), (["a" * 34, "b" * 34], 1)):
        figure, axes = new_figure(4.6, 2.0)
        for name in names:
            axes.plot([0, 1], label=name)
        legend_above(figure)
        assert figure.legends[0]._ncols == columns
