"""The training loop: modes, randomness, checkpoints, what is measured, and one golden loss."""

from itertools import combinations

import numpy as np
import pytest
import torch
from tests.kernels.built import LIBRARIES
from tests.training.heard import Heard
from torch import nn

from bakeoff.kernels.library import using
from bakeoff.study import load_study
from bakeoff.study.recipe import FIXED_SEED
from bakeoff.study.settings.model import CustomModelSettings
from bakeoff.training import TrainingFailure, step, train
from bakeoff.training.attribution import NUM_STEPS
from bakeoff.training.batches import epoch_order
from bakeoff.training.evaluation import loss_and_accuracy
from bakeoff.training.repeatable import Stream, torch_seed

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(name="lenet5", **changes):
    return load_study("quickstart", epochs=2).recipes[name].model_copy(update=changes)


def same_bytes(first, second):
    return (
        first.test_logits.tobytes() == second.test_logits.tobytes()
        and first.train_true_probability.tobytes() == second.train_true_probability.tobytes()
        and all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    )


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(data):
    first, second, other = (train(recipe("lenet5_batch_norm"), seed, data) for seed in (3, 3, 4))
    assert same_bytes(first, second)
    assert not same_bytes(first, other)


def test_what_a_recipe_does_not_vary_is_the_same_for_every_seed(data):
    first, second = (train(recipe(vary=("order",)), seed, data) for seed in (3, 4))
    assert not same_bytes(first, second)
    assert not same_bytes(first, train(recipe(), 3, data))  # whose initial weights differ too
    whole = train(recipe(), FIXED_SEED, data)
    assert same_bytes(train(recipe(vary=("order",)), FIXED_SEED, data), whole)
    assert same_bytes(train(recipe(vary=("layers", "augmentation")), 3, data), whole)  # it has neither


def test_recipes_that_vary_different_things_have_no_run_in_common(data):
    runs = [train(recipe(vary=vary), 0, data) for vary in (None, ("weights",), ("order",))]
    assert not any(same_bytes(first, second) for first, second in combinations(runs, 2))


def test_what_happens_outside_does_not_touch_a_run(data):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = train(recipe(), 0, data)
    torch.rand(7)
    assert same_bytes(first, train(recipe(), 0, data))


def test_the_golden_losses(data):
    """Raise TRAINING_VERSION when these change on purpose: old results must not meet new ones."""
    history = train(recipe("lenet5_batch_norm"), 0, data).history
    found = [record.train_loss for record in history] + [record.val_loss for record in history]
    assert found == pytest.approx(GOLDEN_LOSSES, rel=1e-3)


GOLDEN_LOSSES = [2.0557723, 1.2639884, 2.2708009, 2.1391736]


