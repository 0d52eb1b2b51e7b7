"""Going on from a state gives what an uninterrupted run gives; damaged states cost time only."""

import io

import numpy as np
import pytest
import torch
from tests.training.heard import Heard
from torch import nn

from bakeoff.data import load_data
from bakeoff.study import DataSettings, load_study
from bakeoff.study.recipe import Recipe
from bakeoff.training import EpochRecord, train
from bakeoff.training.parts.checkpoint import checkpoint_score
from bakeoff.training.state import SHARE_OF_TIME, StateSaver, TrainingState


@pytest.fixture(scope="module")
def data():
    torch.set_num_threads(1)
    return load_data(DataSettings(image_size=16))


class EveryEpoch:
    """Keeps the state after each epoch; a saver with a clock that always allows saving."""

    def __init__(self, content=None):
        self.content = content
        self.states = []

    def load(self):
        return self.content

    def save(self, state, epoch, val_accuracy):
        self.states.append(state)


@pytest.fixture(autouse=True)
def save_always(monkeypatch):
    monkeypatch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", float("inf"))


class Dropout(nn.Module):
    """A model with random layers of its own."""

    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * image_size**2, 30), nn.Dropout(0.5), nn.Linear(30, num_classes)
        )

    def forward(self, images):
        return self.layers(images)


def same(first, second):
    assert first.test_logits.tobytes() == second.test_logits.tobytes()
    assert first.val_logits.tobytes() == second.val_logits.tobytes()
    assert first.train_true_probability.tobytes() == second.train_true_probability.tobytes()
    assert first.val_true_probability.tobytes() == second.val_true_probability.tobytes()
    assert first.checkpoint_epoch == second.checkpoint_epoch
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


@pytest.mark.parametrize(
    "overrides",
    [
        ["recipes.lenet5.model.batch_norm=true"],
        ["recipes.lenet5.train_mode=first_epoch_only", "recipes.lenet5.model.batch_norm=true"],
        ["recipes.lenet5.optimizer=sgd", "recipes.lenet5.schedule=cosine", "recipes.lenet5.checkpoint=last"],
        ["recipes.lenet5.optimizer=adamw", "recipes.lenet5.checkpoint=best_val_loss"],
        [
            "recipes.lenet5.loss.class_weights=balanced",
            "recipes.lenet5.sampling=balanced",
            "recipes.lenet5.checkpoint=best_val_score",
        ],
        [
            "recipes.lenet5.model={batch_norm=true, dropout=0.3}",
            "recipes.lenet5.augmentation={random_crop_padding=2, horizontal_flip=true, jitter_contrast=0.2, "
            "random_zoom=0.1, random_erasing=0.5, mixup=0.2, cutmix=0.3}",
            "recipes.lenet5.loss.label_smoothing=0.1",
            'recipes.lenet5.optimizer={name="sgd", nesterov=true}',
            "recipes.lenet5.schedule=one_cycle",
            "recipes.lenet5.gradient_clipping=1.0",
            "recipes.lenet5.ema_decay=0.99",
            "recipes.lenet5.test_time_augmentation=horizontal_flip",
        ],
    ],
)
def test_going_on_after_any_epoch_gives_the_same_bytes(data, overrides):
    recipe = load_study("quickstart", epochs=4, overrides=overrides).recipes["lenet5"]
    store, heard = EveryEpoch(), Heard()
    whole = train(recipe, 1, data, observers=[heard], state_store=store)
    assert len(store.states) == 4
    for epoch, state in enumerate(store.states, start=1):
        heard_again = Heard()
        resumed = train(recipe, 1, data, observers=[heard_again], state_store=EveryEpoch(state))
        same(resumed, whole)
        assert resumed.history[:epoch] == whole.history[:epoch]  # times too: these were not trained again
        assert (heard_again.steps, heard_again.epochs) == (heard.steps, heard.epochs)


def test_a_models_own_randomness_goes_on_too(data, monkeypatch):
    from bakeoff.training import loop

    def build(settings, of_data, *, seed):
        torch.manual_seed(seed)
        return Dropout(of_data.num_classes, of_data.image_size)

    monkeypatch.setattr(loop, "build_model_for", build)
    recipe = load_study("quickstart", epochs=3).recipes["lenet5"]
    store = EveryEpoch()
    whole = train(recipe, 0, data, state_store=store)
    torch.rand(11)
    same(train(recipe, 0, data, state_store=EveryEpoch(store.states[0])), whole)


