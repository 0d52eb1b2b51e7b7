"""The JSON Schema accepts what Bakeoff accepts, and finds mistakes in keys, types and ranges."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from tests.test_docs import PAGES, blocks

from bakeoff.errors import BakeoffError
from bakeoff.study import builtin_studies, study_from_toml, study_to_toml
from bakeoff.study.schema import SCHEMA_HEADER, study_schema
from bakeoff.study.settings.compare import METRICS

BUILTIN = Path(__file__).parents[2] / "src" / "bakeoff" / "study" / "builtin"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = study_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def problems(validator: Draft7Validator, text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(tomllib.loads(text))]


def test_built_in_studies_are_valid_as_written_and_with_every_default(validator):
    for name, study in builtin_studies().items():
        written = (BUILTIN / f"{name}.toml").read_text("utf-8")
        assert problems(validator, written) == problems(validator, study_to_toml(study)) == []


def test_studies_in_the_docs_are_valid(validator):
    texts = []
    for page in PAGES:
        for _, text in blocks(page, "toml"):
            for complete in (text, 'name = "mine"\n' + text):
                try:
                    study_from_toml(complete, "docs")
                except BakeoffError:
                    continue
                texts.append(complete)
    assert len(texts) > 10
    assert [problems(validator, text) for text in texts] == [[]] * len(texts)


VALID = r"""
defaults = { model = { name = "mine:Net", width = 3 } }\nrecipes.a.model = { width = 4, other = { x = 1 } }
recipes.a = { trainer = { estimator = "sklearn.svm:SVC", C = 2 } }
recipes.a = { trainer = "mine:train", settings = { anything = [1, { x = 2 }] } }
recipes.a.search."optimizer.lr" = { low = 0.001, high = 1, log = true }
recipes.a.search.optimizer.weight_decay = { choices = [1e-9, 2e-9] }
recipes.a.search.epochs = { low = 1, high = 3 }
recipes.a.model = { name = "timm:resnet18", weights = "w.safetensors", freeze = "all_but_head" }
recipes.a.model = { name = "timm:resnet18", freeze = ["layer1.*"] }
recipes.a = { schedule = "one_cycle", loss = "mine:loss", optimizer = { lr = 1 } }
recipes.a = { vary = ["order", "weights"], patience = 3 }\ncompare.metric = "top_5"\ntune.metric = "val_auroc"
recipes.a = {}\npublished.a = { train_loss = { 5 = 1.5 } }\ndata.columns = { label = "breed" }
"""

WRONG = r"""
recipes.a = { epohcs = 3 }
recipes.a = { epochs = 0 }
recipes.a = { epochs = "3" }
recipes.a = { epochs = 2.5 }
recipes.a = { model = "lenet" }
recipes.a = { model = { name = "lenet" } }
recipes.a.model = { name = "lenet5", widths = [3] }
recipes.a.model = { name = "resnet", widths = [0] }
recipes.a.model.dropout = 1.0
recipes.a.model = { name = "timm:resnet18", head_lr_factor = 0 }
recipes.a.optimizer.weight_dekay = 0.1
recipes.a.optimizer.lr = -1
recipes.a.optimizer = 3
recipes.a.schedule = { name = "step", gama = 1 }
recipes.a.augmentation.flip = true
recipes.a.augmentation.horizontal_flip = 1
recipes.a.search.epochs = { low = 1, hihg = 3 }
recipes.a.vary = ["weight"]
recipes.a.checkpoint = "best"
recipes."a b" = {}
recipes = {}
recipes.a = 3
recipes.a = {}\nseeds = 0
recipes.a = {}\nseed = 5
recipes.a = {}\nmargin = 1
recipes.a = {}\nuntil = "forever"
recipes.a = {}\ndefaults = { optimizer = { name = "adam", momentum = 1 } }
recipes.a = {}\ndefaults.epoch = 3
recipes.a = {}\ndata.image_size = 7
recipes.a = {}\ndata.columns = { lable = "x" }
recipes.a = {}\ndata.fit = "squeeze"
recipes.a = {}\ncompare.metric = "makro_f1"
recipes.a = {}\ntune.trials = -1
recipes.a = {}\npublished.a = { test_accuracy = 48.3 }
recipes.a = {}\npublished.a = { train_loss = { five = 1.5 } }
recipes.a = { trainer = { estimator = "SVC" } }
"""


def cases(texts: str) -> list[str]:
    return ['name = "mine"\n' + line.replace("\\n", "\n") for line in texts.strip().splitlines()]


@pytest.mark.parametrize("text", cases(VALID))
def test_valid_studies(validator, text):
    study_from_toml(text, "text")
    assert problems(validator, text) == []


@pytest.mark.parametrize("text", [*cases(WRONG), "recipes.a = {}"])
def test_mistakes_are_found(validator, text):
    with pytest.raises(BakeoffError):
        study_from_toml(text, "text")
    assert problems(validator, text)


def test_every_setting_is_explained():
    def unexplained(schema: Any, path: str = "") -> list[str]:
        missing = []
        for name, setting in schema.get("properties", {}).items():
            if name != "name" and not setting.get("description"):
                missing.append(f"{path}.{name}")
            missing += unexplained(setting, f"{path}.{name}")
        below = [schema.get("additionalProperties"), *schema.get("anyOf", [])]
        return missing + [
            name for part in below if isinstance(part, dict) for name in unexplained(part, path)
        ]

    assert unexplained(study_schema()) == []


def test_metrics_of_the_schema_are_those_there_are(validator):
    for name in (*METRICS, "top_1", "top_9999"):
        assert problems(validator, f'name = "a"\nrecipes.a = {{}}\ncompare.metric = "{name}"') == []


def test_editors_find_it_by_the_first_line():
    # https://taplo.tamasfe.dev/configuration/directives.html; the path is relative to the study file.
    assert SCHEMA_HEADER.startswith("#:schema ./study.schema.json\n")
    assert SCHEMA_HEADER.endswith("\n\n")
