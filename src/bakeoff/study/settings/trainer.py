"""Other training code than Bakeoff's: estimators of scikit-learn, and a user's own function."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, Tag

from bakeoff.study.settings.base import IMPORT_PATH, Settings, SettingsWithOptions, by_name


class SklearnSettings(SettingsWithOptions):
    """An estimator with scikit-learn's interface; further keys of the table are its parameters.

    Every parameter `random_state` that is not set is set from the run's seed, in steps of a pipeline too.
    """

    name: Literal["sklearn"] = "sklearn"

    estimator: str = Field(pattern=IMPORT_PATH)
    """Import path of a class, such as `sklearn.ensemble:RandomForestClassifier`, or of a function of your own
    that makes an estimator, such as a pipeline. It needs `predict_proba` or `decision_function`."""

    features: str = Field("pixels", pattern=rf"^(pixels|hog)$|{IMPORT_PATH}")
    """What the estimator gets of an image: `pixels` (0..1, all channels), `hog` (histograms of oriented
    gradients, Dalal and Triggs, 2005; needs scikit-image), or the import path of a function from images,
    uint8 [num_images, size, size, 3], to a float array [num_images, num_features]."""


class OwnTrainerSettings(Settings):
    """Your own training code."""

    name: str = Field(pattern=IMPORT_PATH)
    """Import path `package.module:function`. The function is called as
    `function(settings, seed, train, val, test_images)`: the recipe's table `settings`, the run's seed, two
    splits with `images`, uint8 [num_images, size, size, 3], and `labels`, int64 [num_images], and the test
    images. It returns `(val, test)`, class probabilities or logits [num_images, num_classes], or a dict with
    these and optionally `history` (a list of dicts, one per epoch) and `model` (a `torch.nn.Module` of
    images as float32 [num_images, 3, size, size] in 0..1)."""


Trainer = Annotated[
    Annotated[SklearnSettings, Tag("sklearn")] | Annotated[OwnTrainerSettings, Tag("import path")],
    by_name("sklearn"),
]

TRAINERS: dict[str, type[BaseModel]] = {"sklearn": SklearnSettings}
