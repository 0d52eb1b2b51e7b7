"""The expected time of an epoch, beside the epochs of real runs."""

import pytest
import torch

from bakeoff.data import load_data
from bakeoff.study import load_study
from bakeoff.training import train
from bakeoff.training.first_steps import epoch_seconds

STUDY = load_study("quickstart", overrides=["data.image_size=16"])
LENET5 = STUDY.recipes["lenet5"]
RECIPES = {
    "lenet5": LENET5,
    "small batches": LENET5.changed(batch_size=8, ema_decay=0.9, sampling="balanced"),
    "resnet": LENET5.changed(model={"name": "resnet", "widths": [8, 16], "blocks": [1, 1]}),
}


@pytest.fixture(scope="module")
def data():
    return load_data(STUDY.data)


def test_it_is_about_the_time_of_an_epoch(data):
    # Other work may delay one of them: within a factor of 5, where the recipes differ by 20 and more.
    torch.set_num_threads(1)
    for name, recipe in RECIPES.items():
        measured = min(record.seconds for record in train(recipe.changed(epochs=2), 0, data).history)
        assert measured / 5 < epoch_seconds(recipe, data) < measured * 5, name
    fast, slow = (epoch_seconds(RECIPES[name], data) for name in ("lenet5", "resnet"))
    assert slow > 3 * fast


def test_nothing_is_kept_of_it(data):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    assert epoch_seconds(LENET5.changed(model={"dropout": 0.5}), data) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_what_it_cannot_tell(data):
    forest = LENET5.changed(trainer={"name": "sklearn", "estimator": "sklearn.svm:SVC"})
    assert epoch_seconds(forest, data) is None
    assert epoch_seconds(LENET5.changed(model="no_such_module:Model"), data) is None
