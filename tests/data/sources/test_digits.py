import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def test_digits_are_scaled_resized_and_grey(load):
    data = load("digits")
    original = load_digits()
    assert data.class_names == tuple("0123456789")
    assert len(data.train) + len(data.val) + len(data.test) == 1797
    for index in (0, 100, 300):
        number = int(data.test.ids[index])
        grey = np.round(original.images[number] * 255 / 16).astype(np.uint8)
        expected = np.asarray(Image.fromarray(grey).resize((32, 32), Image.Resampling.BILINEAR))
        for channel in range(3):
            np.testing.assert_array_equal(data.test.images[index, :, :, channel], expected)
        assert data.test.labels[index] == original.target[number]
    assert data.train.images.max() == 255


def test_splits_are_stratified_and_disjoint(load):
    data = load("digits")
    counts = np.bincount(load_digits().target)
    np.testing.assert_allclose(np.bincount(data.test.labels), 0.2 * counts, atol=0.5)
    np.testing.assert_allclose(np.bincount(data.val.labels), 0.15 * counts, atol=0.5)
    assert len({*data.train.ids, *data.val.ids, *data.test.ids}) == 1797
