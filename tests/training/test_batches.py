import weakref

import numpy as np
import pytest
import torch

from bakeoff.training import batches as counting
from bakeoff.training.batches import BatchMemory, EpochCount, epoch_order, split_into_batches
from bakeoff.training.evaluation import loss_and_accuracy
from bakeoff.training.preprocessing import Preprocessing

NUM_IMAGES, NUM_CLASSES = 700, 7


@pytest.fixture
def answers():
    """Labels, the batches of an epoch, and the logits of each."""
    rng = np.random.default_rng(0)
    batches = np.array_split(rng.permutation(NUM_IMAGES), 11)
    logits = [torch.from_numpy(rng.normal(size=(len(b), NUM_CLASSES)).astype(np.float32)) for b in batches]
    return rng.integers(0, NUM_CLASSES, NUM_IMAGES), batches, logits


def counted(labels, batches, logits):
    probability = np.zeros(NUM_IMAGES, np.float16)
    count = EpochCount(labels, probability)
    for place, (batch, answer) in enumerate(zip(batches, logits, strict=True)):
        count.add(batch, answer, 0.1 * place)
    count.finish()
    return count, probability


@pytest.mark.parametrize("at_once", [1, 4, 11, 100])
def test_each_batch_and_image_is_counted_once_however_many_at_once(answers, monkeypatch, at_once):
    labels, batches, logits = answers
    monkeypatch.setattr(counting, "BATCHES_AT_ONCE", at_once)
    count, probability = counted(labels, batches, logits)
    each = [loss_and_accuracy(x.numpy(), labels[batch]) for x, batch in zip(logits, batches, strict=True)]
    assert count.steps == [(0.1 * place, accuracy) for place, (_, accuracy, _) in enumerate(each)]
    assert count.num_right == sum(round(one[1] * len(one[2])) for one in each)
    assert count.total_loss == pytest.approx(sum(0.1 * i * len(batch) for i, batch in enumerate(batches)))
    expected = np.zeros(NUM_IMAGES)
    expected[np.concatenate(batches)] = np.concatenate([one[2] for one in each])
    np.testing.assert_allclose(probability, expected, rtol=1e-3)


def test_logits_are_let_go_of_while_the_epoch_goes_on(answers, monkeypatch):
    labels, batches, logits = answers
    monkeypatch.setattr(counting, "BATCHES_AT_ONCE", 3)
    count = EpochCount(labels, np.zeros(NUM_IMAGES, np.float16))
    held = []
    for batch, answer in zip(batches, logits, strict=True):
        copy = answer.clone()
        held.append(weakref.ref(copy))
        count.add(batch, copy, 1.0)
        del copy
        assert sum(one() is not None for one in held) < 3


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("size", "expected"), [(256, [128, 128]), (257, [128, 129]), (258, [128, 128, 2]), (1, [1])]
)
def test_batches_cover_the_order_and_no_batch_of_one_is_left(size, expected):
    order = np.arange(size)
    batches = list(split_into_batches(order, 128))
    assert [len(batch) for batch in batches] == expected
    assert np.array_equal(np.concatenate(batches), order)


def test_gathered_batches_are_the_chosen_images_and_are_standardised_in_the_same_memory():
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 5, 3), dtype=np.uint8)
    images.flags.writeable = False
    memory = BatchMemory(images, 7)
    preprocessing = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25), 5)
    for chosen in (np.array([3, 19, 0, 4, 4, 7, 1]), np.array([2, 11])):
        pixels = memory.gather(chosen)
        assert np.array_equal(pixels, images[chosen])
        found = preprocessing(pixels, out=memory.standardized)
        assert torch.equal(found, preprocessing(images[chosen]))
        assert found.data_ptr() == memory.standardized.data_ptr()
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_shows_each_image_once_or_each_class_equally_often():
    labels = np.repeat([0, 2, 3], [900, 90, 10])  # no image of class 1
    assert sorted(epoch_order(None, 0, 1, labels)) == list(range(1000))
    orders = [epoch_order("balanced", seed, epoch, labels) for seed in range(5) for epoch in range(1, 11)]
    assert all(len(order) == 1000 for order in orders)
    assert (orders[0] == epoch_order("balanced", 0, 1, labels)).all()
    assert (orders[0] != orders[1]).any()
    shares = np.bincount(labels[np.concatenate(orders)]) / 50_000
    assert shares.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3], abs=0.01)
