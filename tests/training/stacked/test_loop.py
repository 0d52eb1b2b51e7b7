"""Stacked training gives what each seed gives alone, to rounding, with all that a recipe can have."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.heard import Heard
from tests.training.stacked.seeds import SEEDS, largest_difference, recipe, runs_of

from bakeoff.data.image_data import Split
from bakeoff.training import EpochRecord, TrainingFailure, train
from bakeoff.training.stacked import train_stacked


def first(split: Split, number: int) -> Split:
    return Split(split.images[:number], split.labels[:number], split.ids[:number])


EVERYTHING = (
    "model={batch_norm=true, dropout=0.3}",
    "augmentation={random_crop_padding=2, horizontal_flip=true, random_zoom=0.1, random_erasing=0.5, "
    "mixup=0.2, cutmix=0.3}",
    "loss.label_smoothing=0.1",
    "optimizer={name='adamw', weight_decay=0.05}",
    "schedule=one_cycle",
    "loss.class_weights=balanced",
    "sampling=balanced",
    "gradient_clipping=0.5",
    "ema_decay=0.9",
    "test_time_augmentation=horizontal_flip",
    "checkpoint=last",
)

SMALL_RESNET = ("model={name='resnet', widths=[4, 6], blocks=[1, 1], dropout=0.2}", "checkpoint=last")


@pytest.mark.parametrize(
    ("convolution", "overrides"),
    [
        ("grouped", ("checkpoint=last",)),
        ("grouped", EVERYTHING),
        ("grouped", (*EVERYTHING, "vary=['order', 'layers']")),
        (
            "grouped",
            (
                "model.batch_norm=true",
                "train_mode=first_epoch_only",
                "optimizer={name='sgd', nesterov=true, weight_decay=0.01, lr=0.01}",
                "checkpoint=last",
            ),
        ),
        ("grouped", ("model=lenet5_1998", "checkpoint=last", "optimizer.weight_decay=0.01")),
        ("grouped", SMALL_RESNET),
        ("matmul", EVERYTHING),
        ("matmul", SMALL_RESNET),
    ],
)
def test_each_seed_of_a_stack_is_the_run_alone(data, in_double, convolution, overrides):
    """Twenty steps: weights to 1e-10, losses too; what is counted, exactly."""
    chosen = recipe(*overrides)
    found = runs_of(train_stacked(chosen, SEEDS, data, "cpu", convolution=convolution))
    assert tuple(found) == SEEDS
    for seed, run in found.items():
        alone = train(chosen, seed, data)
        assert next(iter(run.weights.values())).dtype == torch.float64
        assert run.weights.keys() == alone.weights.keys()
        assert largest_difference(run.weights, alone.weights) < 1e-10
        for record, expected in zip(run.history, alone.history, strict=True):
            assert record.train_loss == pytest.approx(expected.train_loss, abs=1e-10)
            assert record.val_loss == pytest.approx(expected.val_loss, abs=1e-6)  # from float32 logits
            assert (record.train_accuracy, record.val_accuracy, record.learning_rate) == (
                expected.train_accuracy,
                expected.val_accuracy,
                expected.learning_rate,
            )
        assert run.test_logits == pytest.approx(alone.test_logits, abs=1e-6)
        assert run.val_logits == pytest.approx(alone.val_logits, abs=1e-6)
        assert np.abs(run.train_true_probability - alone.train_true_probability).max() < 1e-3  # float16
        assert run.num_parameters == alone.num_parameters
        assert run.test_features.shape == alone.test_features.shape
        assert (run.attributions.image_indices == alone.attributions.image_indices).all()


def test_seeds_of_gray_images_are_the_runs_alone(data, in_double):
    gray = {
        name: replace(data.split(name), images=data.split(name).images[..., :1])
        for name in ("train", "val", "test")
    }
    images = replace(data, **gray, mean=data.mean[:1], std=data.std[:1])
    chosen = recipe(*EVERYTHING, "augmentation.jitter_saturation=0.2", "augmentation.jitter_contrast=0.2")
    for seed, run in runs_of(train_stacked(chosen, SEEDS, images, "cpu", convolution="grouped")).items():
        alone = train(chosen, seed, images)
        assert run.weights["features.0.weight"].shape == (6, 1, 5, 5)
        assert largest_difference(run.weights, alone.weights) < 1e-2  # a pixel may be rounded otherwise
        assert (run.attributions.image_indices == alone.attributions.image_indices).mean() > 0.9


def test_seeds_differ_and_the_same_stack_gives_the_same_bytes(data):
    chosen = recipe(*EVERYTHING, epochs=1)
    first, second = (runs_of(train_stacked(chosen, SEEDS, data, "cpu")) for _ in range(2))
    for seed in SEEDS:
        assert first[seed].test_logits.tobytes() == second[seed].test_logits.tobytes()
        assert all(
            torch.equal(value, second[seed].weights[name]) for name, value in first[seed].weights.items()
        )
    assert largest_difference(first[3].weights, first[0].weights) > 1e-2


def test_one_seeds_random_numbers_do_not_depend_on_its_neighbours(data, in_double):
    chosen = recipe("model={batch_norm=true, dropout=0.5}", "checkpoint=last", epochs=1)
    of_three = runs_of(train_stacked(chosen, SEEDS, data, "cpu"))
    of_two = runs_of(train_stacked(chosen, (7, 4), data, "cpu"))
    assert largest_difference(of_three[7].weights, of_two[7].weights) < 1e-10


@pytest.mark.parametrize("rule", ["best_val_accuracy", "best_val_loss"])
def test_each_seed_keeps_the_epoch_that_its_rule_prefers(data, rule):
    found = runs_of(
        train_stacked(recipe(f"checkpoint={rule}", "optimizer.lr=0.03", epochs=5), SEEDS, data, "cpu")
    )
    for run in found.values():
        scores = [r.val_accuracy if rule == "best_val_accuracy" else -r.val_loss for r in run.history]
        assert run.checkpoint_epoch == 1 + int(np.argmax(scores))
        accuracy = (run.val_logits.argmax(1) == data.val.labels).mean()
        assert accuracy == pytest.approx(run.history[run.checkpoint_epoch - 1].val_accuracy)


def test_a_seed_that_fails_leaves_its_neighbours_their_bytes(data, monkeypatch):
    """One seed begins with weights that are not finite, as a diverging run comes to have them."""
    from bakeoff.training.stacked import parts

    build = parts.build_models

    def build_with_one_spoilt(recipe, seeds, data):
        models = build(recipe, seeds, data)
        with torch.no_grad():
            next(models[list(seeds).index(0)].parameters()).fill_(float("nan"))
        return models

    chosen = recipe("model.batch_norm=true", "gradient_clipping=1.0", epochs=2)
    whole = runs_of(train_stacked(chosen, SEEDS, data, "cpu"))
    monkeypatch.setattr(parts, "build_models", build_with_one_spoilt)
    told = list(train_stacked(chosen, SEEDS, data, "cpu"))
    failures = [(seed, str(what)) for seed, what in told if isinstance(what, TrainingFailure)]
    assert len(failures) == 1
    assert failures[0][0] == 0
    assert "loss is nan in epoch 1, step" in failures[0][1]
    found = runs_of(told)
    assert sorted(found) == [3, 7]
    for seed in (3, 7):
        assert found[seed].test_logits.tobytes() == whole[seed].test_logits.tobytes()
        assert len([what for who, what in told if who == seed and isinstance(what, EpochRecord)]) == 2


class EveryEpoch:
    def __init__(self, content=None):
        self.content, self.states = content, []

    def load(self):
        return self.content

    def save(self, state, epoch, val_accuracy):
        self.states.append(state)


@pytest.mark.parametrize(
    "overrides", [EVERYTHING, ("optimizer=sgd",), ("optimizer={name='sgd', momentum=0.0}",), ()]
)
def test_a_stack_goes_on_from_its_states_to_the_same_bytes(data, monkeypatch, overrides):
    monkeypatch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", float("inf"))
    chosen = recipe(*overrides, epochs=3)
    stores, heard = [EveryEpoch() for _ in SEEDS], [Heard() for _ in SEEDS]
    whole = runs_of(
        train_stacked(chosen, SEEDS, data, "cpu", state_stores=stores, observers=[[one] for one in heard])
    )
    for epoch in (1, 2, 3):
        again, going_on = [Heard() for _ in SEEDS], [EveryEpoch(store.states[epoch - 1]) for store in stores]
        told = list(
            train_stacked(
                chosen, SEEDS, data, "cpu", state_stores=going_on, observers=[[one] for one in again]
            )
        )
        assert sum(isinstance(what, EpochRecord) for _, what in told) == (3 - epoch) * len(SEEDS)
        for seed, run in runs_of(told).items():
            assert run.test_logits.tobytes() == whole[seed].test_logits.tobytes()
            assert run.train_true_probability.tobytes() == whole[seed].train_true_probability.tobytes()
            assert run.checkpoint_epoch == whole[seed].checkpoint_epoch
        assert [(one.steps, one.epochs) for one in again] == [(one.steps, one.epochs) for one in heard]


def test_the_states_of_the_last_epoch_are_saved_however_long_that_takes(data, monkeypatch):
    monkeypatch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", 1e-9)
    stores = [EveryEpoch(), EveryEpoch()]
    whole = runs_of(train_stacked(recipe(epochs=2), (0, 1), data, "cpu", state_stores=stores))
    going_on = [EveryEpoch(store.states[-1]) for store in stores]
    told = list(train_stacked(recipe(epochs=2), (0, 1), data, "cpu", state_stores=going_on))
    assert not any(isinstance(what, EpochRecord) for _, what in told)
    assert all(
        run.test_logits.tobytes() == whole[seed].test_logits.tobytes() for seed, run in runs_of(told).items()
    )


def test_states_of_different_epochs_or_damaged_ones_start_the_stack_anew(data, monkeypatch):
    monkeypatch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", float("inf"))
    chosen, stores = recipe(epochs=3), [EveryEpoch(), EveryEpoch()]
    whole = runs_of(train_stacked(chosen, (0, 1), data, "cpu", state_stores=stores))
    for contents in (
        (stores[0].states[0], stores[1].states[1]),
        (stores[0].states[0], stores[1].states[0][:500]),
        (stores[0].states[0], None),
    ):
        told = list(train_stacked(chosen, (0, 1), data, "cpu", state_stores=[*map(EveryEpoch, contents)]))
        assert sum(isinstance(what, EpochRecord) for _, what in told) == 6
        assert runs_of(told)[1].test_logits.tobytes() == whole[1].test_logits.tobytes()


class Rotates:
    """A user's own augmentation."""

    def __call__(self, images, draw):
        return np.rot90(images, int(draw.integers(0, 4)), (1, 2)).copy()


def test_a_users_own_augmentation_is_each_seeds_own(data, in_double):
    chosen = recipe(f"augmentation.custom='{__name__}:Rotates'", "checkpoint=last")
    found = runs_of(train_stacked(chosen, SEEDS, data, "cpu"))
    for seed in SEEDS:
        assert largest_difference(found[seed].weights, train(chosen, seed, data).weights) < 1e-10


def test_seeds_that_stop_early_end_as_they_do_alone(data, in_double):
    chosen = recipe("checkpoint=best_val_loss", "optimizer.lr=0.02").changed(epochs=12, patience=1)
    stacked = runs_of(train_stacked(chosen, SEEDS, data, "cpu"))
    for seed in SEEDS:
        alone = train(chosen, seed, data)
        assert len(stacked[seed].history) == len(alone.history) < 12
        assert stacked[seed].checkpoint_epoch == alone.checkpoint_epoch
