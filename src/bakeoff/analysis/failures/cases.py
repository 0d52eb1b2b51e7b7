"""Failed cases: one image for each recipe and class, with the predictions of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.analysis.failures.confusion import RecipeConfusion
from bakeoff.analysis.failures.difficulty import ImageDifficulty
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions


@dataclass(frozen=True)
class FailedCase:
    """An image that at least one run of a recipe misclassifies.

    Attributes
    ----------
    recipe
        The recipe's name.
    image_index, image_id
        The image.
    true, predicted
        The true class and the usual wrong prediction.
    num_seeds, num_wrong, num_predicted
        The numbers of all runs, of those that are wrong, and of those that make the usual wrong prediction.
    true_probability
        Of the true class, mean over all runs; NaN if probabilities are not known.
    predicted_probability
        Of the usual wrong prediction, mean over the runs that make it; NaN likewise.
    confusion_count
        The number of images of the true class that a run predicts as the predicted class, mean over runs.
    num_class_images
        The number of images of the true class.
    """

    recipe: str
    image_index: int
    image_id: str
    true: int
    predicted: int
    num_seeds: int
    num_wrong: int
    num_predicted: int
    true_probability: float
    predicted_probability: float
    confusion_count: float
    num_class_images: int

    @property
    def confusion_share(self) -> float:
        """Share of the true class's images predicted as the predicted class, mean over runs, 0..1."""
        return self.confusion_count / self.num_class_images


def failed_case(
    predictions: Predictions, difficulty: ImageDifficulty, confusion: RecipeConfusion, image: int
) -> FailedCase:
    """Describe the predictions of one recipe's runs for one image.

    Parameters
    ----------
    predictions
        Of all recipes.
    difficulty, confusion
        Of the recipe in question, for the same images.
    image
        Index of an image that at least one run misclassifies.

    Raises
    ------
    BakeoffError
        If every run classifies this image correctly.
    """
    if difficulty.num_wrong[image] == 0:
        raise BakeoffError(
            f"image {predictions.image_ids[image]} is not a failed case: all {difficulty.num_seeds} runs of "
            f"{difficulty.recipe} are right; choose an image that at least one run misclassifies"
        )
    true, predicted = int(predictions.labels[image]), int(difficulty.usual_wrong[image])
    recipe = predictions.recipe(difficulty.recipe)
    probability = np.nan
    if recipe.probabilities is not None:
        agreeing = recipe.predicted[:, image] == predicted
        probability = float(recipe.probabilities[agreeing, image, predicted].mean(dtype=np.float64))
    return FailedCase(
        recipe=recipe.name,
        image_index=int(image),
        image_id=predictions.image_ids[image],
        true=true,
        predicted=predicted,
        num_seeds=recipe.num_seeds,
        num_wrong=int(difficulty.num_wrong[image]),
        num_predicted=int(difficulty.num_usual_wrong[image]),
        true_probability=float(difficulty.true_probability[image]),
        predicted_probability=probability,
        confusion_count=float(confusion.counts[:, true, predicted].mean()),
        num_class_images=int(confusion.counts[0, true].sum()),
    )


def choose_failed_cases(
    predictions: Predictions,
    difficulties: Sequence[ImageDifficulty],
    confusions: Sequence[RecipeConfusion],
) -> tuple[FailedCase, ...]:
    """Choose one failed case for each recipe and class, deterministically.

    It is the image that most runs misclassify; of several, the one whose usual wrong prediction has the
    highest mean probability over all runs; then the first.

    Parameters
    ----------
    predictions
        Of all recipes.
    difficulties, confusions
        One per recipe, in the order of `predictions.recipes`.

    Returns
    -------
    tuple of FailedCase
        By recipe, then by class; a class without a misclassified image has none.
    """
    chosen = []
    for difficulty, confusion in zip(difficulties, confusions, strict=True):
        confidence = np.nan_to_num(difficulty.wrong_probability, nan=-1.0)
        for label in range(len(predictions.class_names)):
            images = np.flatnonzero((predictions.labels == label) & (difficulty.num_wrong > 0))
            if len(images):
                order = np.lexsort((images, -confidence[images], -difficulty.num_wrong[images]))
                chosen.append(failed_case(predictions, difficulty, confusion, int(images[order[0]])))
    return tuple(chosen)
