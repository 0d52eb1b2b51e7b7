"""The figures of tuning: trials against settings, expected best scores."""

import re

import numpy as np
from tests.analysis.comparison.test_tuning import failed, study, trial, tuning_of

from bakeoff.analysis.comparison.tuning import study_tuning
from bakeoff.report.figures.tuning import tuning_figures
from bakeoff.study import study_from_toml


def test_one_figure_per_recipe_and_one_of_all() -> None:
    figures = tuning_figures(tuning_of(study(), a=[50, 80, None, 60], b=[70, 60, 60, 60]))
    assert set(figures) == {"expected-best", "trials-a", "trials-b"}
    caption = figures["trials-a"].caption
    assert "against each searched setting, from 50.0 % to 80.0 %; 1 trial failed (crosses" in caption
    assert caption.endswith("Trial 1, filled, is chosen.")
    assert "failed" not in figures["trials-b"].caption
    assert "a 60.0 % with 1 trial, 80.0 % with 4; b 62.5 % with 1 trial" in figures["expected-best"].caption
    assert "80 % of the subsets have their best in the band" in figures["expected-best"].caption


def test_no_successful_trial_no_figure() -> None:
    assert tuning_figures(None) == {}
    assert tuning_figures(tuning_of(study(), a=[None] * 4)) == {}
    assert set(tuning_figures(tuning_of(study(), a=[None] * 4, b=[50]))) == {"expected-best", "trials-b"}


def test_settings_of_all_kinds_have_axes_with_plain_numbers() -> None:
    of = study_from_toml(
        """
        name = "kinds"
        data.source = "digits"
        [recipes.a]
        search.optimizer.lr = { low = 0.0001, high = 1.0, log = true }
        search.batch_size = { low = 16, high = 256 }
        search.augmentation.horizontal_flip = { choices = [true, false] }
        search.model = { choices = ["lenet5", { name = "lenet5", batch_norm = true }] }
        search.epochs = { choices = [1, 2, 3] }
        """,
        "kinds.toml",
    )
    tuning = study_tuning(of, [*(trial("a", number, 50 + number) for number in range(8)), failed("a", 8)])
    svg = tuning_figures(tuning)["trials-a"].svg
    texts = re.findall(r">([^<>]+)</text>", svg)
    assert not [text for text in texts if "$" in text]
    assert {"optimizer.lr", "batch_size", "augmentation.horizontal_flip", "True", "False", "0.01"} <= set(
        texts
    )


def test_a_score_of_which_less_is_better_has_its_band_the_right_way_round() -> None:
    of = study(metric="log_loss")
    tuning = study_tuning(of, [trial("a", number, 90, 1.0 + number) for number in range(4)])
    expected = tuning.recipe("a").expected
    assert (np.diff(expected.mean) < 0).all()
    assert "log-loss" in tuning_figures(tuning)["expected-best"].caption