@pytest.mark.parametrize(
    "damage", [lambda state: b"", lambda state: state[: len(state) // 2], lambda state: b"x" * 99]
)
def test_a_damaged_state_is_passed_over(data, damage):
    recipe = load_study("quickstart", epochs=2).recipes["lenet5"]
    store = EveryEpoch()
    whole = train(recipe, 0, data, state_store=store)
    same(train(recipe, 0, data, state_store=EveryEpoch(damage(store.states[0]))), whole)


def changed(state, **parts):
    """A whole state, forged: some of its parts are others."""
    content = torch.load(io.BytesIO(state), weights_only=True)
    for name, change in parts.items():
        content[name] = change(content[name])
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def with_first(change):
    """Change the first entry of a dict."""
    return lambda entries: {**entries, next(iter(entries)): change(next(iter(entries.values())))}


FORGED = {
    "a weight of another shape": {"model": with_first(lambda weight: weight[:1])},
    "a weight of another type": {"model": with_first(lambda weight: weight.double())},
    "a weight that is no tensor": {"model": with_first(lambda weight: "x")},
    "a weight missing": {"model": lambda weights: dict(list(weights.items())[1:])},
    "a weight too many": {"model": lambda weights: {**weights, "more": torch.zeros(1)}},
    "no weights": {"model": lambda weights: None},
    "best weights of another shape": {"best_weights": with_first(lambda weight: weight[:1])},
    "an average where there is none": {"average": lambda average: {"x": torch.zeros(1)}},
    "no optimizer": {"optimizer": lambda optimizer: []},
    "no groups": {"optimizer": lambda optimizer: {"state": optimizer["state"]}},
    "a group without betas": {
        "optimizer": lambda optimizer: {
            **optimizer,
            "param_groups": [
                {key: value for key, value in group.items() if key != "betas"}
                for group in optimizer["param_groups"]
            ],
        }
    },
    "moments of another shape": {
        "optimizer": lambda optimizer: {
            **optimizer,
            "state": with_first(lambda entry: {**entry, "exp_avg": entry["exp_avg"][:1]})(optimizer["state"]),
        }
    },
    "moments missing": {
        "optimizer": lambda optimizer: {**optimizer, "state": with_first(lambda e: {})(optimizer["state"])}
    },
    "moments of a parameter too many": {
        "optimizer": lambda optimizer: {**optimizer, "state": {**optimizer["state"], 99: {}}}
    },
    "logits of other classes": {"best_val_logits": lambda logits: logits[:, :3]},
    "dynamics of fewer epochs": {"train_true_probability": lambda rows: rows[:1]},
    "dynamics of other images": {"val_true_probability": lambda rows: rows[:, :5]},
    "no epoch": {"history": lambda history: []},
    "more epochs than the run has": {"history": lambda history: history * 9},
    "an epoch that is text": {"history": lambda history: [{**history[0], "epoch": "1"}]},
    "a loss that is text": {"history": lambda history: [{**history[0], "val_loss": "x"}]},
    "a best epoch to come": {"best_epoch": lambda epoch: 2},
    "a best score that is text": {"best_score": lambda score: "x"},
    "no step": {"steps": lambda steps: steps[:0]},
}


@pytest.fixture(scope="module")
def two_epochs(data):
    """A recipe, its run, and its state after the first of two epochs."""
    recipe = load_study("quickstart", epochs=2).recipes["lenet5"]
    store = EveryEpoch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
        patch.setattr("bakeoff.training.state.SHARE_OF_TIME", float("inf"))
        return recipe, train(recipe, 0, data, state_store=store), store.states[0]


@pytest.mark.parametrize("parts", FORGED.values(), ids=FORGED)
def test_a_whole_state_that_does_not_fit_starts_the_run_anew(data, two_epochs, parts):
    """Nothing of it is left in model or optimizer, and observers hear of each step once."""
    recipe, whole, state = two_epochs
    heard = Heard()
    run = train(recipe, 0, data, observers=[heard], state_store=EveryEpoch(changed(state, **parts)))
    same(run, whole)
    assert run.history[0].seconds != whole.history[0].seconds  # trained again
    assert [step for step, _, _ in heard.steps] == list(range(1, len(heard.steps) + 1))
    assert [epoch for epoch, _, _ in heard.epochs] == [1, 2]


def test_a_state_forged_with_nothing_changed_is_gone_on_from(data, two_epochs):
    recipe, whole, state = two_epochs
    run = train(recipe, 0, data, state_store=EveryEpoch(changed(state)))
    same(run, whole)
    assert run.history[0] == whole.history[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["recipes.lenet5.model.batch_norm=true"],
        ["recipes.lenet5.optimizer=sgd"],
        ["recipes.lenet5.ema_decay=0.9"],
        ["recipes.lenet5.epochs=3"],
    ],
)
def test_the_state_of_another_recipe_starts_the_run_anew(data, two_epochs, overrides):
    _, _, state = two_epochs
    recipe = load_study("quickstart", epochs=2, overrides=overrides).recipes["lenet5"]
    same(train(recipe, 0, data, state_store=EveryEpoch(state)), train(recipe, 0, data))


def test_a_state_with_pickled_code_is_not_run(data, tmp_path):
    import os

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "attacked"),)

    buffer = io.BytesIO()
    torch.save({"model": Attack()}, buffer)
    recipe = load_study("quickstart", epochs=1).recipes["lenet5"]
    train(recipe, 0, data, state_store=EveryEpoch(buffer.getvalue()))
    assert not (tmp_path / "attacked").exists()


