"""check_study(): before anything is trained, whether all of a study can be, and tested, with its images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bakeoff.analysis.scores.by_name import check_num_classes
from bakeoff.data.drawing import check_draws, pool_groups
from bakeoff.data.image_data import ImageData
from bakeoff.data.labeled import check_labeled
from bakeoff.errors import BakeoffError
from bakeoff.study import Study
from bakeoff.text import counted
from bakeoff.trainers import check_trainer
from bakeoff.training import check_training


class CheckedStudy(NamedTuple):
    """What the checks tell of a study that passed them.

    Attributes
    ----------
    not_captured
        Why a recipe's model is called as it is, not layer by layer for CPU kernels, by the recipe's name.
    num_other_images
        The number of images in [tests].
    """

    not_captured: dict[str, str]
    num_other_images: int


def check_study(study: Study, data: ImageData) -> CheckedStudy:
    """Check scores, models, other test images, and the parts of the training images that runs draw.

    Raises
    ------
    BakeoffError
        Names the setting that is wrong.
    """
    for key, metric in {"compare.metric": study.compare.metric, "tune.metric": study.tune_metric}.items():
        with _named(key):
            check_num_classes(metric, len(data.class_names))
    not_captured: dict[str, str] = {}
    for name, recipe in study.recipes.items():
        with _named(f"recipes.{name}"):
            if recipe.trainer is not None:
                check_trainer(recipe, data)
            elif reason := check_training(recipe, data):
                not_captured[name] = reason
    num_other_images = 0
    for name, test in study.tests.items():
        with _named(f"tests.{name}"):
            num_other_images += check_labeled(test.as_data, data.class_names)
    _check_draws(study, data)
    return CheckedStudy(not_captured, num_other_images)


def _check_draws(study: Study, data: ImageData) -> None:
    sizes, num_train = study.train_sizes or (), len(data.train)
    if sizes and sizes[-1] > num_train:
        raise BakeoffError(
            f"train_sizes: found {sizes[-1]:,}, but {data.source} has "
            f"{counted(num_train, 'training image')}; expected numbers up to that"
        )
    groups, seeds = pool_groups(data), range(study.seeds)
    for name, recipe in study.recipes.items():
        own_split = recipe.draws_split
        if own_split and groups:  # without groups, classes keep their numbers of images
            with _named(f"recipes.{name}.vary"):
                check_draws(data, seeds, own_split=True, size=None, groups=groups)
        if sizes and sizes[0] < num_train:
            with _named("train_sizes"):
                check_draws(data, seeds, own_split=own_split, size=sizes[0], groups=groups)


@contextmanager
def _named(setting: str) -> Iterator[None]:
    """Errors begin with the setting."""
    try:
        yield
    except BakeoffError as error:
        raise BakeoffError(f"{setting}: {error}") from error
