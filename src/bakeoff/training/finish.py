"""The result of a run from its last state: the checkpoint, tested once."""

from __future__ import annotations

from torch import nn

from bakeoff.data.image_data import ImageData
from bakeoff.models import count_parameters
from bakeoff.study.recipe import Recipe
from bakeoff.training.attribution import attribute_wrong_answers
from bakeoff.training.evaluation import evaluated, penultimate_features, predict_logits
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.records import TrainedRun
from bakeoff.training.state import TrainingState


def finish_run(
    model: nn.Module,
    recipe: Recipe,
    preprocessing: Preprocessing,
    state: TrainingState,
    data: ImageData,
    device: str,
) -> TrainedRun:
    """Load the best weights into the model and test them.

    Parameters
    ----------
    model
        Of the recipe, on the device where it is tested.
    state
        After the last epoch.
    device
        Recorded as the device of the run.
    """
    model.load_state_dict(state.best_weights)
    model_with_tta = evaluated(model, recipe.test_time_augmentation)
    test = data.test
    test_logits = predict_logits(model_with_tta, test.images, preprocessing)
    attributions = attribute_wrong_answers(
        model_with_tta, test.images, test.labels, test_logits, preprocessing
    )
    return TrainedRun(
        weights=state.best_weights,
        preprocessing=preprocessing,
        history=state.history,
        checkpoint_epoch=state.best_epoch,
        val_logits=state.best_val_logits,
        test_logits=test_logits,
        train_true_probability=state.train_true_probability,
        val_true_probability=state.val_true_probability,
        num_parameters=count_parameters(model),
        test_features=penultimate_features(model, test.images, preprocessing),
        train_features=penultimate_features(model, data.train.images, preprocessing),
        attributions=attributions,
        device=device,
    )
