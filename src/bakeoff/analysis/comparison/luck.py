"""What differs between the runs of a recipe, and so what intervals over seeds allow for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bakeoff.text import listed

if TYPE_CHECKING:
    from bakeoff.study import Recipe, Study

WORDS = {
    "weights": "initial weights",
    "order": "order of the training images",
    "augmentation": "augmentation",
    "layers": "random layers",
    "split": "training and validation images",
}


def describe_scope(study: Study) -> str:
    """For which training images the intervals hold."""
    drawn = [name for name, recipe in study.recipes.items() if recipe.draws_split]
    if not drawn:
        return "The intervals hold for these training images."
    if len(drawn) == len(study.recipes):
        return "The intervals hold for training sets like this one."
    others = [name for name in study.recipes if name not in drawn]
    return (
        f"The intervals hold for training sets like this one as far as {listed(drawn)} "
        f"{'is' if len(drawn) == 1 else 'are'} concerned, and for these training images as far as "
        f"{listed(others)} {'is' if len(others) == 1 else 'are'}."
    )


def describe_luck(study: Study, counts: Mapping[str, Sequence[int]] | None = None) -> str:
    """Name what differs between the runs of each recipe, and what does not.

    Parameters
    ----------
    counts
        Images of each class by split, for the numbers from which a run draws its own, where it does.
    """
    by_sources: dict[str, list[str]] = {}
    for name, recipe in study.recipes.items():
        by_sources.setdefault(_sources(recipe), []).append(name)
    if len(by_sources) == 1:
        (text,) = by_sources
    else:
        text = "; ".join(f"{sources} ({listed(names)})" for sources, names in by_sources.items())
    return f"What differs between the runs of a recipe: {text}. {_images(study, counts)}"


def _images(study: Study, counts: Mapping[str, Sequence[int]] | None) -> str:
    drawn = [name for name, recipe in study.recipes.items() if recipe.draws_split]
    if not drawn:
        return "The training and validation images are the same for all."
    numbers = ""
    if counts is not None:
        train, val = (sum(counts[name]) for name in ("train", "val"))
        numbers = f", {train:,} and {val:,},"
    whose = "Each run" if len(drawn) == len(study.recipes) else f"Each run of {listed(drawn)}"
    text = (
        f"{whose} draws its own training and validation images{numbers} from the pool of both; how the "
        "source divides them does not count. The test images are the same for all. What the data check says "
        "of training and validation images holds for the source's division; copies in the pool may be "
        "divided otherwise. Nearest training images and learning histories are not shown for such runs."
    )
    if len(drawn) < len(study.recipes):
        text += " The training and validation images of the others are the same for all runs."
    return text


def _sources(recipe: Recipe) -> str:
    if recipe.trainer is not None:
        own = ["what the trainer draws from its seed"] if recipe.vary != ("split",) else []
        return listed([*own, *([WORDS["split"]] if recipe.draws_split else [])])
    return listed([WORDS[source] for source in recipe.varied])
