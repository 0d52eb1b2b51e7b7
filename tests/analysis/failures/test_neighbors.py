import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from bakeoff.analysis.failures import neighbors
from bakeoff.analysis.failures.neighbors import nearest_training_images
from bakeoff.errors import BakeoffError


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    return images.astype(np.float32), labels


def test_one_seed_agrees_with_sklearn_on_real_digits(digits):
    images, labels = digits
    train, test = images[:1000], images[1000:]
    found = nearest_training_images(test[None], train[None], labels[:1000], k=7)
    distance, index = NearestNeighbors(n_neighbors=7, metric="cosine").fit(train).kneighbors(test)
    np.testing.assert_allclose(found.similarity, 1 - distance, atol=1e-5)
    assert np.mean(found.indices == index) > 0.999
    np.testing.assert_array_equal(found.labels, labels[:1000][found.indices])
    assert np.mean(found.labels[:, 0] == labels[1000:]) > 0.9


def test_seeds_are_averaged_by_similarity_not_by_features():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(3, 40, 5)), rng.normal(size=(3, 20, 5))
    # A feature space scaled or turned differently in each seed must not change what is near.
    scale = np.array([1, 100, 0.01])[:, None, None]
    found = nearest_training_images(
        (test * scale).astype(np.float32), (train * scale).astype(np.float32), np.arange(40), k=40
    )
    cosine = np.mean(
        [
            (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
            for a, b in zip(test, train, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(found.similarity, -np.sort(-cosine, axis=1), atol=1e-6)
    np.testing.assert_array_equal(found.indices, np.argsort(-cosine, axis=1, kind="stable"))


@pytest.mark.parametrize("k", [1, 3, 6])
def test_of_equally_near_images_the_first_come_first(k):
    train = np.ones((1, 6, 2), dtype=np.float32)
    found = nearest_training_images(train[:, :2], train, np.array([5, 4, 3, 2, 1, 0]), k=k)
    assert found.indices.tolist() == [list(range(k))] * 2
    assert found.labels.tolist() == [[5, 4, 3, 2, 1, 0][:k]] * 2


def test_images_tied_for_the_last_place_are_taken_in_order():
    rng = np.random.default_rng(0)
    directions = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float32)
    train = directions[rng.integers(4, size=300)]
    found = nearest_training_images(directions[None, :2], train[None], np.arange(300), k=100)
    cosine = (directions[:2].astype(float) @ train.T.astype(float)).round(6)
    expected = np.argsort(-cosine, axis=1, kind="stable")[:, :100]
    np.testing.assert_array_equal(found.indices, expected)
    np.testing.assert_allclose(found.similarity, np.take_along_axis(cosine, expected, axis=1), atol=1e-6)


@pytest.mark.parametrize("cells", [1, 1 << 24])
def test_of_many_copies_the_first_come_first(monkeypatch, cells):
    monkeypatch.setattr(neighbors, "_MAX_CELLS", cells)
    rng = np.random.default_rng(1)
    train = np.tile(rng.normal(size=(7, 4)), (200, 1)).astype(np.float32)[rng.permutation(1400)]
    test = rng.normal(size=(5, 4)).astype(np.float32)
    found = nearest_training_images(test[None], train[None], np.arange(1400), k=20)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (test, train)]
    cosine = (unit[0].astype(float) @ unit[1].T.astype(float)).round(5)
    np.testing.assert_array_equal(found.indices, np.argsort(-cosine, axis=1, kind="stable")[:, :20])


def test_only_the_images_that_are_asked_for_are_looked_at(digits):
    images, labels = digits
    half = images.astype(np.float16)  # as they are stored
    chosen = np.array([3, 4, 500, 796])
    some = nearest_training_images(half[None, 1000:], half[None, :1000], labels[:1000], 5, chosen)
    every = nearest_training_images(images[None, 1000:], images[None, :1000], labels[:1000], 5)
    np.testing.assert_array_equal(some.indices, every.indices[chosen])
    np.testing.assert_array_equal(some.labels, every.labels[chosen])
    np.testing.assert_allclose(some.similarity, every.similarity[chosen], atol=2e-6)
    assert [some.place(image) for image in chosen] == [0, 1, 2, 3]
    assert some.label_counts(500) == every.label_counts(500)
    for image in (2, 5, 797):
        with pytest.raises(KeyError):
            some.place(image)


def test_where_no_image_is_asked_for_none_is_found():
    features = np.eye(5, dtype=np.float32)[None]
    found = nearest_training_images(features, features, np.arange(5), 2, np.zeros(0, dtype=np.int64))
    assert found.indices.shape == found.labels.shape == found.similarity.shape == (0, 2)


def test_silent_features_are_near_nothing():
    train = np.eye(3, dtype=np.float32)[None]
    found = nearest_training_images(np.zeros((1, 1, 3), dtype=np.float32), train, np.arange(3), k=2)
    assert found.similarity.tolist() == [[0, 0]]


def test_label_counts_come_by_frequency():
    features = np.eye(5, dtype=np.float32)[None]
    found = nearest_training_images(features[:, :1], features, np.array([2, 1, 1, 0, 1]), k=5)
    assert found.label_counts(0) == ((1, 3), (0, 1), (2, 1))


@pytest.mark.parametrize("k", [0, 6])
def test_a_number_of_neighbors_that_cannot_be_is_refused(k):
    features = np.eye(5, dtype=np.float32)[None]
    with pytest.raises(BakeoffError, match="expected 1 to 5"):
        nearest_training_images(features, features, np.arange(5), k=k)
