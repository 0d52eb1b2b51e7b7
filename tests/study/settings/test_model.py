"""The models that a study file can name."""

import pytest
from pydantic import ValidationError
from tests.study.writing import write

from bakeoff.study import Recipe, load_study, study_from_toml, study_to_toml
from bakeoff.study.settings.model import LeNet5Settings, LeNet51998Settings

MINIMAL = """
name = "mine"
[recipes.a]
"""


def test_a_custom_model_keeps_its_options(tmp_path):
    study = load_study(write(tmp_path, MINIMAL + 'model = { name = "nets.small:Net", width = 8 }\n'))
    assert study.recipes["a"].model.options == {"width": 8}
    assert study_from_toml(study_to_toml(study), "text") == study


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "resnet", "widths": [8, 16]}, "widths gives 2 stages and blocks 3"),
        ({"name": "nets:Net", "width": [1, float("inf")]}, "width is .*expected finite numbers"),
        ({"name": "nets:Net", "extra": {"deep": [object()]}}, "extra is "),
        ({"name": "../nets:Net"}, "should match pattern"),
        ({"name": "lenet5", "dropout": 1.0}, "less than 1"),
    ],
)
def test_options_that_no_model_can_have_are_refused(model, message):
    with pytest.raises(ValidationError, match=message):
        Recipe(model=model)


def test_the_name_chooses_the_settings():
    assert Recipe(model={"name": "lenet5_1998"}).model == LeNet51998Settings()
    assert Recipe(model={"name": "resnet", "widths": [8], "blocks": [2]}).model.blocks == (2,)
    assert Recipe(model={"dropout": 0.5}).model == LeNet5Settings(dropout=0.5)