def test_training_loss_equals_a_plain_pytorch_loop(data):
    """An independent loop, written out with torch alone, from the same first weights and order."""
    from bakeoff.models import LeNet5
    from bakeoff.training.repeatable import generator

    torch.manual_seed(torch_seed(0, Stream.WEIGHTS))
    model = LeNet5(10, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    losses = []
    for epoch in (1, 2):
        total = 0.0
        order = torch.from_numpy(generator(0, Stream.ORDER, epoch).permutation(700))
        for chosen in order.split(128):
            pixels = torch.from_numpy(data.train.images)[chosen].float() / 255
            images = ((pixels - mean) / std).permute(0, 3, 1, 2).contiguous()
            loss = nn.functional.cross_entropy(model(images), torch.from_numpy(data.train.labels)[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        losses.append(total / 700)
    assert [record.train_loss for record in train(recipe(), 0, data).history] == pytest.approx(
        losses, rel=1e-4
    )


@pytest.mark.parametrize("name", ["lenet5", "lenet5_batch_norm"])
def test_a_run_by_plans_has_the_bits_of_one_that_pytorch_records(data, name, monkeypatch):
    settings = recipe(name, gradient_clipping=1.0, train_mode="first_epoch_only")
    planned = train(settings, 0, data)
    monkeypatch.setattr("bakeoff.training.step.plan_for", lambda *_: None)
    recorded = train(settings, 0, data)
    assert same_bytes(planned, recorded)


OWN_NETS = """
import torch.nn.functional as F
from torch import nn
from bakeoff.kernels import KernelSequential

def layers(size):
    return [nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 3), nn.Linear(64, 32), nn.Linear(32, 10)]

class Layers(KernelSequential):
    def __init__(self, num_classes, image_size):
        conv1, conv2, fc1, fc2 = layers(image_size)
        pooled = nn.ReLU(), nn.MaxPool2d(2)
        super().__init__(conv1, *pooled, conv2, *pooled, nn.Flatten(), fc1, nn.ReLU(), fc2)

class Functions(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.conv1, self.conv2, self.fc1, self.fc2 = layers(image_size)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.view(-1, 64)))
        return self.fc2(x)
"""


@pytest.mark.needs("compiler")
def test_a_model_of_functions_is_trained_as_one_of_layers(data, tmp_path, monkeypatch):
    """With the same plans, whose results have the same bits; averaged weights are called likewise."""
    (tmp_path / "own_nets.py").write_text(OWN_NETS)
    monkeypatch.syspath_prepend(tmp_path)
    planned = []
    plan_for = step.plan_for
    monkeypatch.setattr(step, "plan_for", lambda *given: planned.append(plan_for(*given)) or planned[-1])
    with using(next(iter(LIBRARIES.values()))):
        functions, of_layers = (
            train(recipe(model=CustomModelSettings(name=f"own_nets:{name}"), ema_decay=0.9), 0, data)
            for name in ("Functions", "Layers")
        )
    assert len(planned) == 2 * 2 * 2  # models, epochs, sizes of batches
    assert None not in planned
    assert functions.test_logits.tobytes() == of_layers.test_logits.tobytes()
    assert functions.test_features.tobytes() == of_layers.test_features.tobytes()
    assert functions.attributions.maps.tobytes() == of_layers.attributions.maps.tobytes()
    assert list(functions.weights) == [
        f"{name}.{kind}" for name in ("conv1", "conv2", "fc1", "fc2") for kind in ("weight", "bias")
    ]
    pairs = zip(functions.weights.values(), of_layers.weights.values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


class ModeRecorder(nn.Module):
    """Notes at each call whether it is in training mode and whether gradients are on."""

    calls: list = []  # noqa: RUF012

    def __init__(self, num_classes, image_size):
        super().__init__()
        self.linear = nn.Linear(3 * image_size**2, num_classes)

    def forward(self, images):
        ModeRecorder.calls.append((self.training, torch.is_grad_enabled(), len(images)))
        return self.linear(images.flatten(1))


@pytest.mark.parametrize(
    ("train_mode", "modes"), [("every_epoch", [True, True]), ("first_epoch_only", [True, False])]
)
def test_modes_of_each_epoch(data, monkeypatch, train_mode, modes):
    from bakeoff.training import loop

    monkeypatch.setattr(loop, "build_model_for", lambda *_, **options: ModeRecorder(10, 16))
    ModeRecorder.calls = []
    run = train(recipe(train_mode=train_mode), 0, data, all_attributions=True)
    calls = [(mode, size) for mode, gradients, size in ModeRecorder.calls if gradients]
    training_calls, attribution_calls = calls[:12], calls[12:]
    evaluations = [mode for mode, gradients, _ in ModeRecorder.calls if not gradients]
    sizes = [128] * 5 + [60]
    assert training_calls == [(modes[0], size) for size in sizes] + [(modes[1], size) for size in sizes]
    # In 500s: 300 val images twice, 797 test images; features of 797 test and 700 train images; a baseline.
    assert evaluations == [False] * (2 + 2 + 2 + 2 + 1)
    assert not any(mode for mode, _ in attribution_calls)
    num_wrong = (run.test_logits.argmax(axis=1) != data.test.labels).sum()
    assert sum(size for _, size in attribution_calls) == NUM_STEPS * num_wrong > 0


@pytest.mark.parametrize("rule", ["best_val_accuracy", "best_val_loss", "last"])
def test_the_checkpoint_is_the_epoch_that_its_rule_prefers(data, rule):
    run = train(recipe(epochs=6, checkpoint=rule), 0, data)
    scores = {
        "best_val_accuracy": [record.val_accuracy for record in run.history],
        "best_val_loss": [-record.val_loss for record in run.history],
        "last": [record.epoch for record in run.history],
    }[rule]
    assert run.checkpoint_epoch == 1 + int(np.argmax(scores))
    loss, accuracy, _ = loss_and_accuracy(run.val_logits, data.val.labels)
    record = run.history[run.checkpoint_epoch - 1]
    assert (loss, accuracy) == (record.val_loss, record.val_accuracy)


def test_the_best_score_on_validation_images_is_by_the_metric(data):
    runs = [
        train(recipe(epochs=6, checkpoint="best_val_score"), 0, data, metric=metric)
        for metric in ("accuracy", "log_loss")
    ]
    assert runs[0].checkpoint_epoch == 1 + int(np.argmax([record.val_accuracy for record in runs[0].history]))
    assert runs[1].checkpoint_epoch == 1 + int(np.argmin([record.val_loss for record in runs[1].history]))


def test_with_balanced_sampling_images_that_an_epoch_leaves_out_keep_their_probability(data):
    run = train(recipe(epochs=2, sampling="balanced"), 0, data)
    first, second = run.train_true_probability
    left_out = np.setdiff1d(np.arange(len(data.train)), epoch_order("balanced", 0, 1, data.train.labels))
    assert len(left_out) > 100
    assert first[left_out].tolist() == [np.float16(0.1)] * len(left_out)
    again = np.setdiff1d(np.arange(len(data.train)), epoch_order("balanced", 0, 2, data.train.labels))
    assert (second[again] == first[again]).all()


def test_recorded_accuracy_and_dynamics_agree(data):
    run = train(recipe(), 0, data)
    assert run.train_true_probability.shape == (2, 700)
    final = run.val_true_probability[-1].astype(float)
    assert np.exp(-run.history[-1].val_loss) <= final.mean() + 1e-3  # Jensen
    assert ((final > 0) & (final <= 1)).all()
    majority = (final > 0.5).mean()
    assert majority <= run.history[-1].val_accuracy + 1e-9


def test_a_loss_that_is_not_finite_ends_the_run_with_epoch_and_step(data):
    optimizer = recipe().optimizer.model_copy(update={"lr": 1e30})
    with pytest.raises(TrainingFailure, match=r"loss is (nan|inf) in epoch 1, step \d of 6"):
        train(recipe(optimizer=optimizer), 0, data)


def test_observers_hear_of_the_steps_before_a_run_diverged(data):
    optimizer = recipe().optimizer.model_copy(update={"lr": 1e30})
    told = Heard()
    with pytest.raises(TrainingFailure) as failure:
        train(recipe(optimizer=optimizer), 0, data, observers=[told])
    failed_step = int(str(failure.value).split("step ")[1].split(" of")[0])
    assert [step for step, _, _ in told.steps] == list(range(1, failed_step))
    assert np.isfinite([loss for _, loss, _ in told.steps]).all()
    assert not told.epochs


def test_an_epochs_loss_and_accuracy_are_those_of_its_steps(data):
    told = Heard()
    run = train(recipe(), 0, data, observers=[told])
    sizes = np.array([128, 128, 128, 128, 128, 60])
    for record, steps in zip(run.history, (told.steps[:6], told.steps[6:]), strict=True):
        losses, accuracies = np.array(steps)[:, 1:].T
        assert record.train_loss == pytest.approx((losses * sizes).sum() / 700)
        assert record.train_accuracy == pytest.approx((accuracies * sizes).sum() / 700)
