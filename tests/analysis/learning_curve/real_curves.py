"""Learning curves of scikit-learn's classifiers on two real data sets: sizes up to half, and all.

Run as a module, it prints each prediction from up to half beside what was measured with all.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.analysis.learning_curve.power_law import predict_score

FASHION = Path("/usr/share/datasets/fashion-mnist")
SEEDS = 5


def models(seed: int) -> dict[str, Any]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    return {
        "centroid": NearestCentroid(),
        "bayes": GaussianNB(var_smoothing=1e-3),
        "discriminant": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
        "ridge": RidgeClassifier(alpha=10.0),
        "logistic": LogisticRegression(C=0.1, max_iter=200),
        "neighbors": KNeighborsClassifier(3),
        "tree": DecisionTreeClassifier(random_state=seed),
        "forest": RandomForestClassifier(60, random_state=seed),
        "extra trees": ExtraTreesClassifier(60, random_state=seed),
        "kernel": SVC(C=5.0),
        "network": MLPClassifier((32,), max_iter=80, random_state=seed),
    }


def data_sets() -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, training images and labels, test images and labels; images are float [number, pixels], 0..1."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images, labels = digits.data[order] / 16, digits.target[order]
    yield "digits", images[:1120], labels[:1120], images[1120:], labels[1120:]
    if FASHION.is_dir():
        train, train_labels = _idx("train-images-idx3"), _idx("train-labels-idx1")
        test, test_labels = _idx("t10k-images-idx3"), _idx("t10k-labels-idx1")
        train, test = (_halved(images) for images in (train[:1600], test[:1500]))
        yield "fashion", train, train_labels[:1600], test, test_labels[:1500]


def _halved(images: np.ndarray) -> np.ndarray:
    """14 x 14 in place of 28 x 28, 0..1."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1) / 255


def _idx(name: str) -> np.ndarray:
    path = next(FASHION.glob(f"{name}*"))
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return values.reshape(shape[0], -1) if dimensions > 1 else values


def curves() -> Iterator[tuple[str, list[int], list[np.ndarray]]]:
    """Data set and model, sizes, and at each the accuracies of the seeds on nested parts of their own."""
    for name, train, train_labels, test, test_labels in data_sets():
        full = len(train_labels)
        sizes = [full // 16, full // 8, full // 4, full // 2, full]
        scores: dict[str, list[list[float]]] = {}
        for seed in range(SEEDS):
            order = np.random.default_rng(seed + 1).permutation(full)
            for size in sizes:
                part = order[:size]
                for model_name, model in models(seed).items():
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # networks that have not converged
                        model.fit(train[part], train_labels[part])
                    accuracy = float(np.mean(model.predict(test) == test_labels))
                    scores.setdefault(model_name, [[] for _ in sizes])[sizes.index(size)].append(accuracy)
        for model_name, of_sizes in scores.items():
            yield f"{name}, {model_name}", sizes, [np.array(runs) for runs in of_sizes]


if __name__ == "__main__":
    held = total = 0
    for name, sizes, scores in curves():
        found = predict_score(sizes[:-1], scores[:-1], sizes[-1])
        assert found is not None
        measured = float(scores[-1].mean())
        held, total = held + (found.low <= measured <= found.high), total + 1
        of_half = 100 * float(scores[-2].mean())
        print(
            f"{name}: {of_half:.1f} at half; predicted {100 * found.value:.1f} "
            f"({100 * found.low:.1f} to {100 * found.high:.1f}), measured {100 * measured:.1f}",
            flush=True,
        )
    print(f"{held} of {total}")
