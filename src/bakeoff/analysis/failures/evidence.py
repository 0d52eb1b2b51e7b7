"""All measurements of the failures of one study, made once and looked up for each failed case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.attribution_maps import AttributionMaps, mean_maps
from bakeoff.analysis.failures.cases import FailedCase, choose_failed_cases, failed_case
from bakeoff.analysis.failures.confusion import RecipeConfusion, confusions
from bakeoff.analysis.failures.difficulty import ImageDifficulty, image_difficulties
from bakeoff.analysis.failures.facts import dominant_colors, image_facts
from bakeoff.analysis.failures.groups import ImageGroups, image_groups
from bakeoff.analysis.failures.label_doubts import LabelDoubts, label_doubts, mean_probabilities
from bakeoff.analysis.failures.learning_history import LearningHistory, learning_history
from bakeoff.analysis.failures.neighbors import Neighbors, nearest_training_images
from bakeoff.analysis.failures.trends import ErrorTrend, error_trends
from bakeoff.analysis.failures.unusual import ClassNorms, class_norms
from bakeoff.predictions import Predictions, RunMaps

if TYPE_CHECKING:
    from bakeoff.store import StoredStudy


@dataclass(frozen=True)
class RecipeEvidence:
    """What is known about one recipe's failures.

    Attributes
    ----------
    difficulty, confusion, trends
        From the predictions and the test images.
    neighbors
        Nearest training images of the failed cases, or None if features are not known.
    history
        Of the training images, or None if the training dynamics are not known.
    attributions
        Of the failed cases, or None if they are not known.
    """

    difficulty: ImageDifficulty
    confusion: RecipeConfusion
    trends: tuple[ErrorTrend, ...]
    neighbors: Neighbors | None
    history: LearningHistory | None
    attributions: AttributionMaps | None


@dataclass(frozen=True)
class FailureEvidence:
    """What is known about the failures of a study.

    Attributes
    ----------
    predictions
        For the test split.
    recipes
        By the recipe's name.
    groups
        Over all recipes.
    facts, colors
        Of the test images, from `image_facts` and `dominant_colors`.
    norms
        Properties of the training images, by class.
    doubts
        About the labels of the test images, or None if probabilities are not known.
    """

    predictions: Predictions
    recipes: Mapping[str, RecipeEvidence]
    groups: ImageGroups
    facts: Mapping[str, NDArray[np.float32]]
    colors: NDArray[np.int64]
    norms: ClassNorms
    doubts: LabelDoubts | None

    def case(self, recipe: str, image: int) -> FailedCase:
        """Describe the predictions of one recipe for one image that it misclassifies."""
        evidence = self.recipes[recipe]
        return failed_case(self.predictions, evidence.difficulty, evidence.confusion, image)

    def chosen_cases(self) -> tuple[FailedCase, ...]:
        """Choose one failed case for each recipe and class."""
        recipes = self.recipes.values()
        return choose_failed_cases(
            self.predictions,
            [evidence.difficulty for evidence in recipes],
            [evidence.confusion for evidence in recipes],
        )


def gather_evidence(
    predictions: Predictions,
    test_images: NDArray[np.uint8],
    train_images: NDArray[np.uint8] | None,
    train_labels: NDArray[np.int64] | None,
    neighbors: Mapping[str, Neighbors] | None = None,
    histories: Mapping[str, LearningHistory] | None = None,
    attributions: Mapping[str, Iterable[RunMaps]] | None = None,
) -> FailureEvidence:
    """Measure everything that is reported about failed cases.

    Parameters
    ----------
    predictions
        For the test split.
    test_images
        uint8 [num_test, height, width, 3], RGB.
    train_images
        uint8 [num_train, height, width, 3], RGB: what is usual for a class. None if they
        are not known: then no property is called unusual.
    train_labels
        int [num_train], or None likewise.
    neighbors, histories
        By the recipe's name, if known.
    attributions
        By the recipe's name, if known: the maps of each run, in the order of the predictions' seeds.
    """
    facts = image_facts(test_images)
    trends = error_trends(predictions, facts)
    difficulties = image_difficulties(predictions)
    recipes = {
        difficulty.recipe: RecipeEvidence(
            difficulty=difficulty,
            confusion=confusion,
            trends=tuple(trend for trend in trends if trend.recipe == difficulty.recipe),
            neighbors=(neighbors or {}).get(difficulty.recipe),
            history=(histories or {}).get(difficulty.recipe),
            attributions=mean_maps(
                attributions[difficulty.recipe],
                predictions.recipe(difficulty.recipe).predicted,
                difficulty.usual_wrong,
            )
            if attributions and difficulty.recipe in attributions
            else None,
        )
        for difficulty, confusion in zip(difficulties, confusions(predictions), strict=True)
    }
    with_probabilities = all(recipe.probabilities is not None for recipe in predictions.recipes)
    every_class = len(np.unique(predictions.labels)) == len(predictions.class_names)
    return FailureEvidence(
        predictions=predictions,
        recipes=recipes,
        groups=image_groups(difficulties),
        facts=facts,
        colors=dominant_colors(test_images),
        norms=ClassNorms({}, {})
        if train_images is None or train_labels is None
        else class_norms(image_facts(train_images), dominant_colors(train_images), train_labels),
        doubts=label_doubts(predictions.labels, mean_probabilities(predictions))
        if with_probabilities and every_class
        else None,
    )


NUM_NEIGHBORS = 10


def study_evidence(stored: StoredStudy, predictions: Predictions) -> FailureEvidence | None:
    """Measure everything that is reported about failed cases, from the results in a study folder alone.

    Parameters
    ----------
    stored
        All results. What requires training images, features or attributions is omitted if these were not
        stored.
    predictions
        From `stored.predictions()`.

    Returns
    -------
    FailureEvidence or None
        None without a finished run.
    """
    if not predictions.recipes:
        return None
    neighbors: dict[str, Neighbors] = {}
    histories: dict[str, LearningHistory] = {}
    attributions: dict[str, Iterable[RunMaps]] = {}
    for recipe in predictions.recipes:
        maps = stored.attributions_of(recipe.name)
        if maps is not None:
            attributions[recipe.name] = maps
        # Runs that draw their own training images have no common order of them.
        features = None if recipe.overlap else stored.features_of(recipe.name)
        if features is None or stored.train_labels is None:
            continue
        failed = np.flatnonzero((recipe.predicted != predictions.labels).any(axis=0))
        k = min(NUM_NEIGHBORS, len(stored.train_labels))
        neighbors[recipe.name] = nearest_training_images(*features, stored.train_labels, k, failed)
        dynamics = [run.train_true_probability for run in stored.runs_of(recipe.name)]
        longest = max(map(len, dynamics))
        # A run that stopped earlier stays as it was.
        dynamics = [np.pad(one, ((0, longest - len(one)), (0, 0)), "edge") for one in dynamics]
        histories[recipe.name] = learning_history(np.stack(dynamics))
    return gather_evidence(
        predictions,
        stored.test_images,
        stored.train_images,
        stored.train_labels,
        neighbors,
        histories,
        attributions,
    )
