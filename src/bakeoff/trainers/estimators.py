"""Estimators with scikit-learn's interface, and the features that they get of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import Split
from bakeoff.errors import BakeoffError
from bakeoff.own_code import import_callable, import_factory
from bakeoff.study.settings.trainer import SklearnSettings

Images = NDArray[np.uint8]
Array = NDArray[Any]

MAX_SEED = 2**32 - 1
"""Of `random_state`, which is a seed of NumPy's older generator."""


def build_estimator(settings: SklearnSettings, seed: int) -> Any:
    """A new estimator with its parameters, and with every `random_state` that is not set from the seed.

    Raises
    ------
    BakeoffError
        If the class cannot be imported, does not accept its parameters, or gives no probabilities or scores.
    """
    make = import_factory(settings.estimator, "estimator")
    try:
        estimator = make(**settings.options)
        if hasattr(estimator, "get_params"):
            # Of a pipeline, those of its steps too; a state that the user set stays.
            names = [
                name
                for name, value in estimator.get_params().items()
                if name.rpartition("__")[2] == "random_state" and value is None
            ]
            estimator.set_params(**dict.fromkeys(names, seed % MAX_SEED))
    except Exception as error:  # whatever a class raises
        raise BakeoffError(f"estimator {settings.estimator!r} cannot be built: {error}") from error
    if not hasattr(estimator, "fit") or not (
        hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")
    ):
        raise BakeoffError(
            f"estimator {settings.estimator!r} does not have fit, and predict_proba or decision_function; "
            "a comparison needs class probabilities or scores"
        )
    return estimator


def fit_estimator(
    settings: SklearnSettings, seed: int, train: Split, val: Split, test_images: Images
) -> tuple[Array, Array]:
    """Fit an estimator to the training images; its probabilities or scores of the val and the test images."""
    features = features_named(settings.features)
    estimator = build_estimator(settings, seed)
    estimator.fit(features(train.images), train.labels)
    return scores(estimator, features(val.images)), scores(estimator, features(test_images))


def scores(estimator: Any, features: Array) -> Array:
    """Class probabilities, or decision scores, [num_images, num_classes]."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(features))
    decision = np.asarray(estimator.decision_function(features))
    # Of two classes scikit-learn gives the score of the second against the first.
    return decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)


def features_named(name: str) -> Callable[[Images], Array]:
    """The function from images, uint8 [num_images, size, size, 3], to features [num_images, num_features].

    Raises
    ------
    BakeoffError
        If a user's own function cannot be imported, or scikit-image is not installed.
    """
    if name == "pixels":
        return lambda images: np.asarray(images).reshape(len(images), -1) / np.float32(255)
    if name == "hog":
        return _hog()
    return import_callable(name, "features")


def _hog() -> Callable[[Images], Array]:
    try:
        from skimage.feature import hog
    except ImportError as error:
        raise BakeoffError(
            'features = "hog" needs scikit-image; install it in a copy of the repository with: '
            "pip install -c constraints.txt '.[hog]'"
        ) from error
    cells = {"pixels_per_cell": (4, 4), "cells_per_block": (2, 2), "channel_axis": -1}
    return lambda images: np.stack([hog(image, **cells) for image in np.asarray(images)]).astype(np.float32)
