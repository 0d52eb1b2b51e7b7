"""One failed case for each class: image, attribution, nearest training images, the models' probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.analysis.failures.cases import FailedCase
from bakeoff.analysis.failures.sentences import Sentence, SentenceKind
from bakeoff.analysis.summary.failures import DescribedCase
from bakeoff.report.images import png_data_uri

if TYPE_CHECKING:
    from bakeoff.analysis.summary.study import Summary
    from bakeoff.report.gallery import Gallery

TELLING: tuple[SentenceKind, ...] = (
    "label doubt",
    "attribution",
    "fact",
    "colour",
    "trend",
    "neighbours",
    "group",
)
"""The first kind of sentence that a case has is shown; the others are folded."""


MOST_ANSWERS = 2
"""Leading recipes beside the one that fails, where there are more than an answer shows."""


@dataclass(frozen=True)
class RecipeAnswer:
    """What the runs of a recipe predict for one image; probabilities are means over runs, or NaN."""

    recipe: str
    num_seeds: int
    num_right: int
    true_probability: float
    predicted_probability: float


@dataclass(frozen=True)
class NearImage:
    """A training image near a case, as a tile of a sheet (a CSS style)."""

    class_name: str
    is_same: bool
    sprite: str


@dataclass(frozen=True)
class ClassCase:
    """A class and its clearest failed case, if there is one.

    Attributes
    ----------
    described, sentence
        The case, and the most telling of its sentences.
    image
        As a data URI, or "" for `sprite` alone.
    answers
        Of the recipe that fails, and of the leading ones; see `MOST_ANSWERS`.
    others
        The clearest cases of other recipes, if these are other images.
    sprite, map, near
        Tiles of the gallery's sheets as CSS styles; empty if not known.
    strongest
        Where in the image the attribution is strongest.
    """

    class_name: str
    num_images: int
    described: DescribedCase | None = None
    sentence: Sentence | None = None
    image: str = ""
    answers: tuple[RecipeAnswer, ...] = ()
    others: tuple[FailedCase, ...] = ()
    sprite: str = ""
    map: str = ""
    strongest: str = ""
    near: tuple[NearImage, ...] = ()


def class_cases(
    summary: Summary, gallery: Gallery | None, most_open: int, most: int
) -> tuple[list[ClassCase], list[ClassCase]]:
    """One entry per class: in label order or, with more than `most_open`, the least recognized first.

    Returns
    -------
    open, folded
        At most `most_open`, with images of their own, and so many that there are at most `most` in all.
    """
    counts = summary.data.counts["test"]
    by_class: dict[int, list[DescribedCase]] = {label: [] for label in range(len(counts))}
    for described in summary.failed_cases:
        by_class[described.case.true].append(described)
    names, order = summary.stored.class_names, list(range(len(counts)))
    if len(order) > most_open and summary.finished:
        means = np.mean([recipe.results.class_accuracies.mean for recipe in summary.finished], axis=0)
        order.sort(key=lambda label: float(np.nan_to_num(means[label], nan=2.0)))
    cases = [
        _class_case(summary, gallery, by_class[label], names[label], counts[label]) for label in order[:most]
    ]
    return cases[:most_open], [replace(case, image="") for case in cases[most_open:]]


def _clearness(described: DescribedCase) -> tuple[float, float]:
    case = described.case
    return case.num_wrong / case.num_seeds, float(np.nan_to_num(case.predicted_probability))


def _class_case(
    summary: Summary, gallery: Gallery | None, cases: list[DescribedCase], class_name: str, num_images: int
) -> ClassCase:
    if not cases or gallery is None:
        return ClassCase(class_name, num_images)
    described = max(cases, key=_clearness)  # the first of equals
    case = described.case
    tiles = gallery.tiles(case.recipe, case.image_index)
    by_kind = {sentence.kind: sentence for sentence in reversed(described.findings)}
    return ClassCase(
        class_name,
        num_images,
        described,
        next((by_kind[kind] for kind in TELLING if kind in by_kind), described.findings[0]),
        png_data_uri(summary.stored.test_images[case.image_index]),
        _answers(summary, case),
        tuple(other.case for other in cases if other.case.image_index != case.image_index),
        tiles.image,
        tiles.map,
        tiles.strongest,
        tuple(
            NearImage(summary.stored.class_names[label], label == case.true, sprite)
            for label, sprite in tiles.near
        ),
    )


def _answers(summary: Summary, case: FailedCase) -> tuple[RecipeAnswer, ...]:
    leading = [recipe.name for recipe in summary.answer.recipes] if summary.answer else []
    if len(leading) < len(summary.predictions.recipes):
        leading = leading[:MOST_ANSWERS]
    answers = []
    for recipe in summary.predictions.recipes:
        if recipe.name not in [*leading, case.recipe]:
            continue
        mean = None if recipe.probabilities is None else recipe.probabilities[:, case.image_index]
        answers.append(
            RecipeAnswer(
                recipe.name,
                recipe.num_seeds,
                int((recipe.predicted[:, case.image_index] == case.true).sum()),
                float("nan") if mean is None else float(mean[:, case.true].mean(dtype=np.float64)),
                float("nan") if mean is None else float(mean[:, case.predicted].mean(dtype=np.float64)),
            )
        )
    return tuple(answers)
