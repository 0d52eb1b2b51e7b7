"""The result of a run from its last state: the checkpoint, tested once."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from bakeoff.data.image_data import ImageData
from bakeoff.kernels.recording.capture import Capture
from bakeoff.models import count_parameters
from bakeoff.models.features import Inputs
from bakeoff.study.recipe import Recipe
from bakeoff.training.attribution import affordable_maps, attribute_wrong_answers, cost_of_maps
from bakeoff.training.evaluation import (
    evaluated,
    logits_and_features,
    penultimate_features,
    predict_logits,
)
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.records import TrainedRun
from bakeoff.training.state import TrainingState

COST_OF_EVALUATION = 0.4
"""Of one image, in passes of training (one image, forward and backward): 0.25 to 0.5 was measured."""


def epochs_to_finish(
    recipe: Recipe, num_train: int, num_test: int, accuracy: float, *, all_attributions: bool = False
) -> float:
    """Estimate what `finish_run` costs, in epochs of training; for the time left.

    Parameters
    ----------
    num_train, num_test
        The numbers of images.
    accuracy
        Expected on the test images, 0..1.
    """
    if recipe.trainer is not None or recipe.trains_on_features:
        return 0.0
    num_maps = (1 - accuracy) * num_test
    if not all_attributions:
        num_maps = min(num_maps, affordable_maps(recipe, recipe.epochs, num_train))
    # The test images' logits, and the features of the test and the training images.
    evaluation = COST_OF_EVALUATION * (2 * num_test + num_train)
    return (evaluation + cost_of_maps(recipe, num_maps)) / num_train


def finish_run(
    model: nn.Module,
    recipe: Recipe,
    preprocessing: Preprocessing,
    state: TrainingState,
    data: ImageData,
    device: str,
    *,
    inputs: Inputs | None = None,
    capture: Capture | None = None,
    all_attributions: bool = False,
) -> TrainedRun:
    """Load the best weights into the model and test them; without test images, keep what is known of val.

    Parameters
    ----------
    model
        Of the recipe, on the device where it is tested.
    state
        After the last epoch.
    device
        Recorded as the device of the run.
    inputs
        Of the model; by default the images.
    capture
        How the model is called; by default as it is.
    all_attributions
        Whether all wrong predictions are attributed, however long that takes.
    """
    inputs = inputs or Inputs(data.train.images, data.val.images, data.test.images, preprocessing)
    model.load_state_dict(state.best_weights)
    untested = TrainedRun(
        weights=state.best_weights,
        preprocessing=preprocessing,
        history=state.history,
        checkpoint_epoch=state.best_epoch,
        val_logits=state.best_val_logits,
        test_logits=state.best_val_logits[:0],
        train_true_probability=state.train_true_probability[: len(state.history)],
        val_true_probability=state.val_true_probability[: len(state.history)],
        num_parameters=count_parameters(model),
        test_features=None,
        train_features=None,
        device=device,
    )
    if not data.has_test:
        return untested
    model = capture.form_of(model) if capture else model
    model_with_tta = evaluated(model, recipe.test_time_augmentation)
    test = data.test
    if model_with_tta is model:
        test_logits, test_features = logits_and_features(model, inputs.test, inputs.tensors)
    else:
        test_logits = predict_logits(model_with_tta, inputs.test, inputs.tensors)
        test_features = penultimate_features(model, inputs.test, inputs.tensors)
    max_maps = None if all_attributions else affordable_maps(recipe, len(state.history), len(data.train))
    attributions = attribute_wrong_answers(
        model_with_tta, test.images, test.labels, test_logits, preprocessing, max_maps
    )
    return replace(
        untested,
        test_logits=test_logits,
        test_features=test_features,
        train_features=penultimate_features(model, inputs.train, inputs.tensors),
        attributions=attributions,
    )
