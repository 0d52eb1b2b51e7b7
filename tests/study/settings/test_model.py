"""The models that a study file can name."""

import pytest
from pydantic import ValidationError
from tests.study.writing import write

from bakeoff.errors import BakeoffError
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
        ({"name": "timm:hf-hub:resnet18"}, "should match pattern"),
        ({"name": "nets:Net", "freeze": "all"}, "found 'all', expected 'all_but_head' or a list of patterns"),
        ({"name": "nets:Net", "freeze": []}, r"found \[\], expected 'all_but_head' or a list of patterns"),
        ({"name": "nets:Net", "freeze": True}, "found True, expected 'all_but_head' or a list of patterns"),
        ({"name": "nets:Net", "freeze": [1]}, r"found \[1\], expected 'all_but_head' or a list of patterns"),
        ({"name": "nets:Net", "head_lr_factor": 0.0}, "greater than 0"),
        ({"name": "lenet5", "dropout": 1.0}, "less than 1"),
    ],
)
def test_options_that_no_model_can_have_are_refused(model, message):
    with pytest.raises(ValidationError, match=message):
        Recipe(model=model)


def test_a_wrong_import_path_is_said(tmp_path):
    with pytest.raises(
        BakeoffError, match=r"recipes\.a\.model\.name: found 'timm:a b', expected an import path"
    ):
        load_study(write(tmp_path, MINIMAL + 'model = "timm:a b"\n'))


def test_the_name_chooses_the_settings():
    assert Recipe(model={"name": "lenet5_1998"}).model == LeNet51998Settings()
    assert Recipe(model={"name": "resnet", "widths": [8], "blocks": [2]}).model.blocks == (2,)
    assert Recipe(model={"dropout": 0.5}).model == LeNet5Settings(dropout=0.5)


def test_a_model_without_pretrained_weights_is_written_as_before():
    """The identity of its runs stays the same."""
    table = {"name": "nets:Net", "width": 8}
    assert Recipe(model=table).model.model_dump(mode="json") == table


def test_pretrained_weights_are_read_back(tmp_path):
    text = (
        MINIMAL
        + 'model = { name = "timm:vit_b.in1k", weights = "w.pt", freeze = ["a.*"], head_lr_factor = 10.0 }\n'
    )
    study = load_study(write(tmp_path, text))
    assert study.recipes["a"].model.freeze == ("a.*",)
    assert study.recipes["a"].own_files == ("w.pt",)
    assert study_from_toml(study_to_toml(study), "text") == study
