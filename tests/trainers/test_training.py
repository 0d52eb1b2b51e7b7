"""A user's own training function: what it is given, and what its seed decides."""

import io

import numpy as np
import pytest
from tests.trainers.images import DATA

from bakeoff.errors import BakeoffError
from bakeoff.study.recipe import Recipe
from bakeoff.trainers import check_trainer, train_with
from bakeoff.training.records import TrainingFailure

SOURCE = """
import random
import numpy as np
import torch

def uniform(images):
    return np.full((len(images), 3), 1 / 3)

def show(settings, seed, train, val, test_images):
    assert settings == {"depth": 2, "names": ["a"]}
    assert seed == 4
    assert train.images.shape == (100, 8, 8, 3) and train.images.dtype == np.uint8
    assert train.labels.shape == (100,) and val.images.shape == (30, 8, 8, 3)
    assert test_images.shape == (20, 8, 8, 3)
    assert not hasattr(test_images, "labels")
    settings["names"].append("b")
    test_images[:] = 0
    return uniform(val.images), uniform(test_images)

def draw(settings, seed, train, val, test_images):
    noise = random.random() + np.random.random() + torch.rand(()).item()
    return uniform(val.images), np.log(uniform(test_images) + [0, 0, noise])

async def later(settings, seed, train, val, test_images):
    pass

def leave(settings, seed, train, val, test_images):
    raise SystemExit(3)

def ask(settings, seed, train, val, test_images):
    input()
"""


@pytest.fixture(autouse=True)
def own_code(tmp_path, monkeypatch):
    (tmp_path / "own_trainer.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)


def check(name):
    check_trainer(Recipe(trainer={"name": name}), DATA)


def test_it_gets_its_settings_the_seed_and_images_without_the_test_labels():
    recipe = Recipe(trainer={"name": "own_trainer:show"}, settings={"depth": 2, "names": ["a"]})
    before = DATA.test.images.copy()
    for _ in range(2):  # what it does to its arguments changes nothing
        assert train_with(recipe, 4, DATA).test_logits.shape == (20, 3)
    assert (DATA.test.images == before).all()


def test_code_that_draws_from_global_generators_depends_on_the_seed_alone():
    recipe = Recipe(trainer={"name": "own_trainer:draw"})
    once, again, other = (train_with(recipe, seed, DATA).test_logits for seed in (1, 1, 2))
    assert (once == again).all()
    assert not np.isclose(once, other).all()


def test_what_is_no_function_is_said_before_a_study():
    check("own_trainer:show")
    for name, message in (
        ("own_trainer:missing", "has no function 'missing'; it has uniform, show, draw"),
        ("own_trainer:uniform", r"takes \(images\) .*expected \(settings, seed, train, val, test_images\)"),
        ("own_trainer:later", "is async or yields"),
        ("sklearn.svm:SVC", "is a class; expected a function"),
        ("statistics:train", "an installed module, not a file of yours"),
    ):
        with pytest.raises(BakeoffError, match=message):
            check(name)


@pytest.mark.parametrize(("name", "called"), [("leave", r"sys.exit\(3\)"), ("ask", r"input\(\)")])
def test_code_that_ends_its_process_fails_its_run_alone(name, called, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(TrainingFailure, match=called):
        train_with(Recipe(trainer={"name": f"own_trainer:{name}"}), 0, DATA)