def test_saving_keeps_to_its_share_of_the_time(monkeypatch):
    monkeypatch.undo()
    now = 0.0

    class Slow:
        count = 0

        def save(self, state, epoch, val_accuracy):
            nonlocal now
            now += 0.5
            self.count += 1

    class State:
        def to_bytes(self):
            return b""

    class Record:
        epoch, val_accuracy = 1, 0.5

    store = Slow()
    saver = StateSaver(store, clock=lambda: now)
    for _ in range(10_000):
        now += 0.1
        saver.offer(Record, State)
    assert store.count >= 2
    assert store.count * 0.5 / now <= SHARE_OF_TIME + 0.001
    saved = store.count
    now += 1.0
    saver.offer(Record, State, last=True)  # however little it is of the time
    assert store.count == saved + 1
    now += 0.9
    saver.offer(Record, State, last=True)  # a moment of training is not worth it
    assert store.count == saved + 1


def test_a_run_interrupted_while_it_is_tested_trains_no_epoch_again(data, monkeypatch):
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", 1e-9)
    recipe, store = load_study("quickstart", epochs=2).recipes["lenet5"], EveryEpoch()
    whole = train(recipe, 0, data, state_store=store)
    resumed = train(recipe, 0, data, state_store=EveryEpoch(store.states[-1]))
    same(resumed, whole)
    assert resumed.history == whole.history  # with its times


def after(recipe, *accuracies):
    """The state after epochs with these validation accuracies and falling losses, a second each."""
    state = TrainingState.new(recipe.epochs, 1, 1)
    for epoch, accuracy in enumerate(accuracies, start=1):
        record = EpochRecord(epoch, 0.1, 1.0, 0.5, 1 / (1 + epoch), accuracy, 1.0)
        state.history.append(record)
        logits = np.zeros((1, 2), np.float32)
        labels = np.zeros(1, np.int64)
        score = checkpoint_score(recipe.checkpoint, "accuracy", record, logits, labels)
        state.update_best(score, record, logits)
    return state


@pytest.mark.parametrize(
    ("settings", "accuracies", "ended"),
    [
        ({}, [0.5, 0.4, 0.3], False),
        ({}, [0.5] * 10, True),
        ({"patience": 2}, [], False),
        ({"patience": 2}, [0.5, 0.4], False),
        ({"patience": 2}, [0.5, 0.4, 0.5], True),  # equally good is not better
        ({"patience": 2}, [0.5, 0.4, 0.6, 0.5], False),
        ({"patience": 2, "checkpoint": "best_val_loss"}, [0.5, 0.4, 0.3, 0.2], False),  # the loss falls
        ({"patience": 2, "checkpoint": "best_val_score"}, [0.5, 0.4, 0.3], True),
        ({"patience": 2, "checkpoint": "last"}, [0.5, 0.4, 0.3], True),
        ({"max_minutes": 0.05}, [0.1, 0.2], False),
        ({"max_minutes": 0.05}, [0.1, 0.2, 0.3], True),
    ],
)
def test_a_run_ends_early_by_its_epochs_alone(settings, accuracies, ended):
    recipe = Recipe(epochs=10, **settings)
    assert after(recipe, *accuracies).ends(recipe) == ended


def test_a_run_that_stops_early_resumes_to_the_same_bytes(data):
    recipe = load_study("quickstart", epochs=30).recipes["lenet5"].changed(patience=1)
    store = EveryEpoch()
    whole = train(recipe, 0, data, state_store=store)
    assert 1 < len(whole.history) < 30
    assert len(whole.train_true_probability) == len(whole.val_true_probability) == len(whole.history)
    for state in store.states:  # the last one is of a run that had ended
        same(train(recipe, 0, data, state_store=EveryEpoch(state)), whole)
