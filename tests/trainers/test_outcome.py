"""What a trainer may return, and what is said of anything else."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from tests.trainers.images import DATA, NUM_CLASSES
from torch import nn

from bakeoff.trainers.outcome import trained_run
from bakeoff.training.records import TrainingFailure

RNG = np.random.default_rng(0)
VAL = RNG.dirichlet(np.ones(NUM_CLASSES), len(DATA.val))
TEST = RNG.dirichlet(np.ones(NUM_CLASSES), len(DATA.test))


def outcome(returned):
    return trained_run(returned, "'mine:train'", DATA, "cpu", 2.5)


def test_probabilities_become_logits_with_the_same_probabilities():
    run = outcome((VAL, TEST))
    assert run.test_logits.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_softmax(run.test_logits, axis=1)), TEST, rtol=1e-5)
    np.testing.assert_allclose(np.exp(log_softmax(run.val_logits, axis=1)), VAL, rtol=1e-5)


def test_logits_and_tensors_stay_what_they_are():
    logits = RNG.normal(size=TEST.shape)
    run = outcome({"val": torch.from_numpy(VAL).requires_grad_(), "test": logits.tolist()})
    np.testing.assert_array_equal(run.test_logits, logits.astype(np.float32))


def test_a_probability_of_zero_is_finite():
    sure = np.eye(NUM_CLASSES)[np.arange(len(TEST)) % NUM_CLASSES]
    run = outcome((VAL, sure))
    assert np.isfinite(run.test_logits).all()
    assert (run.test_logits.argmax(1) == sure.argmax(1)).all()


def test_without_a_history_there_is_one_record_of_the_validation_images():
    (record,) = outcome((VAL, TEST)).history
    truth = VAL[np.arange(len(VAL)), DATA.val.labels]
    assert record.val_loss == pytest.approx(-np.log(truth).mean(), rel=1e-5)
    assert record.val_accuracy == (VAL.argmax(1) == DATA.val.labels).mean()
    assert math.isnan(record.train_loss)
    assert record.seconds == 2.5


def test_a_history_has_what_the_trainer_gives_and_the_time_in_equal_parts():
    history = [{"train_loss": 2, "val_accuracy": np.float32(0.5)}, {"train_loss": 1.5, "learning_rate": 0.1}]
    first, second = outcome({"val": VAL, "test": TEST, "history": history}).history
    assert (first.epoch, first.train_loss, first.val_accuracy, first.seconds) == (1, 2.0, 0.5, 1.25)
    assert (second.epoch, second.learning_rate) == (2, 0.1)
    assert math.isnan(first.val_loss)
    assert second.val_accuracy == (VAL.argmax(1) == DATA.val.labels).mean()
    (told,) = outcome({"val": VAL, "test": TEST, "history": [{"val_accuracy": 0.25}]}).history
    assert told.val_accuracy == 0.25


class Linear(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, NUM_CLASSES)
        self.dropout = nn.Dropout()
        self.factor = factor

    def forward(self, images):
        return self.linear(self.dropout(self.factor * images.flatten(1)))


def predictions_of(model, split):
    images = torch.from_numpy(np.array(split.images)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        return model.eval()(images)


def test_a_model_is_kept_if_it_gives_the_predictions():
    model = Linear().train()
    run = outcome(
        {"val": predictions_of(model, DATA.val), "test": predictions_of(model, DATA.test), "model": model}
    )
    assert run.exported is not None
    assert run.num_parameters == 3 * 8 * 8 * NUM_CLASSES + NUM_CLASSES
    assert run.preprocessing.mean == (0, 0, 0)


def test_a_model_of_grey_images_takes_one_channel():
    def grey(split):
        return replace(split, images=split.images[..., :1])

    data = replace(
        DATA, train=grey(DATA.train), val=grey(DATA.val), test=grey(DATA.test), mean=(0.3,), std=(0.3,)
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8, NUM_CLASSES))
    val, test = (predictions_of(model, split) for split in (data.val, data.test))
    run = trained_run({"val": val, "test": test, "model": model}, "'mine:train'", data, "cpu", 1.0)
    assert run.exported is not None
    assert run.preprocessing.mean == (0,)


def not_kept(model, capsys, test=None):
    """What is said of a model; the run has its predictions all the same."""
    predicted = predictions_of(model, DATA.test) if test is None else test
    run = outcome({"val": VAL, "test": predicted, "model": model})
    assert run.exported is None
    assert run.test_logits.shape == TEST.shape
    return capsys.readouterr().err


def test_a_model_that_takes_other_images_is_not_kept_and_said_so(capsys):
    """Trained on pixels of 0..255, given those of 0..1."""
    model, other = Linear(), Linear(255.0)
    other.load_state_dict(model.state_dict())
    said = not_kept(model, capsys, predictions_of(other, DATA.test))
    assert "predicts other probabilities" in said
    assert "make normalization part of it, and predict in evaluation mode" in said


def test_a_model_with_a_softmax_is_not_kept_and_said_so(capsys):
    said = not_kept(nn.Sequential(Linear(), nn.Softmax(dim=1)), capsys)
    assert "it returns probabilities, where logits are expected" in said


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of torch.compile
def test_a_compiled_and_a_parallel_model_are_kept_as_what_they_wrap():
    model = Linear()
    test = predictions_of(model, DATA.test)
    for wrapped in (nn.DataParallel(model), torch.compile(model)):
        assert outcome({"val": VAL, "test": test, "model": wrapped}).exported is not None


def test_rounded_probabilities_and_half_precision_are_read():
    rounded = outcome((VAL.round(2), TEST.round(3))).val_logits
    np.testing.assert_allclose(np.exp(log_softmax(rounded, axis=1)), VAL, atol=0.02)
    logits = torch.from_numpy(RNG.normal(size=TEST.shape)).bfloat16()
    np.testing.assert_array_equal(outcome((VAL, logits)).test_logits, logits.float().numpy())


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (VAL, "returned ndarray; expected \\(val, test\\)"),
        (None, "returned NoneType; expected"),
        ((VAL, TEST, TEST), "returned a tuple of 3; expected"),
        ({"val": VAL}, "returned a dict with 'val'; expected .* a dict with val and test"),
        ({"val": VAL, "test": TEST, "histroy": []}, "returned 'histroy'; did you mean 'history'"),
        ((VAL, TEST[:5]), r"test that 'mine:train' returned has shape \[5, 3\]; expected \[20, 3\]"),
        ((VAL, TEST.argmax(1)), "return class probabilities, not the predicted classes"),
        ((VAL, np.where(TEST > 0.9, np.nan, TEST)), "is not finite as float32; the first such row is"),
        ((VAL, [["a", "b", "c"]] * 20), "expected an array"),
        ((VAL, TEST + 1j), "complex numbers; expected an array"),
        ((VAL, 1e300 * (TEST - 0.5)), "is not finite as float32"),
        (
            (VAL, 100 * TEST),
            "none is above 100, and the rows have sums from 100 to 100; expected",
        ),
        ((VAL, 0.9 * TEST), "none is above 1, and the rows have sums from 0.9 to 0.9"),
        (
            {"val": VAL, "test": TEST, "model": "net.pt"},
            "is 'net.pt'; expected a torch.nn.Module, or",
        ),
        (
            {"val": VAL, "test": TEST, "history": [{"val_accuracy": 90}]},
            "is 90; expected 0 to 1",
        ),
        ({"val": VAL, "test": TEST, "history": 3}, "expected a list of dicts, one per epoch"),
        ({"val": VAL, "test": TEST, "history": [{"loss": 1}]}, "expected a dict with some of learning_rate"),
        ({"val": VAL, "test": TEST, "history": [{"val_loss": "x"}]}, "expected numbers"),
    ],
)
def test_anything_else_is_said(returned, message):
    with pytest.raises(TrainingFailure, match=message):
        outcome(returned)
