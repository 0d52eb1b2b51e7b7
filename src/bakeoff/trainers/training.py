"""train_with(): one recipe with a trainer, one seed, as a TrainedRun."""

from __future__ import annotations

import inspect
import random
import time
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import torch

from bakeoff.data.image_data import ImageData
from bakeoff.errors import BakeoffError
from bakeoff.own_code import import_callable
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.trainer import SklearnSettings
from bakeoff.trainers.estimators import build_estimator, features_named, fit_estimator
from bakeoff.trainers.outcome import trained_run
from bakeoff.training.records import TrainedRun, TrainingFailure
from bakeoff.training.repeatable import Stream, torch_seed


def check_trainer(recipe: Recipe, data: ImageData) -> None:
    """Import a recipe's trainer, and build its estimator if it has one; nothing is trained.

    Raises
    ------
    BakeoffError
        If that fails.
    """
    trainer = recipe.trainer
    if isinstance(trainer, SklearnSettings):
        build_estimator(trainer, 0)
        features_named(trainer.features)
    elif trainer is not None:
        function = import_callable(trainer.name, "trainer")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise BakeoffError(f"trainer {trainer.name!r} is async or yields; expected a plain function")
        with suppress(ValueError):  # a function of C may have no signature
            try:
                inspect.signature(function).bind({}, 0, data.train, data.val, data.test.images)
            except TypeError as error:
                raise BakeoffError(
                    f"trainer {trainer.name!r} takes {inspect.signature(function)} ({error}); "
                    "expected (settings, seed, train, val, test_images)"
                ) from error


def train_with(recipe: Recipe, seed: int, data: ImageData) -> TrainedRun:
    """Train one recipe with one seed by its trainer.

    Python's, NumPy's and PyTorch's global generators are seeded before, so that code that draws from them
    depends on the run's seed, and on nothing else.

    Raises
    ------
    BakeoffError
        If the trainer cannot be imported.
    TrainingFailure
        If what it returns is not as it should be.
    """
    trainer = recipe.trainer
    assert trainer is not None
    own_seed = torch_seed(seed, Stream.WEIGHTS)
    random.seed(own_seed)
    np.random.seed(own_seed % 2**32)  # noqa: NPY002  # other code may draw from it
    torch.manual_seed(own_seed)
    started = time.perf_counter()
    test_images = np.array(data.test.images)  # a copy: whatever is written into it changes nothing of ours
    returned: Any
    if isinstance(trainer, SklearnSettings):
        returned = fit_estimator(trainer, own_seed, data.train, data.val, test_images)
        device = "cpu"
    else:
        function = import_callable(trainer.name, "trainer")
        arguments = deepcopy(recipe.settings or {}), seed, data.train, data.val, test_images
        try:
            returned = function(*arguments)
        except (SystemExit, EOFError) as error:
            called = "input()" if isinstance(error, EOFError) else f"sys.exit({error.code!r})"
            raise TrainingFailure(f"trainer {trainer.name!r} ended with {called}") from error
        device = "cpu" if not torch.cuda.is_available() else "chosen by the trainer"
    return trained_run(returned, repr(trainer.name), data, device, time.perf_counter() - started)
