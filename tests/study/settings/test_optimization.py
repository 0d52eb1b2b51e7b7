"""Losses, optimizers and schedules of a recipe: what their parts must agree on."""

import pytest
from pydantic import ValidationError

from bakeoff.study import Recipe
from bakeoff.study.settings.optimization import OPTIMIZERS, SCHEDULES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": {"name": "sgd", "nesterov": True, "momentum": 0.0}}, "needs a momentum above 0"),
        ({"optimizer": {"name": "adam", "betas": [0.9, 1.0]}}, "less than 1"),
        ({"optimizer": {"name": "adam", "lr": 0.0}}, "greater than 0"),
        ({"loss": {"label_smoothing": 1.0}}, "less than 1"),
        ({"schedule": {"name": "one_cycle", "warmup_share": 1.0}}, "less than 1"),
        ({"schedule": {"name": "step", "step_size": 0}}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Recipe(**settings)


def test_the_name_chooses_the_settings():
    for name, kind in OPTIMIZERS.items():
        assert Recipe(optimizer={"name": name}).optimizer == kind()
    for name, kind in SCHEDULES.items():
        assert Recipe(schedule={"name": name}).schedule == kind()


def test_decoupled_weight_decay_is_on_and_coupled_off_unless_given():
    decay = {name: Recipe(optimizer={"name": name}).optimizer.weight_decay for name in OPTIMIZERS}
    assert decay == {"adam": 0.0, "adamw": 0.01, "sgd": 0.0}
